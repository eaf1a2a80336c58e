package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

func newIntegrationsCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("integrations", "List the kinds of platforms there can be connections to",
		`An integration says how platforms of one kind are reached and what they can be asked
to do.`)
	group.Example = "  vedette automation integrations list --search qualys\n  vedette automation integrations show qualys-cloud-agent"
	show := newIntegrationsShow(a, f)
	a.completeNamesOf(f, integrationNames, 1, show)
	group.AddCommand(newIntegrationsList(a, f), show)
	return group
}

func newIntegrationsList(a *app, f *clientFlags) *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use: "list", Short: "List integrations", Args: noArgs,
		Example: "  vedette automation integrations list\n  vedette automation integrations list --search vulnerability",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "List Integrations failed.", func(client *qpsclient.Client) error {
				list, err := client.Integrations(cmd.Context(), text)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"integrations": list})
				}
				t := automation.Table{Columns: []string{"NAME", "DISPLAY NAME", "CATEGORY", "VERSION", "CONNECTIONS"}}
				for _, of := range list {
					t.Rows = append(t.Rows, []string{of.Name, of.DisplayName, of.Category, of.Version, strconv.Itoa(of.Connections)})
				}
				if f.format() == formatTable && len(list) == 0 {
					fmt.Fprintln(a.stderr, "There is no such integration.")
				}
				return f.writeRows(a.stdout, "integrations", "integration", t)
			})
		},
	}
	cmd.Flags().StringVar(&text, "search", "", "only integrations with this `text` in name, category or description, in any case")
	return cmd
}

func newIntegrationsShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show INTEGRATION", Aliases: []string{"get"}, Short: "Show one integration", Args: exactArgs("INTEGRATION"),
		Long: `Shows an integration: the parameters of its connections, the platforms that --platform
of 'vedette automation connections create' takes, and its commands.`,
		Example: "  vedette automation integrations show qualys-cloud-agent\n  vedette automation integrations show qualys-cloud-agent -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Show Integration failed.", func(client *qpsclient.Client) error {
				of, err := client.Integration(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.writeIntegration(f, of)
			})
		},
	}
}

func (a *app) writeIntegration(f *clientFlags, of qpsclient.Integration) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, of)
	}
	err := a.writeUpright(f, "integration", automation.Table{
		Columns: []string{"NAME", "DISPLAY NAME", "CATEGORY", "VERSION", "DESCRIPTION"},
		Rows:    [][]string{{of.Name, of.DisplayName, of.Category, of.Version, of.Description}},
	})
	if err != nil || f.format() != formatTable {
		return err
	}
	platforms := automation.Table{Columns: []string{"PLATFORM", "URL"}}
	for _, p := range of.Platforms {
		platforms.Rows = append(platforms.Rows, []string{p.Name, p.URL})
	}
	parameters := automation.Table{Columns: []string{"NAME", "DISPLAY NAME", "TYPE", "REQUIRED", "DEFAULT", "DESCRIPTION"}}
	for _, p := range of.Parameters {
		parameters.Rows = append(parameters.Rows, []string{p.Name, p.DisplayName, p.Type, yesNo(p.Required), p.Default, p.Description})
	}
	return errors.Join(
		a.writeSection("Parameters of a connection:", parameters), a.writeSection("Platforms:", platforms),
		a.writeSection("Commands:", commandTable(of.Commands)))
}

func newCommandsCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("commands", "List the commands that can be run",
		`Lists what can be done with a connection, or with any connection of an integration.
OF is the name of an integration, or the name or the ID of a connection.`)
	group.Example = "  vedette automation commands list qualys-cloud-agent\n  vedette automation commands show \"Qualys prod\" launch-on-demand-scans"
	list, show := newCommandsList(a, f), newCommandsShow(a, f)
	a.completeNamesOf(f, ofNames, 1, list)
	show.ValidArgsFunction = a.completeCommand(f, ofNames)
	group.AddCommand(list, show)
	return group
}

// ofNames are the names of what has commands.
func ofNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	integrations, err := integrationNames(ctx, client)
	if err != nil {
		return nil, err
	}
	connections, err := connectionNames(ctx, client)
	return append(integrations, connections...), err
}

// completeCommand completes what has commands, and then the names of its commands.
func (a *app) completeCommand(f *clientFlags, of nameSource) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return a.completeNames(f, of, 1)(cmd, args, begun)
		}
		commands := func(ctx context.Context, client *qpsclient.Client) ([]string, error) {
			found, err := integrationOf(ctx, client, args[0])
			names := make([]string, len(found.Commands))
			for i, c := range found.Commands {
				names[i] = c.Name
			}
			return names, err
		}
		return a.completeNames(f, commands, 2)(cmd, args, begun)
	}
}

