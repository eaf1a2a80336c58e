package qpsapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// parameter returns a query parameter, trimmed. Names match in any case, the
// last of several wins, and text that is wrongly encoded is taken as it is:
// clients send empty keys, plain and encoded commas.
func parameter(r *http.Request, name string) (value string, found bool) {
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		key, text, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(unescape(key), name) {
			continue
		}
		value, found = strings.TrimSpace(unescape(text)), true
	}
	return value, found
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// assetID returns the id at the end of the path.
func assetID(r *http.Request) (int64, error) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("Asset id: invalid value '%s'.", server.Echo(text)),
			"Specify the id of the asset (HostAsset.id) as Long.")
	}
	return id, nil
}

// scanTypes are the values of the scan parameter (Qualys Cloud Agent API,
// launch on-demand scan).
var scanTypes = []agentwire.ScanType{
	agentwire.InventoryScan, agentwire.VulnerabilityScan, agentwire.PolicyComplianceScan,
	agentwire.UDCScan, agentwire.SCAScan, agentwire.SWCAScan,
}

// scanType returns the scan parameter, in whatever case it came.
func scanType(r *http.Request) (agentwire.ScanType, error) {
	text, found := parameter(r, "scan")
	names := make([]string, len(scanTypes))
	for i, t := range scanTypes {
		if strings.EqualFold(text, string(t)) {
			return t, nil
		}
		names[i] = string(t)
	}
	message := "scan: the parameter is missing."
	if found {
		message = fmt.Sprintf("scan: invalid value '%s'.", server.Echo(text))
	}
	return "", fault.New(fault.Invalid, message, "Values expected: "+strings.Join(names, ", ")+".")
}

// overrideCPU returns the overrideConfigCpu parameter, false when it is absent.
func overrideCPU(r *http.Request) (bool, error) {
	text, found := parameter(r, "overrideConfigCpu")
	switch strings.ToLower(text) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	if !found {
		return false, nil
	}
	return false, fault.New(fault.Invalid, fmt.Sprintf("overrideConfigCpu: invalid value '%s'.", server.Echo(text)),
		"Values expected: true, false.")
}
