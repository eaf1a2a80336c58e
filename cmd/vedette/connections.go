package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

func newConnectionsCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "connections", "Save, choose and test connections to platforms",
		`A connection is the address of a platform with the user to call it as, under a
name, or with an API token. Passwords and tokens are kept in the system keyring,
or where there is none in a file that only you can read.`)
	group.Example = `  vedette connections add qualys --url https://qualysapi.qg2.apps.qualys.com --username acme_ab1 --password-file -
  vedette connections use qualys
  vedette connections test
  vedette connections list`
	group.AddCommand(newConnectionsTest(a, f), newConnectionsAdd(a, f), newConnectionsUse(a), newConnectionsList(a, f), newConnectionsRemove(a))
	return group
}

func newConnectionsTest(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "test [NAME]", Short: "Check address, credentials and permission of a connection",
		Long: `Checks that the platform answers and that the account may read agents. It is one
attempt: a platform that does not answer is reported at once.`,
		Example:           "  vedette connections test\n  vedette connections test qualys",
		ValidArgsFunction: a.completeConnections,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("unexpected argument %s", quote(args[1]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if f.connection != "" && f.connection != args[0] {
					return usagef("connection %s and --connection %s exclude each other", quote(args[0]), quote(f.connection))
				}
				f.connection = args[0]
			}
			client, s, err := a.client(f, 1)
			if err != nil {
				return err
			}
			outcome := automation.NewCommands(client, a.now).TestConnection(cmd.Context())
			if outcome.State == automation.Successful && f.format() == formatTable {
				_, err := fmt.Fprintf(a.stdout, "%s: %s answers, and %s may read its Cloud Agents: %s (%s).\n",
					outcome.State, client.BaseURL(), s.caller(), outcome.Result.Rows[0][1], s.source)
				return err
			}
			if err := writeOutcome(a.stdout, f.format(), outcome); err != nil {
				return err
			}
			return outcomeOf(outcome)
		},
	}
}

func newConnectionsAdd(a *app, f *clientFlags) *cobra.Command {
	var apiVersion string
	var replace bool
	cmd := &cobra.Command{
		Use: "add NAME --url URL {--username NAME [--password-file FILE] | --token-file FILE}", Short: "Save a connection under a name",
		Long: `Saves a connection. What flags do not say comes from the environment. The first
connection becomes the one in use. No call is made; test it with
'vedette connections test NAME'.

With --token-file the calls are made with an API token of Vedette, which
'vedette users tokens create' makes, instead of with a password.`,
		Example: `  pass show qualys | vedette connections add qualys --url https://qualysapi.qualys.com --username acme_ab1 --password-file -
  vedette connections add lab --url https://lab.example.net:8443 --username admin --password-file pw --ca-file ca.pem
  vedette connections add ci --url https://lab.example.net:8443 --token-file token --ca-file ca.pem`,
		Args: exactArgs("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.addConnection(args[0], f, apiVersion, replace)
		},
	}
	cmd.Flags().StringVar(&apiVersion, "api-version", qpsclient.DefaultAPIVersion, "API `version`")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a connection of this name")
	return cmd
}

// addConnection checks everything first, so that nothing is saved by half.
func (a *app) addConnection(name string, f *clientFlags, apiVersion string, replace bool) error {
	if !connectionName.MatchString(name) {
		return usagef("connection name %s: use 1 to 63 letters, digits, - and _, beginning with a letter or digit", quote(name))
	}
	cfg, err := a.readConfig()
	if err != nil {
		return err
	}
	old, exists := cfg.Connections[name]
	if exists && !replace {
		return usagef("there is a connection %s already: choose another name, or give --replace", quote(name))
	}
	s, err := a.toSave(f, apiVersion)
	if err != nil {
		return err
	}
	config, secret, err := s.credentials()
	if err != nil {
		return err
	}
	client, err := qpsclient.New(config)
	if err != nil {
		return usageError{err}
	}
	place, err := a.savePassword(name, secret)
	if err != nil {
		return err
	}
	if exists && old.PasswordIn != place {
		if err := a.removePassword(name, old.PasswordIn); err != nil {
			return err
		}
	}
	cfg.Connections[name] = connection{
		URL: client.BaseURL(), Username: config.Username, APIVersion: s.apiVersion, CAFile: s.caFile, PasswordIn: place, Token: s.token != nil,
	}
	if len(cfg.Connections) == 1 {
		cfg.Current = name
	}
	if err := a.writeConfig(cfg); err != nil {
		return err
	}
	text := "Connection " + name + " is saved"
	if cfg.Current == name {
		text += " and in use"
	}
	_, err = fmt.Fprintf(a.stdout, "%s. Test it: vedette connections test %s\n", text, name)
	return err
}

// toSave returns what flags, environment and the person say of a new connection.
func (a *app) toSave(f *clientFlags, apiVersion string) (settings, error) {
	s, err := a.withSecret(f, settings{url: f.url, username: f.username, caFile: f.caFile, apiVersion: apiVersion})
	if err != nil {
		return s, err
	}
	s = s.filledFromEnvironment(a.getenv)
	if s.url != "" && s.username != "" && s.password == nil {
		s.password = a.askPassword(s)
	}
	if s, err = s.complete(); err != nil || s.caFile == "" {
		return s, err
	}
	// The connection is used from other folders too.
	if s.caFile, err = filepath.Abs(s.caFile); err != nil {
		return s, fmt.Errorf("CA file: %w", err)
	}
	return s, nil
}

func newConnectionsUse(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Choose the connection that commands use", Args: exactArgs("NAME"),
		Example:           "  vedette connections use qualys",
		ValidArgsFunction: a.completeConnections,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := a.readConfig()
			if err != nil {
				return err
			}
			conn, err := cfg.find(args[0])
			if err != nil {
				return err
			}
			cfg.Current = args[0]
			if err := a.writeConfig(cfg); err != nil {
				return err
			}
			if a.getenv("VEDETTE_URL") != "" {
				fmt.Fprintln(a.stderr, "VEDETTE_URL is set and wins over the connection in use; unset it, or give --connection.")
			}
			_, err = fmt.Fprintf(a.stdout, "Commands now use connection %s (%s).\n", args[0], conn.URL)
			return err
		},
	}
}

func newConnectionsList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the saved connections", Args: noArgs,
		Example: "  vedette connections list\n  vedette connections list -o json",
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.readConfig()
			if err != nil {
				return err
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, cfg)
			}
			t := automation.Table{Columns: []string{"CURRENT", "NAME", "URL", "USERNAME", "API VERSION", "PASSWORD IN"}}
			for _, name := range cfg.names() {
				conn, current := cfg.Connections[name], ""
				if name == cfg.Current {
					current = "*"
				}
				username := conn.Username
				if conn.Token {
					username = "(token)"
				}
				t.Rows = append(t.Rows, []string{current, name, conn.URL, username, conn.APIVersion, string(conn.PasswordIn)})
			}
			return f.writeRows(a.stdout, "connections", "connection", t)
		},
	}
}

func newConnectionsRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a connection and its password", Args: exactArgs("NAME"),
		Example:           "  vedette connections remove qualys",
		ValidArgsFunction: a.completeConnections,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := a.readConfig()
			if err != nil {
				return err
			}
			conn, err := cfg.find(args[0])
			if err != nil {
				return err
			}
			if err := a.removePassword(args[0], conn.PasswordIn); err != nil {
				return err
			}
			delete(cfg.Connections, args[0])
			if cfg.Current == args[0] {
				cfg.Current = ""
			}
			if err := a.writeConfig(cfg); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "Connection %s is removed.\n", args[0])
			return err
		},
	}
}
