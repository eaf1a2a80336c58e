package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/automation/plan"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// keyFlags are what can be said of a key on the command line.
type keyFlags struct {
	file       string
	title      string
	maxAgents  string
	expires    string
	client     *clientFlags
	modules    []string
	tags       []string
	applyToAll bool
}

// describingKeys are the flags that say what -f says.
var describingKeys = []string{"title", "max-agents", "expires", "module", "tag"}

func (k *keyFlags) define(cmd *cobra.Command) {
	defineObjectFile(cmd, &k.file, plan.KindKey)
	flags := cmd.Flags()
	flags.StringVar(&k.title, "title", "", "`text` by which people know the key")
	flags.StringVar(&k.maxAgents, "max-agents", description.NoMaximum, "how many agents the key may make, a `number` or "+description.NoMaximum)
	flags.StringVar(&k.expires, "expires", description.NoExpiry, "the `time` from which the key makes no agents, or a day as YYYY-MM-DD, or "+description.NoExpiry)
	flags.StringSliceVar(&k.modules, "module", nil, "`license` of a module to activate on the agents, such as VM_LICENSE; can be repeated, empty for none")
	flags.StringSliceVar(&k.tags, "tag", nil, "id or `name` of a tag to put on the agents; can be repeated, empty for none")
}

// described returns what the flags that were given say of a key.
func (k *keyFlags) described(cmd *cobra.Command) (description.ActivationKey, error) {
	var d description.ActivationKey
	given := cmd.Flags().Changed
	if given("title") {
		d.Title = &k.title
	}
	if given("max-agents") {
		d.MaxAgents = new(int64)
		if k.maxAgents != description.NoMaximum {
			n, err := strconv.ParseInt(k.maxAgents, 10, 32)
			if err != nil || n < 1 {
				return d, usagef("--max-agents %s: use a number of at least 1, or %s", quote(k.maxAgents), description.NoMaximum)
			}
			d.MaxAgents = &n
		}
	}
	if given("expires") {
		d.Expires = new(time.Time)
		if k.expires != description.NoExpiry {
			at, err := qps.ParseTime(k.expires)
			if err != nil {
				at, err = k.client.times.ReadTime(k.expires, false)
			}
			if err != nil {
				return d, usagef("--expires: %w, a day such as 2024-12-29, or %s", err, description.NoExpiry)
			}
			d.Expires = &at
		}
	}
	if given("module") {
		d.Modules = new(filled(k.modules))
	}
	if given("tag") {
		d.Tags = new(filled(k.tags))
	}
	return d, nil
}

// change returns what the file or the flags say of a key that is so far as
// current says.
func (k *keyFlags) change(a *app, cmd *cobra.Command, client *qpsclient.Client, current qps.AgentActKey) (qps.AgentActKeyChange, error) {
	c, err := k.describedChange(a, cmd, client, current)
	if err == nil && k.applyToAll {
		c.ApplyOnAgents = &k.applyToAll
	}
	return c, err
}

func (k *keyFlags) describedChange(a *app, cmd *cobra.Command, client *qpsclient.Client, current qps.AgentActKey) (qps.AgentActKeyChange, error) {
	if k.file == "" {
		d, err := k.described(cmd)
		if err != nil {
			return qps.AgentActKeyChange{}, err
		}
		return d.Change(current, description.TagByText)
	}
	said, err := a.readObject(k.file, plan.KindKey)
	if err != nil {
		return qps.AgentActKeyChange{}, err
	}
	if said.element != nil {
		c, err := qps.ParseAgentActKeyChange(said.element)
		return c, mistakeIn(k.file, err)
	}
	return said.document.Key.Change(current, tagByName(cmd.Context(), client))
}

// filled returns the values that are not empty, never nil.
func filled(values []string) []string {
	kept := []string{}
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

func newKeysCreate(a *app, f *clientFlags) *cobra.Command {
	k := keyFlags{client: f}
	cmd := &cobra.Command{
		Use: "create", Short: "Make an activation key", Args: noArgs,
		Long: `Makes an activation key and prints it: the UUID alone on standard output, so that a
script can install agents with it. Without limits it is good for any number of
agents at any time.

-f takes it from a file instead of flags: a YAML document of the kind ActivationKey,
as 'vedette plan' has them, or the request of the API in XML or JSON.`,
		Example: `  vedette keys create --title "Edge caches" --module VM_LICENSE --module PC_LICENSE --tag Edge
  vedette keys create -f edge.yaml
  KEY=$(vedette keys create --title Laptops --max-agents 250 --expires 2032-06-30)`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := excludes(cmd, describingKeys...); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			change, err := k.change(a, cmd, client, qps.AgentActKey{})
			if err != nil {
				return platformFailure("Create Activation Key failed.", err)
			}
			key, err := client.CreateActivationKey(cmd.Context(), change)
			if err != nil {
				return outcomeOf(automation.Failure("Create Activation Key failed.", err))
			}
			a.tellExpired(key)
			if f.format() != formatTable {
				return a.writeKeys(f, []*qps.AgentActKey{key}, true)
			}
			fmt.Fprintf(a.stderr, "Activation key %s is made.\n", nameOfKey(key))
			_, err = fmt.Fprintln(a.stdout, printable(key.ActivationKey))
			return err
		},
	}
	k.define(cmd)
	return cmd
}

