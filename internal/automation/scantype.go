package automation

import (
	"fmt"
	"strings"

	"vedette.dev/vedette/qps/qpsclient"
)

// ScanType is a type of on-demand scan with its names.
type ScanType struct {
	Name  string             // as the published integration names it: "Inventory Scan"
	Token string             // on the command line: "inventory"
	Wire  qpsclient.ScanType // in the API: "Inventory_Scan"
}

// ScanTypes lists the types of on-demand scans; the first is the default.
func ScanTypes() []ScanType {
	return []ScanType{
		{"Inventory Scan", "inventory", qpsclient.InventoryScan},
		{"Vulnerability Scan", "vulnerability", qpsclient.VulnerabilityScan},
		{"Policy Compliance Scan", "policy-compliance", qpsclient.PolicyComplianceScan},
		{"UDC Scan", "udc", qpsclient.UDCScan},
		{"SCA Scan", "sca", qpsclient.SCAScan},
		{"SWCA Scan", "swca", qpsclient.SWCAScan},
	}
}

// ParseScanType accepts a name, a token or a wire name, in any case; empty means
// the default. The error lists what is allowed.
func ParseScanType(s string) (ScanType, error) {
	types := ScanTypes()
	text := strings.TrimSpace(s)
	if text == "" {
		return types[0], nil
	}
	names := make([]string, len(types))
	for i, t := range types {
		if strings.EqualFold(text, t.Name) || strings.EqualFold(text, t.Token) || strings.EqualFold(text, string(t.Wire)) {
			return t, nil
		}
		names[i] = t.Name + " (" + t.Token + ")"
	}
	return ScanType{}, fmt.Errorf("scan type %q is unknown, use one of: %s", shorten(s), strings.Join(names, ", "))
}
