package agentwire

// Module names what an instruction, scan or upload is about.
type Module string

// The modules that are scanned for, each by scans of one type.
const (
	ModuleInventory Module = "inventory" // the one module every agent has
	ModuleVM        Module = "vm"        // vulnerabilities
	ModulePC        Module = "pc"        // policy compliance
	ModuleUDC       Module = "udc"       // user-defined controls
	ModuleSCA       Module = "sca"       // security configuration assessment
	ModuleSwCA      Module = "swca"      // software composition analysis
)

// ScanType is the type of a scan, in the words of the API's scan parameter.
type ScanType string

// The on-demand scan types (Qualys Cloud Agent API, launch on-demand scan).
const (
	InventoryScan        ScanType = "Inventory_Scan"
	VulnerabilityScan    ScanType = "Vulnerability_Scan"
	PolicyComplianceScan ScanType = "PolicyCompliance_Scan"
	UDCScan              ScanType = "UDC_Scan"
	SCAScan              ScanType = "SCA_Scan"
	SWCAScan             ScanType = "SWCA_Scan"
)

// Modules returns every module, in the order in which those that are due at one
// moment are scanned.
func Modules() []Module {
	return []Module{ModuleInventory, ModuleVM, ModulePC, ModuleUDC, ModuleSCA, ModuleSwCA}
}

// Module returns the module that scans of the type are of, empty for a type that
// is not known.
func (t ScanType) Module() Module {
	switch t {
	case InventoryScan:
		return ModuleInventory
	case VulnerabilityScan:
		return ModuleVM
	case PolicyComplianceScan:
		return ModulePC
	case UDCScan:
		return ModuleUDC
	case SCAScan:
		return ModuleSCA
	case SWCAScan:
		return ModuleSwCA
	}
	return ""
}

// Schedule says when the interval scans of a module run. On-demand scans follow
// none of it. All of it is in seconds.
type Schedule struct {
	Interval  int64 `json:"interval"`            // from the end of the last good scan, interval or on-demand, to the next
	Delay     int64 `json:"delay,omitempty"`     // before the first interval scan
	Randomize int64 `json:"randomize,omitempty"` // each interval scan is put off by a random part of it
}

// Ranges of a Schedule, in seconds. Those of delay and randomisation are the
// published ones of ScanDelayVM and MaxRandomScanIntervalVM; for the interval no
// page that could be read states one, 4 hours to 30 days is the range in use.
const (
	MinScanInterval = 240 * 60
	MaxScanInterval = 43_200 * 60
	MaxScanDelay    = 43_200 // also of the randomisation
)

// DefaultSchedule is that of modules for which a profile says nothing.
func DefaultSchedule() Schedule { return Schedule{Interval: MinScanInterval} }
