package performance

// The keys of the parameters, as they stand in a profile.
const (
	KeyStatusInterval        = "INTERVAL_EVENT_STATUS"
	KeyDeltaUploadInterval   = "INTERVAL_EVENT_UPLOAD_CHANGELIST"
	KeyUploadFragmentSize    = "FILE_UPLOAD_FRAGMENT_SIZE_IN_KB"
	KeyUpgradeRetryInterval  = "INTERVAL_EVENT_EXECUTE_SETUP"
	KeyLoggingLevel          = "AGENT_LOGGING_LEVEL"
	KeyCPULimit              = "CPU_LIMIT"
	KeyScanThrottle          = "THROTTLE_EVENT_SCAN"
	KeyDeltaConfirmInterval  = "INTERVAL_EVENT_DOWNLOAD_SNAPSHOT"
	KeyManifestInterval      = "INTERVAL_EVENT_DOWNLOAD_MANIFEST"
	KeyConfigurationInterval = "INTERVAL_EVENT_CONFIG"
	KeyRxThrottle            = "THROTTLE_EVENT_COMM_UPLOAD"   // slows downloads, see Settings.DownloadThrottle
	KeyTxThrottle            = "THROTTLE_EVENT_COMM_DOWNLOAD" // slows uploads, see Settings.UploadThrottle
	KeyDownloadFragmentSize  = "FILE_DOWNLOAD_FRAGMENT_SIZE_IN_KB"
	KeyRevocationInterval    = "INTERVAL_EVENT_CHECK_REVOCATION"
	KeyProvisionInterval     = "INTERVAL_EVENT_PROVISION"
	KeyUpgradeCheckInterval  = "INTERVAL_EVENT_DOWNLOAD_SELF_PATCH"
)

// Catalogue returns all parameters in the order of the release note: those of
// every agent, of Windows, of Linux and Mac, then the legacy ones. The caller
// owns the slice and everything in it.
func Catalogue() []Parameter {
	return append(currentParameters(), legacyParameters()...)
}

// Lookup returns the parameter with the given key, which is matched exactly. It
// reports false for a key that the catalogue does not have.
func Lookup(key string) (Parameter, bool) {
	for _, p := range Catalogue() {
		if p.Key == key {
			return p, true
		}
	}
	return Parameter{}, false
}

func currentParameters() []Parameter {
	return []Parameter{
		{
			Key: KeyStatusInterval, Label: "Agent Status Interval", FormerLabel: "Update system with Agent's status",
			Description: "Time between two consolidated requests of an agent for information from the platform.",
			Unit:        Seconds, Min: 300, Max: 86400, Low: "2400", Normal: "1800", High: "600",
			Change: ValuesChanged,
		},
		{
			Key: KeyDeltaUploadInterval, Label: "Delta Upload Interval",
			Description: "Time between two attempts of an agent to upload the changes it has detected.",
			Unit:        Seconds, Min: 1, Max: 1800, Low: "10", Normal: "5", High: "1",
			Change: ValuesChanged,
		},
		{
			Key: KeyUploadFragmentSize, Label: "Chunk Sizes for File Fragment Uploads",
			Description: "Size of an upload block. With the Delta Upload Interval it determines the use of the network.",
			Unit:        Kilobytes, Min: 64, Max: 10240, Low: "1024", Normal: "2048", High: "4096",
			Change: ValuesChanged,
		},
		{
			Key: KeyUpgradeRetryInterval, Label: "Upgrade Reattempt Interval",
			Description: "Time between two checks of the platform for a new upgrade, if the agent is configured to upgrade.",
			Unit:        Seconds, Min: 180, Max: Unbounded, Low: "300", Normal: "300", High: "180",
			Change: Unchanged,
		},
		{
			Key: KeyLoggingLevel, Label: "Logging level for agent",
			Description: "Amount and detail of the messages an agent logs.",
			Values:      []string{"Verbose", "Info", "Warn", "Error", "None"},
			Low:         "Verbose", Normal: "Verbose", High: "Verbose",
			Change: Unchanged,
		},
		{
			Key: KeyCPULimit, Label: "CPU Limit",
			Description: "Limit of the processor core(s) used by the agent. A lower percentage uses less CPU and takes longer.",
			Unit:        Percent, Min: 2, Max: 100, Low: "5", Normal: "20", High: "80",
			Agents: []AgentRange{{System: Windows, From: "1.5"}},
			Change: New,
		},
		{
			Key: KeyScanThrottle, Label: "CPU Throttle",
			Description: "Delay between two operations of the agent. A higher value uses less CPU and takes longer.",
			Unit:        Milliseconds, Min: 0, Max: 1000, Low: "20", Normal: "10", High: "0",
			Agents: []AgentRange{{System: Linux, From: "1.6"}, {System: Mac, From: "1.6"}},
			Change: ValuesChanged,
		},
	}
}

