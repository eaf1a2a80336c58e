package qpsapi

import (
	"fmt"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/server"
)

// Permissions of which one is enough.
var (
	readAssets = []access.Permission{access.CAAPIAccess, access.ReadAsset}
	viewKeys   = []access.Permission{access.ViewActivationKey}
	viewConfig = []access.Permission{access.ViewConfigurationProfile}
	// managersOnly is no permission that anybody else can have. It is nil, and not
	// empty: that would be everybody.
	managersOnly []access.Permission
)

// permissions says for every call what a caller needs beside API access (Qualys
// Cloud Agent API, user permissions; the SOAR integration's permission
// requirements, by which searching and testing a connection need no more than CA
// API access, and launching a scan no more than its own permission). Calls with
// an empty list need nothing more. Connectors are for managers (Connectors API,
// permissions): their keys open whole accounts.
var permissions = map[string][]access.Permission{
	"version portal": readAssets,
	"about msp":      {},

	"count am/hostasset":     readAssets,
	"search am/hostasset":    readAssets,
	"get am/hostasset":       readAssets,
	"update am/hostasset":    {access.UpdateAsset},
	"uninstall am/hostasset": {access.UninstallAgent},

	"count am/asset":      readAssets,
	"search am/asset":     readAssets,
	"get am/asset":        readAssets,
	"update am/asset":     {access.UpdateAsset},
	"activate am/asset":   {access.ActivateAgent},
	"deactivate am/asset": {access.DeactivateAgent},
	"uninstall am/asset":  {access.UninstallAgent},

	"ods ca/agentasset": {access.LaunchOnDemandScan},

	"count ca/agentactkey":  viewKeys,
	"search ca/agentactkey": viewKeys,
	"get ca/agentactkey":    viewKeys,
	"create ca/agentactkey": {access.CreateActivationKey},
	"update ca/agentactkey": {access.EditActivationKey, access.EnableActivationKey},
	"delete ca/agentactkey": {access.DeleteActivationKey},
	"cak ca/changeactkey":   {access.ChangeActivationKey},

	"count ca/agentconfig":  viewConfig,
	"search ca/agentconfig": viewConfig,
	"get ca/agentconfig":    viewConfig,
	"create ca/agentconfig": {access.CreateConfigurationProfile},
	"update ca/agentconfig": {access.EditConfigurationProfile},
	"delete ca/agentconfig": {access.DeleteConfigurationProfile},

	"count am/tag":    {},
	"search am/tag":   {},
	"get am/tag":      {},
	"create am/tag":   {access.CreateUserTag},
	"update am/tag":   {access.EditUserTag},
	"delete am/tag":   {access.DeleteUserTag},
	"evaluate am/tag": {},

	"process ca/binaryinfo":       readAssets,
	"download ca/downloadbinary":  readAssets,
	"download ca/downloadcdxsbom": readAssets,

	"get am/awsassetdataconnector":    managersOnly,
	"search am/awsassetdataconnector": managersOnly,
	"count am/awsassetdataconnector":  managersOnly,
	"create am/awsassetdataconnector": managersOnly,
	"update am/awsassetdataconnector": managersOnly,
	"delete am/awsassetdataconnector": managersOnly,
	"run am/awsassetdataconnector":    managersOnly,

	"get am/assetdataconnector":    managersOnly,
	"search am/assetdataconnector": managersOnly,
	"count am/assetdataconnector":  managersOnly,
	"update am/assetdataconnector": managersOnly,
	"delete am/assetdataconnector": managersOnly,
	"run am/assetdataconnector":    managersOnly,

	"get am/awsauthrecord":    managersOnly,
	"search am/awsauthrecord": managersOnly,
	"count am/awsauthrecord":  managersOnly,
	"create am/awsauthrecord": managersOnly,
	"update am/awsauthrecord": managersOnly,
	"delete am/awsauthrecord": managersOnly,

	"search am/assetdataconnectorerrors":    managersOnly,
	"get am/awsbaseaccount":                 managersOnly,
	"search am/awsbaseaccount":              managersOnly,
	"download am/awscloudformationtemplate": managersOnly,
}

// readers are the verbs that change nothing.
var readers = map[string]bool{"version": true, "about": true, "count": true, "search": true, "get": true, "process": true, "download": true}

// operationOf returns what the route of a path does. A path that permissions
// does not name is a mistake of this package, found at the first start.
func operationOf(path string) server.Operation {
	rest := strings.TrimSuffix(strings.TrimPrefix(path, "/qps/rest/{version}/"), "/{id}")
	switch path {
	case "/qps/rest/portal/version":
		rest = "version/portal"
	case "/msp/about.php":
		rest = "about/msp"
	}
	verb, object, _ := strings.Cut(rest, "/")
	if path != "/qps/rest/portal/version" && path != "/msp/about.php" && !strings.Contains(object, "/") {
		object = "am/" + object // of connectors, whose paths may lack it
	}
	name := verb + " " + object
	anyOf, known := permissions[name]
	if !known {
		panic(fmt.Sprintf("qpsapi: no permissions are known for %q at %s", name, path))
	}
	return server.Operation{Name: name, AnyOf: anyOf, Open: anyOf != nil && len(anyOf) == 0, Write: !readers[verb]}
}
