package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

func newAgentsActivate(a *app, f *clientFlags) *cobra.Command {
	return newModulesCommand(a, f, "activate", "Activate modules on Cloud Agents",
		`Activates application modules on each of the agents; modules that are active stay
so. AGENT_PC and AGENT_SCA exclude each other, AGENT_SwCA needs AGENT_VM.`,
		automation.ActivateModules)
}

func newAgentsDeactivate(a *app, f *clientFlags) *cobra.Command {
	return newModulesCommand(a, f, "deactivate", "Deactivate modules on Cloud Agents",
		`Deactivates application modules on each of the agents, which stay installed.`,
		automation.DeactivateModules)
}

func newModulesCommand(a *app, f *clientFlags, verb, short, long string,
	change func(context.Context, automation.AgentPlatform, []string, []qpsclient.Module) automation.Outcome) *cobra.Command {
	var tokens []string
	cmd := &cobra.Command{
		Use: verb + " ID…", Short: short, Args: minArgs("Cloud Agent ID"),
		Long: long + `

Modules are named in any case, with or without AGENT_ in front. When some of the
agents cannot be changed, the others are, and the exit code is 3.`,
		Example: "  vedette agents " + verb + " 1 --module vm\n  vedette agents " + verb + " 1 2 3 --module AGENT_VM,AGENT_SwCA",
		RunE: func(cmd *cobra.Command, args []string) error {
			modules, err := automation.ParseModules(tokens)
			if err != nil {
				return usagef("--module: %w", err)
			}
			if _, err := automation.ParseAgentIDs(args); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			return a.report(f, change(cmd.Context(), client, args, modules))
		},
	}
	cmd.Flags().StringSliceVar(&tokens, "module", nil, "`module`s, separated by commas")
	var names []string
	for _, m := range qpsclient.Modules() {
		names = append(names, string(m))
	}
	completeOneOf(cmd, "module", names)
	return cmd
}

// report writes the outcome of a command that acted on several things.
func (a *app) report(f *clientFlags, outcome automation.Outcome) error {
	if f.format() == formatTable {
		outcome.Result = outcome.Result.Shown(f.times)
	}
	if outcome.State != automation.Failed || f.format() != formatTable {
		if err := writeOutcome(a.stdout, f.format(), outcome); err != nil {
			return err
		}
	}
	return outcomeOf(outcome)
}

func newAgentsUninstall(a *app, f *clientFlags) *cobra.Command {
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use: "uninstall ID…", Short: "Uninstall Cloud Agents", Args: minArgs("Cloud Agent ID"),
		Long: `Removes each of the agents from the platform, with everything known of its host, and
frees the unit of its activation key. The agent removes itself at its next contact;
'vedette agents uninstalls' lists those that have not yet.

Without --yes it only shows which agents that would be.`,
		Example: "  vedette agents uninstall 1 2\n  vedette agents uninstall --yes 1 2",
		RunE: func(cmd *cobra.Command, args []string) error {
			if yes && dryRun {
				return usagef("--yes and --dry-run exclude each other")
			}
			if _, err := automation.ParseAgentIDs(args); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			if yes {
				return a.report(f, automation.UninstallCloudAgents(cmd.Context(), client, args))
			}
			outcome, _ := automation.FindCloudAgents(cmd.Context(), client, args)
			if err := a.report(f, outcome); err != nil {
				return err
			}
			fmt.Fprintln(a.stderr, "Nothing was uninstalled. Repeat with --yes to uninstall these agents.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "uninstall them")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would be uninstalled, as without --yes")
	return cmd
}
