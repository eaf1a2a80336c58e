package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func newRootCommand(a *app) *cobra.Command {
	root := newGroup("vedette", "Cloud Agent platform, agent management and automation",
		`Vedette is a self-hosted Cloud Agent platform that speaks the Qualys Cloud Agent
API, and a command line for it and for Qualys subscriptions.

Client commands take the platform's address and the credentials from flags, from
the environment (VEDETTE_URL, VEDETTE_USERNAME and VEDETTE_PASSWORD or
VEDETTE_TOKEN, VEDETTE_CA_FILE) or from a named connection, in that order. Where
none of them says anything, the platform that "vedette up" started in this folder
is meant (vedette-data/admin.env).

Commands that delete, uninstall or purge do so with --yes; without it they show what
they would do.

Exit codes: 0 done or shown, 1 failed, 2 wrong usage, 3 partially successful.`)
	root.Example = `  vedette connections test
  vedette agents search --os Debian
  vedette scans launch --type inventory --wait 1`
	root.Version = buildVersion() // gives it the flag --version
	root.SetVersionTemplate(versionLine())
	// Errors are printed in one place, by finish.
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagMistake)
	root.SetHelpCommand(newHelpCommand(root))

	// Client commands: one group per noun.
	root.AddCommand(newConnectionsCommand(a), newAgentsCommand(a), newProfilesCommand(a), newScansCommand(a))
	root.AddCommand(newKeysCommand(a), newTagsCommand(a), newConnectorsCommand(a))
	root.AddCommand(newUsersCommand(a), newRolesCommand(a), newAuditCommand(a), newRelaysCommand(a), newAutomationCommand(a), newMCPCommand(a))
	// Tags, keys and profiles as files.
	root.AddCommand(newPlanCommand(a), newApplyCommand(a))
	// The platform on this machine.
	root.AddCommand(newSwarmCommand(a), newRelayCommand(a))
	root.AddCommand(newUpCommand(a), newServeCommand(a), newBackupCommand(a), newRestoreCommand(a), newResetPasswordCommand(a), newSecretsCommand(a), newVersionCommand(a))
	return root
}

// newHelpCommand returns help, which unlike cobra's own refuses what there is not.
func newHelpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command",
		Long:    "Explains a command, as its flag --help does.",
		Example: "  vedette help agents search",
		Args:    cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 {
				return unknownCommand(cmd, rest[0])
			}
			cmd.InitDefaultHelpFlag() // which it then lists
			return cmd.Help()
		},
	}
}

// unknownCommand is the error for a command that cmd does not hold.
func unknownCommand(cmd *cobra.Command, name string) error {
	text := "unknown command " + quote(name) + " for " + quote(cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2 // letters that may differ
	if similar := cmd.SuggestionsFor(name); len(similar) > 0 {
		text += ", did you mean " + strings.Join(similar, " or ") + "?"
	}
	return usagef("%s", text)
}
