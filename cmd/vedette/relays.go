package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newRelaysCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "relays", "Register the relays of closed networks, and rotate their tokens",
		`A relay runs in a closed network, dials out to the platform, and carries the
platform's connections to targets there (see 'vedette relay'). Here they are
registered, listed, given another token and deleted. RELAY is the name or the ID of
a relay. All of it is for managers.`)
	group.Example = `  vedette relays register plant-graz --description "Behind the firewall of Graz"
  vedette relays list
  vedette relays rotate plant-graz
  vedette relays delete plant-graz --yes`
	ofOne := []*cobra.Command{newRelaysShow(a, f), newRelaysRotate(a, f), newRelaysRevoke(a, f), newRelaysDelete(a, f)}
	a.completeNamesOf(f, relayNames, 1, ofOne...)
	group.AddCommand(ofOne...)
	group.AddCommand(newRelaysList(a, f), newRelaysRegister(a, f))
	return group
}

// relayNames are for the completion of command lines.
func relayNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	relays, err := client.Relays(ctx)
	names := make([]string, len(relays))
	for i, r := range relays {
		names[i] = r.Name
	}
	return names, err
}

// relayFailure is the error of a command about relays.
func relayFailure(indicator string, err error) error {
	if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
		return errors.New("this platform is not a Vedette platform: it has no relays")
	}
	return platformFailure(indicator, err)
}

func relayTable(relays ...qpsclient.Relay) automation.Table {
	t := automation.Table{
		Columns:     []string{"ID", "NAME", "STATUS", "REPLICAS", "LAST SEEN", "HOST", "ADDRESSES", "VERSION", "SITE", "DESCRIPTION"},
		TimeColumns: []string{"LAST SEEN"},
	}
	for _, r := range relays {
		site, seen := "", ""
		if r.Site != nil {
			site = r.Site.Name
		}
		if !r.LastSeen.IsZero() {
			seen = qps.FormatTime(r.LastSeen)
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(r.ID, 10), r.Name, r.Status, strconv.Itoa(r.Replicas), seen, r.Host, strings.Join(r.Addresses, ","), r.Version, site, r.Description,
		})
	}
	return t
}

func (a *app) writeRelay(f *clientFlags, r qpsclient.Relay) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, r)
	}
	return a.writeUpright(f, "relay", relayTable(r))
}

func newRelaysList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List relays and whether they are online", Args: noArgs,
		Long: `Lists the relays: registered (never seen), online, offline or revoked (without a
token). LAST SEEN is known to about half a minute; HOST, ADDRESSES and VERSION are
what the relay says of itself.`,
		Example: "  vedette relays list\n  vedette relays list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			relays, err := client.Relays(cmd.Context())
			if err != nil {
				return relayFailure("List Relays failed.", err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"relays": append([]qpsclient.Relay{}, relays...)})
			}
			return f.writeRows(a.stdout, "relays", "relay", relayTable(relays...))
		},
	}
}

func newRelaysShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show RELAY", Aliases: []string{"get"}, Short: "Show one relay", Args: exactArgs("RELAY"),
		Example: "  vedette relays show plant-graz",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			r, err := client.Relay(cmd.Context(), args[0])
			if err != nil {
				return relayFailure("Show Relay failed.", err)
			}
			return a.writeRelay(f, r)
		},
	}
}

func newRelaysRegister(a *app, f *clientFlags) *cobra.Command {
	var n qpsclient.NewRelay
	cmd := &cobra.Command{
		Use: "register NAME", Short: "Register a relay, and show its token", Args: exactArgs("NAME"),
		Long: `Registers a relay and shows its token this once, and the command that starts it.
NAME has 1 to 63 letters, digits and . _ -. With --site, connections of that site
alone may use the relay.`,
		Example: "  vedette relays register plant-graz --description \"Behind the firewall of Graz\"\n  vedette relays register plant-graz --site Graz -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Name = args[0]
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			made, err := client.RegisterRelay(cmd.Context(), n)
			if err != nil {
				return relayFailure("Register Relay failed.", err)
			}
			return a.writeRelayToken(cmd.Context(), f, client, made)
		},
	}
	cmd.Flags().StringVar(&n.Description, "description", "", "`text` that says where it is")
	cmd.Flags().StringVar(&n.Site, "site", "", "`site` whose connections may use it, by ID or name; every site's without it")
	return cmd
}

func newRelaysRotate(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "rotate RELAY", Short: "Issue another token to a relay; the one before ends", Args: exactArgs("RELAY"),
		Long: `Issues another token and shows it this once. The one before ends, and with it every
channel. The relay reads its token file for each attempt: put the new token there,
and it is back within seconds, without a restart.`,
		Example: "  vedette relays rotate plant-graz\n  vedette relays rotate plant-graz -o json | jq -r .token",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			issued, err := client.RotateRelay(cmd.Context(), args[0])
			if err != nil {
				return relayFailure("Rotate Relay failed.", err)
			}
			return a.writeRelayToken(cmd.Context(), f, client, issued)
		},
	}
}

// writeRelayToken writes a relay with its token, and how it is started.
func (a *app) writeRelayToken(ctx context.Context, f *clientFlags, client *qpsclient.Client, issued qpsclient.RelayToken) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, issued)
	}
	t := relayTable(issued.Relay)
	t.Columns, t.Rows[0] = append(t.Columns, "TOKEN"), append(t.Rows[0], issued.Token)
	if err := a.writeUpright(f, "relay", t); err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, shownOnce)
	// How the platform is reached from elsewhere is known to it alone; without it
	// the relay is registered all the same.
	if found, err := client.Installation(ctx); err == nil {
		line := "vedette relay --url " + found.URL
		if found.Authority != "" {
			line += " --fingerprint " + found.Authority
		}
		fmt.Fprintf(a.stderr, "Put it into a file in the closed network and start there: %s --token-file FILE --allow HOST:PORT\n", printable(line))
	}
	return nil
}

func newRelaysRevoke(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "revoke RELAY", Short: "End the token of a relay, which keeps it out", Args: exactArgs("RELAY"),
		Long: `Ends the token of a relay, and with it every channel: at once on the replica of the
platform that is asked, within seconds on the others. 'vedette relays rotate' lets
the relay in again.`,
		Example: "  vedette relays revoke plant-graz",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			r, err := client.RevokeRelay(cmd.Context(), args[0])
			if err != nil {
				return relayFailure("Revoke Relay failed.", err)
			}
			return a.writeRelay(f, r)
		},
	}
}

func newRelaysDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete RELAY", Short: "Delete a relay", Args: exactArgs("RELAY"),
		Long: `Deletes a relay with its token with --yes; without it, only says which that would
be. A relay that connections use stays.`,
		Example: "  vedette relays delete plant-graz\n  vedette relays delete plant-graz --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Delete Relay failed."
			if !yes {
				r, err := client.Relay(cmd.Context(), args[0])
				if err != nil {
					return relayFailure(indicator, err)
				}
				fmt.Fprintf(a.stdout, "Relay %s (%s) would be deleted.\nNothing was changed; repeat the command with --yes to delete.\n", printable(r.Name), r.Status)
				return nil
			}
			gone, err := client.DeleteRelay(cmd.Context(), args[0])
			if err != nil {
				return relayFailure(indicator, err)
			}
			_, err = fmt.Fprintf(a.stdout, "Relay %s is deleted.\n", printable(gone.Name))
			return err
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete it")
	return cmd
}
