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

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partially successful.`)
	root.Example = `  vedette connections test
  vedette agents search --os Debian
  vedette scans launch --type inventory --wait 1`
	root.Version = buildVersion() // gives it the flag --version
	root.SetVersionTemplate(versionLine())
	// Errors are printed in one place, by finish.
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })

	// Client commands: one group per noun.
	root.AddCommand(newConnectionsCommand(a), newAgentsCommand(a), newProfilesCommand(a), newScansCommand(a))
	root.AddCommand(newKeysCommand(a), newTagsCommand(a))
	root.AddCommand(newUsersCommand(a), newRolesCommand(a), newAuditCommand(a))
	// Tags, keys and profiles as files.
	root.AddCommand(newPlanCommand(a), newApplyCommand(a))
	// The platform on this machine.
	root.AddCommand(newSwarmCommand(a))
	root.AddCommand(newUpCommand(a), newServeCommand(a), newBackupCommand(a), newRestoreCommand(a), newResetPasswordCommand(a), newVersionCommand(a))
	return root
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
