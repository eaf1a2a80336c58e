package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newKeysCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "keys", "Manage the activation keys that agents are installed with",
		`An activation key lets hosts become agents: it limits how many and until when, and
gives them tags and modules. The activation key itself, a UUID, is what an agent is
installed with. Commands take a key by its ID, which 'vedette keys list' shows, by
that UUID, or by its title if no other key has it.

Disabled, expired, used up or deleted, a key refuses new agents. It never touches
those it has made.`)
	group.Example = `  vedette keys list
  vedette keys create --title Edge --max-agents 250 --expires 2032-06-30 --module VM_LICENSE
  vedette keys install-line 3
  vedette keys disable 3`
	group.AddCommand(
		newKeysList(a, f), newKeysShow(a, f), newKeysCreate(a, f), newKeysUpdate(a, f),
		newKeysSwitch(a, f, "enable", false), newKeysSwitch(a, f, "disable", true), newKeysDelete(a, f), newKeysInstallLine(a, f))
	return group
}

func newKeysList(a *app, f *clientFlags) *cobra.Command {
	var title string
	cmd := &cobra.Command{
		Use: "list", Short: "List activation keys", Args: noArgs,
		Long:    "Lists the activation keys, also those that make no agents: disabled, expired, used up.",
		Example: "  vedette keys list\n  vedette keys list --title Edge -o csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			// The title is compared here: not every platform searches by it.
			all, err := client.ActivationKeys(cmd.Context())
			if err != nil {
				return outcomeOf(automation.Failure("List Activation Keys failed.", err))
			}
			var keys []*qps.AgentActKey
			for _, k := range all {
				if strings.Contains(k.Title, title) {
					keys = append(keys, k)
				}
			}
			if f.format() == formatTable && len(keys) == 0 {
				fmt.Fprintln(a.stderr, "There is no such activation key.")
			}
			return a.writeKeys(f, keys, false)
		},
	}
	cmd.Flags().StringVar(&title, "title", "", "only keys whose title contains this `text`, case-sensitive")
	return cmd
}

func newKeysShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show KEY", Aliases: []string{"get"}, Short: "Show one activation key", Args: exactArgs("KEY"),
		Long:    "Shows one activation key, by its ID, its UUID or its title, with its tags and modules.",
		Example: "  vedette keys show 3\n  vedette keys show \"First key\"\n  vedette keys show 3 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			key, err := findKey(cmd.Context(), client, args[0])
			if err != nil {
				return platformFailure("Show Activation Key failed.", err)
			}
			return a.writeKeys(f, []*qps.AgentActKey{key}, true)
		},
	}
}

// findKey returns the key that an argument names by its id, by the UUID that agents
// are installed with, or by its title, if no other key has it.
func findKey(ctx context.Context, client *qpsclient.Client, text string) (*qps.AgentActKey, error) {
	if text == "" {
		return nil, usagef("the title of an activation key is empty")
	}
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		if id <= 0 {
			return nil, usagef("activation key %s: use an ID, which is a positive integer, a UUID or a title", quote(text))
		}
		return client.GetActivationKey(ctx, id)
	}
	// Compared here: not every platform searches by the UUID.
	all, err := client.ActivationKeys(ctx)
	if err != nil {
		return nil, err
	}
	named := func(k *qps.AgentActKey) bool { return k.Title == text }
	if _, err := uuid.Parse(text); err == nil {
		named = func(k *qps.AgentActKey) bool { return strings.EqualFold(k.ActivationKey, text) }
	}
	var found []*qps.AgentActKey
	var ids []string
	for _, k := range all {
		if named(k) {
			found, ids = append(found, k), append(ids, strconv.FormatInt(k.ID, 10))
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fault.New(fault.NotFound, fmt.Sprintf("There is no activation key %s.", quote(text)), "'vedette keys list' lists the keys there are.")
	}
	return nil, fault.New(fault.Conflict, fmt.Sprintf("The activation keys %s have the title %s.", strings.Join(ids, ", "), quote(text)), "Name one by its ID.")
}

// writeKeys writes keys as the API has them for programs, and as a table for
// people; upright is the table of a single key, a line per fact.
func (a *app) writeKeys(f *clientFlags, keys []*qps.AgentActKey, upright bool) error {
	table := keyTable(keys, a.now())
	if upright {
		return writeRecords(a, f, qps.SchemaAgentActKey, keys, table, f.transposed(table))
	}
	return writeRecords(a, f, qps.SchemaAgentActKey, keys, table, table)
}

// keyState says whether new agents can be made with a key, and if not why.
func keyState(k *qps.AgentActKey, now time.Time) string {
	switch {
	case k.IsDisabled:
		return "disabled"
	case expired(k, now):
		return "expired"
	case k.CountPurchased > 0 && k.CountUsed >= k.CountPurchased:
		return "used up"
	}
	return "enabled"
}

func expired(k *qps.AgentActKey, now time.Time) bool {
	return !k.ExpireDate.IsZero() && !now.Before(k.ExpireDate)
}

// tellExpired warns of a key that was given a time in the past.
func (a *app) tellExpired(k *qps.AgentActKey) {
	if expired(k, a.now()) {
		fmt.Fprintf(a.stderr, "The key has expired: it makes no agents. 'vedette keys update %d --expires TIME' extends it.\n", k.ID)
	}
}

func keyTable(keys []*qps.AgentActKey, now time.Time) automation.Table {
	t := automation.Table{
		Columns:     []string{"ID", "TITLE", "ACTIVATION KEY", "STATE", "AGENTS", "MAXIMUM", "EXPIRES", "MODULES", "TAGS"},
		TimeColumns: []string{"EXPIRES"},
	}
	for _, k := range keys {
		maximum := ""
		if k.CountPurchased > 0 {
			maximum = strconv.FormatInt(k.CountPurchased, 10)
		}
		tags := make([]string, len(k.Tags))
		for i, tag := range k.Tags {
			tags[i] = tag.Name
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(k.ID, 10), k.Title, k.ActivationKey, keyState(k, now), strconv.FormatInt(k.CountUsed, 10), maximum,
			qps.FormatTime(k.ExpireDate), strings.Join(k.Licenses, ","), strings.Join(tags, ","),
		})
	}
	return t
}
