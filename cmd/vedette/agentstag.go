package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

func newAgentsTag(a *app, f *clientFlags) *cobra.Command {
	var add, remove, set []string
	cmd := &cobra.Command{
		Use: "tag {--add TAG | --remove TAG | --set TAG} ID…", Short: "Put tags on agents and take them off", Args: minArgs("Cloud Agent ID"),
		Long: `Puts static tags on agents and takes them off. TAG is the ID or the name of a tag;
each flag can be repeated. --set replaces all static tags, and --set "" takes all of
them off. Tags that are put on hosts by a rule, and the system tag, stay.

Tags decide which configuration profile an agent has: it learns of another one at
its next contact.`,
		Example: `  vedette agents tag --add Edge 1 2 3
  vedette agents tag --add West --remove East 1
  vedette agents tag --set "" 1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			replace := cmd.Flags().Changed("set")
			switch {
			case replace && len(add)+len(remove) > 0:
				return usagef("--set excludes --add and --remove")
			case !replace && len(add)+len(remove) == 0:
				return usagef("give --add, --remove or --set")
			}
			ids, err := agentIDs(args)
			if err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Tag Cloud Agents failed."
			assignment := qps.TagAssignment{Replace: replace}
			if assignment.Add, err = findTags(cmd.Context(), client, slices.Concat(add, filled(set))); err != nil {
				return platformFailure(indicator, err)
			}
			if assignment.Remove, err = findTags(cmd.Context(), client, remove); err != nil {
				return platformFailure(indicator, err)
			}
			changed, err := client.AssignTags(cmd.Context(), ids, assignment)
			if err != nil {
				return platformFailure(indicator, err)
			}
			if err := a.writeTagged(f, changed); err != nil {
				return err
			}
			return outcomeOf(taggedOutcome(indicator, changed, ids))
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&add, "add", nil, "`tag` to put on the agents")
	flags.StringArrayVar(&remove, "remove", nil, "`tag` to take off the agents")
	flags.StringArrayVar(&set, "set", nil, "`tag` that the agents shall have, instead of all other static ones")
	return cmd
}

// agentIDs reads Cloud Agent IDs, each once.
func agentIDs(args []string) ([]int64, error) {
	var ids []int64
	for _, arg := range args {
		id, err := parseID("Cloud Agent ID", arg)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (a *app) writeTagged(f *clientFlags, ids []int64) error {
	t := automation.Table{Columns: []string{"AGENT"}}
	for _, id := range ids {
		t.Rows = append(t.Rows, []string{strconv.FormatInt(id, 10)})
	}
	switch f.format() {
	case formatJSON:
		return writeJSON(a.stdout, map[string]any{"agents": append([]int64{}, ids...)})
	case formatTable:
		_, err := fmt.Fprintf(a.stdout, "The tags of %s are changed.\n", counted(len(ids), "agent"))
		return err
	default:
		return f.writeRows(a.stdout, "agents", "agent", t)
	}
}

// taggedOutcome tells a change of all agents from one of some: the platform
// passes over ids of which there is no agent.
func taggedOutcome(indicator string, changed, asked []int64) automation.Outcome {
	var missing []string
	for _, id := range asked {
		if !slices.Contains(changed, id) {
			missing = append(missing, strconv.FormatInt(id, 10))
		}
	}
	if len(missing) == 0 {
		return automation.Outcome{State: automation.Successful}
	}
	return notFound(indicator, len(changed), "There is no Cloud Agent with ID "+strings.Join(missing, ", ")+".")
}