// completePlatforms completes the names of the pick list of an integration.
func (a *app) completePlatforms(f *clientFlags, of *string) cobra.CompletionFunc {
	return a.completeNames(f, func(ctx context.Context, client *qpsclient.Client) ([]string, error) {
		found, err := client.Integration(ctx, *of)
		names := make([]string, len(found.Platforms))
		for i, p := range found.Platforms {
			names[i] = p.Name
		}
		return names, err
	}, 0)
}

// integrationOf returns the integration that an argument names, or that of the
// connection it names.
func integrationOf(ctx context.Context, client *qpsclient.Client, text string) (qpsclient.Integration, error) {
	of, err := client.Integration(ctx, text)
	if status, ok := errors.AsType[*qpsclient.StatusError](err); !ok || status.StatusCode != http.StatusNotFound || status.Code == "" {
		return of, err
	}
	c, err := findConnection(ctx, client, text)
	if err != nil {
		return of, err
	}
	return client.Integration(ctx, c.Integration)
}

// findCommand returns the command with this name or display name.
func findCommand(of qpsclient.Integration, name string) (qpsclient.Command, error) {
	names := make([]string, len(of.Commands))
	for i, c := range of.Commands {
		if c.Name == name || strings.EqualFold(c.DisplayName, name) {
			return c, nil
		}
		names[i] = c.Name
	}
	return qpsclient.Command{}, fault.New(fault.Invalid, fmt.Sprintf("%s has no command %s.", of.DisplayName, quote(name)), "Use one of "+strings.Join(names, ", ")+".")
}

func newCommandsList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list OF", Short: "List the commands of an integration or a connection", Args: exactArgs("OF"),
		Example: "  vedette automation commands list qualys-cloud-agent\n  vedette automation commands list 3 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "List Commands failed.", func(client *qpsclient.Client) error {
				of, err := integrationOf(cmd.Context(), client, args[0])
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"commands": of.Commands})
				}
				return f.writeRows(a.stdout, "commands", "command", commandTable(of.Commands))
			})
		},
	}
}

func commandTable(commands []qpsclient.Command) automation.Table {
	t := automation.Table{Columns: []string{"COMMAND", "DISPLAY NAME", "READ ONLY", "DESCRIPTION"}}
	for _, c := range commands {
		t.Rows = append(t.Rows, []string{c.Name, c.DisplayName, yesNo(c.ReadOnly), c.Description})
	}
	return t
}

func newCommandsShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show OF COMMAND", Aliases: []string{"get"}, Short: "Show one command with its inputs", Args: exactArgs("OF", "COMMAND"),
		Long:    "Shows a command: what it needs on the platform, its inputs and its outputs.",
		Example: "  vedette automation commands show qualys-cloud-agent launch-on-demand-scans\n  vedette automation commands show \"Qualys prod\" \"Search Cloud Agents\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Show Command failed.", func(client *qpsclient.Client) error {
				of, err := integrationOf(cmd.Context(), client, args[0])
				if err != nil {
					return err
				}
				command, err := findCommand(of, args[1])
				if err != nil {
					return err
				}
				return a.writeCommand(f, command)
			})
		},
	}
}

func (a *app) writeCommand(f *clientFlags, c qpsclient.Command) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, c)
	}
	err := a.writeUpright(f, "command", automation.Table{
		Columns: []string{"COMMAND", "DISPLAY NAME", "DESCRIPTION", "MINIMUM PERMISSION", "READ ONLY", "CAN WAIT"},
		Rows:    [][]string{{c.Name, c.DisplayName, c.Description, c.Permission, yesNo(c.ReadOnly), yesNo(c.Waits)}},
	})
	if err != nil || f.format() != formatTable {
		return err
	}
	inputs := automation.Table{Columns: []string{"INPUT", "DISPLAY NAME", "TYPE", "REQUIRED", "DEFAULT", "EXAMPLE", "DESCRIPTION"}}
	for _, in := range c.Inputs {
		kind := in.Type
		if len(in.Choices) > 0 {
			kind = strings.Join(in.Choices, ", ")
		}
		inputs.Rows = append(inputs.Rows, []string{in.Name, in.DisplayName, kind, yesNo(in.Required), defaultText(in.Default), in.Example, in.Description})
	}
	outputs := automation.Table{Columns: []string{"OUTPUT", "DESCRIPTION"}}
	for _, out := range c.Outputs {
		outputs.Rows = append(outputs.Rows, []string{out.DisplayName, out.Description})
	}
	return errors.Join(a.writeSection("Inputs:", inputs), a.writeSection("Outputs:", outputs))
}

// defaultText is a default as a person would type it.
func defaultText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
