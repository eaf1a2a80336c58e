package integration

import (
	"context"

	"vedette.dev/vedette/internal/automation"
)

// operation is what a command does. One that has not finished sets pause, or
// returns an outcome with Again; see execution.answer.
type operation func(ctx context.Context, x *execution) automation.Outcome

// operations are the functions of all commands, by integration and name.
func operations() map[string]map[string]operation {
	return map[string]map[string]operation{"qualys-cloud-agent": qualysOperations(), VaultIntegration: vaultOperations()}
}

func qualysOperations() map[string]operation {
	return map[string]operation{
		"test-connection":        testConnection,
		"search-cloud-agents":    searchCloudAgents,
		"launch-on-demand-scans": launchOnDemandScans,

		"scan-status":            scanStatus,
		"get-cloud-agent":        getCloudAgent,
		"activate-modules":       activateModules,
		"deactivate-modules":     deactivateModules,
		"uninstall-cloud-agents": uninstallCloudAgents,
		"tag-cloud-agents":       tagCloudAgents,
		"untag-cloud-agents":     untagCloudAgents,

		"list-activation-keys":  listActivationKeys,
		"create-activation-key": createActivationKey,
		"update-activation-key": updateActivationKey,
		"delete-activation-key": deleteActivationKey,

		"list-configuration-profiles":  listConfigurationProfiles,
		"create-configuration-profile": createConfigurationProfile,
		"update-configuration-profile": updateConfigurationProfile,
		"delete-configuration-profile": deleteConfigurationProfile,

		"list-connectors":  listConnectors,
		"create-connector": createConnector,
		"update-connector": updateConnector,
		"delete-connector": deleteConnector,
		"run-connectors":   runConnectors,
	}
}

func (x *execution) commands() *automation.Commands {
	return automation.NewCommands(x.session.Client, x.session.Now)
}