// nameOfKey names a key in a sentence.
func nameOfKey(k *qps.AgentActKey) string {
	name := strconv.FormatInt(k.ID, 10)
	if k.Title != "" {
		name += " (" + printable(quote(k.Title)) + ")"
	}
	return name
}

func newKeysUpdate(a *app, f *clientFlags) *cobra.Command {
	k := keyFlags{client: f}
	cmd := &cobra.Command{
		Use: "update KEY", Short: "Change an activation key", Args: exactArgs("KEY"),
		Long: `Changes what the flags or the file of -f name and leaves the rest. Modules and tags
replace the whole list. Agents that the key has made stay as they are, unless
--apply-on-agents brings their tags and modules into line.`,
		Example: "  vedette keys update 3 --max-agents 500\n  vedette keys update 3 -f edge.yaml\n  vedette keys update 3 --tag Edge --tag West --apply-on-agents",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc(append([]string{"file", "apply-on-agents"}, describingKeys...), cmd.Flags().Changed) {
				return usagef("nothing to change is given")
			}
			if err := excludes(cmd, describingKeys...); err != nil {
				return err
			}
			return a.updateKey(cmd, f, args[0], "Update Activation Key failed.", func(client *qpsclient.Client, current qps.AgentActKey) (qps.AgentActKeyChange, error) {
				return k.change(a, cmd, client, current)
			})
		},
	}
	k.define(cmd)
	cmd.Flags().BoolVar(&k.applyToAll, "apply-on-agents", false, "also change the tags and modules of the agents the key has made")
	return cmd
}

// updateKey changes a key as change says and shows it as it is then.
func (a *app) updateKey(cmd *cobra.Command, f *clientFlags, keyText, indicator string, change func(*qpsclient.Client, qps.AgentActKey) (qps.AgentActKeyChange, error)) error {
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	current, err := findKey(cmd.Context(), client, keyText)
	if err != nil {
		return platformFailure(indicator, err)
	}
	c, err := change(client, *current)
	if err != nil {
		return platformFailure(indicator, err)
	}
	updated, err := writeKey(cmd, client, current.ID, c)
	if err != nil {
		return outcomeOf(automation.Failure(indicator, err))
	}
	a.tellExpired(updated)
	return a.writeKeys(f, []*qps.AgentActKey{updated}, true)
}

func writeKey(cmd *cobra.Command, client *qpsclient.Client, id int64, change qps.AgentActKeyChange) (*qps.AgentActKey, error) {
	if err := client.UpdateActivationKey(cmd.Context(), id, change); err != nil {
		return nil, err
	}
	return client.GetActivationKey(cmd.Context(), id)
}

func newKeysSwitch(a *app, f *clientFlags, verb string, disabled bool) *cobra.Command {
	effect := map[bool]string{false: "New agents can be installed with it again.", true: "New agents are refused; those it has made go on."}[disabled]
	title := strings.ToUpper(verb[:1]) + verb[1:]
	return &cobra.Command{
		Use: verb + " KEY", Short: title + " an activation key", Args: exactArgs("KEY"),
		Long:    title + "s an activation key. " + effect,
		Example: "  vedette keys " + verb + " 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.updateKey(cmd, f, args[0], title+" Activation Key failed.", func(_ *qpsclient.Client, current qps.AgentActKey) (qps.AgentActKeyChange, error) {
				change := qps.AgentActKeyChange{Type: new(cmp.Or(current.Type, description.KeyType(current))), IsDisabled: &disabled}
				if current.CountPurchased > 0 {
					change.CountPurchased = &current.CountPurchased
				}
				if !current.ExpireDate.IsZero() {
					change.ExpireDate = &current.ExpireDate
				}
				return change, nil
			})
		},
	}
}

func newKeysDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete KEY", Short: "Delete an activation key", Args: exactArgs("KEY"),
		Long: `Deletes an activation key with --yes; without it, only says what would happen. The
agents the key has made go on. It cannot be brought back: to stop new agents for a
while, disable it.`,
		Example: "  vedette keys delete 3\n  vedette keys delete 3 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Delete Activation Key failed."
			key, err := findKey(cmd.Context(), client, args[0])
			if err != nil {
				return platformFailure(indicator, err)
			}
			if !yes {
				fmt.Fprintf(a.stdout, "Activation key %s would be deleted. Its agents, %d, would go on, and no host could join with %s.\n"+
					"Nothing was changed; repeat the command with --yes to delete it.\n", nameOfKey(key), key.CountUsed, printable(key.ActivationKey))
				return nil
			}
			if err := client.DeleteActivationKey(cmd.Context(), key.ID); err != nil {
				return outcomeOf(automation.Failure(indicator, err))
			}
			fmt.Fprintf(a.stdout, "Activation key %s is deleted. Its agents, %d, go on.\n", nameOfKey(key), key.CountUsed)
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete it")
	return cmd
}
