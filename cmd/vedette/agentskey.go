package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

func newAgentsChangeKey(a *app, f *clientFlags) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "change-key --key UUID ID…", Short: "Give agents another activation key", Args: minArgs("Cloud Agent ID"),
		Long: `Gives the agents another activation key, all of them or none: a key that is
disabled, expired or has too few agents left refuses. They count for the new key
from then on. Their tags and modules stay as they are.`,
		Example: "  vedette agents change-key --key 5d2f0000-0000-4000-8000-00000000b002 1 2 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			if key == "" {
				return usagef("--key is missing: give the UUID of an activation key")
			}
			var ids []string
			for _, arg := range args {
				id, err := parseID("Cloud Agent ID", arg)
				if err != nil {
					return err
				}
				if text := strconv.FormatInt(id, 10); !slices.Contains(ids, text) {
					ids = append(ids, text)
				}
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			changed, err := client.ChangeActivationKey(cmd.Context(), key, qps.Criterion{Field: "id", Operator: qps.OpIn, Value: strings.Join(ids, ",")})
			if err != nil {
				return outcomeOf(automation.Failure("Change Activation Key failed.", err))
			}
			count := len(ids)
			if changed.HasCount {
				count = int(changed.Count)
			}
			if err := a.writeKeyChange(f, count, key); err != nil {
				return err
			}
			return outcomeOf(keyChangeOutcome(count, len(ids)))
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "`UUID` of the activation key to give them")
	return cmd
}

func (a *app) writeKeyChange(f *clientFlags, agents int, key string) error {
	t := automation.Table{Columns: []string{"AGENTS", "ACTIVATION KEY"}, Rows: [][]string{{strconv.Itoa(agents), key}}}
	if f.format() == formatJSON {
		return writeJSON(a.stdout, map[string]any{"changes": rowObjects(t)})
	}
	return f.writeRows(a.stdout, "changes", "change", t)
}

// keyChangeOutcome tells a change of all agents from one of some: the platform
// passes over ids of which there is no agent.
func keyChangeOutcome(changed, asked int) automation.Outcome {
	if changed >= asked {
		return automation.Outcome{State: automation.Successful}
	}
	return notFound("Change Activation Key failed.", changed, fmt.Sprintf("Not found: %d of %s.", asked-changed, counted(asked, "Cloud Agent")))
}

// notFound is the outcome of a command that was done for so many agents and did
// not find others.
func notFound(indicator string, done int, message string) automation.Outcome {
	state := automation.PartiallySuccessful
	if done == 0 {
		state = automation.Failed
	}
	return automation.Outcome{State: state, Errors: []automation.Error{{
		Indicator: indicator, StatusCode: http.StatusNotFound, Message: message, Resolution: "Search for the agents there are.",
	}}}
}