// legacyParameters are those that only agents before the consolidated status
// request use; the release note keeps all of them unchanged.
func legacyParameters() []Parameter {
	parameters := []Parameter{
		{
			Key: KeyDeltaConfirmInterval, Label: "Delta Confirmation Interval",
			Description: "Time between two checks of the platform for confirmation that changes were processed.",
			Unit:        Seconds, Min: 60, Max: Unbounded, Low: "300", Normal: "120", High: "60",
		},
		{
			Key: KeyManifestInterval, Label: "Manifest Download Interval",
			Description: "Time between two checks of the platform for new instruction manifests.",
			Unit:        Seconds, Min: 60, Max: Unbounded, Low: "10800", Normal: "3600", High: "60",
		},
		{
			Key: KeyConfigurationInterval, Label: "Configuration Download Interval",
			Description: "Time between two checks of the platform for new configuration profiles.",
			Unit:        Seconds, Min: 60, Max: Unbounded, Low: "10800", Normal: "3600", High: "60",
		},
		{
			Key: KeyRxThrottle, Label: "Network throttle Rx",
			Description: "The higher the value, the slower an agent downloads from the platform. With the download block size it determines the use of the network.",
			Unit:        Milliseconds, Min: 0, Max: 200, Low: "20", Normal: "10", High: "0",
		},
		{
			Key: KeyTxThrottle, Label: "Network throttle Tx",
			Description: "The higher the value, the slower an agent uploads to the platform. With the upload block size it determines the use of the network.",
			Unit:        Milliseconds, Min: 0, Max: 200, Low: "20", Normal: "10", High: "0",
		},
		{
			Key: KeyDownloadFragmentSize, Label: "Chunk sizes for file fragment downloads",
			Description: "Size of a download block. With Network throttle Rx it determines the use of the network.",
			Unit:        Kilobytes, Min: 64, Max: Unbounded, Low: "1024", Normal: "1024", High: "1024",
		},
		{
			Key: KeyRevocationInterval, Label: "Revocation Interval",
			Description: "Time between two checks of the platform whether the agent should uninstall itself.",
			Unit:        Seconds, Min: 3600, Max: Unbounded, Low: "3600", Normal: "3600", High: "3600",
		},
		{
			Key: KeyProvisionInterval, Label: "Provisioning Interval",
			Description: "Time between two attempts of an agent to repair itself by provisioning again.",
			Unit:        Seconds, Min: 60, Max: Unbounded, Low: "900", Normal: "900", High: "900",
		},
		{
			Key: KeyUpgradeCheckInterval, Label: "Upgrade Check Interval",
			Description: "Time between two checks of the platform for a new upgrade.",
			Unit:        Seconds, Min: 300, Max: Unbounded, Low: "10800", Normal: "3600", High: "300",
		},
	}
	for i := range parameters {
		parameters[i].Legacy = true
		parameters[i].Change = Unchanged
		parameters[i].Agents = []AgentRange{{System: Windows, To: "1.4"}, {System: Linux, To: "1.5"}, {System: Mac, To: "1.5"}}
	}
	return parameters
}
