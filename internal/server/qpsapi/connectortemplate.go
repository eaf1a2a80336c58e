package qpsapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// cloudTypes are the words for partitions in awsCloudType. Those of the Qualys
// platform are not documented where we could read them; the account types of its
// connectors are, and ARNs have names of their own.
var cloudTypes = map[string]connector.Partition{
	"": connector.Commercial, "GLOBAL": connector.Commercial, "AWS": connector.Commercial,
	"GOVCLOUD": connector.GovCloud, "US GOVCLOUD": connector.GovCloud, "AWS-US-GOV": connector.GovCloud,
	"CHINA": connector.China, "AWS-CN": connector.China,
}

// templateRoutes are the download of a CloudFormation template (Connectors API
// 3.0). The answer is the template itself: JSON for who accepts JSON, else YAML.
func (a *api) templateRoutes() []server.Route {
	var routes []server.Route
	for _, form := range []string{"am/", ""} {
		path := "/qps/rest/{version}/download/" + form + "awscloudformationtemplate"
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			template, contentType, err := a.roleTemplate(r)
			if err = server.Settle(r.Context(), err); err != nil {
				server.Fail(w, r, err)
				return
			}
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Content-Length", strconv.Itoa(len(template)))
			_, _ = w.Write(template) // a client that is gone cannot be told
		})
		routes = append(routes, server.Route{
			Methods: []string{http.MethodPost}, Path: path,
			Handler:      a.guard().Protect(operationOf(path), handler),
			WriteFailure: a.failureWriter(qps.SchemaAwsBaseAccount),
			MaxBody:      qps.MaxRequestBytes,
			Timeout:      requestTimeout,
		})
	}
	return routes
}

func (a *api) roleTemplate(r *http.Request) (template []byte, contentType string, err error) {
	if err := checkVersion(r, version3); err != nil {
		return nil, "", err
	}
	asked, _, err := dataObject(r, "AwsCloudformationTemplate", qps.ParseAwsCloudformationTemplate)
	if err != nil {
		return nil, "", err
	}
	p, known := cloudTypes[strings.ToUpper(asked.AWSCloudType)]
	if !known {
		return nil, "", fault.New(fault.Invalid, fmt.Sprintf("awsCloudType: invalid value '%s'.", server.Echo(asked.AWSCloudType)), "Values expected: GLOBAL, GOVCLOUD, CHINA.")
	}
	if asked.Capability != "" && !slices.Contains(qps.ConnectorApps(), asked.Capability) {
		return nil, "", fault.New(fault.Invalid, fmt.Sprintf("capability: invalid value '%s'.", server.Echo(asked.Capability)),
			"Values expected: "+strings.Join(qps.ConnectorApps(), ", ")+".")
	}
	all, err := a.assumingAccounts(r)
	if err != nil {
		return nil, "", err
	}
	assuming, _ := all.assuming(p)
	if assuming == "" {
		return nil, "", fault.New(fault.Conflict, fmt.Sprintf("awsCloudType: it is not known which account assumes roles of %s: there is no base account, and the platform has no credentials of its own there.", p.Name()),
			"Set a base account: vedette connectors base-account set, with --partition for GovCloud and China.")
	}
	made, err := connector.RoleTemplate(p, "", assuming, asked.ExternalID)
	if err != nil {
		return nil, "", err
	}
	if qps.AcceptForm(r.Header.Get("Accept")) == qps.JSON {
		template, err = made.JSON()
		return template, "application/json", err
	}
	template, err = made.YAML()
	return template, "application/yaml", err
}
