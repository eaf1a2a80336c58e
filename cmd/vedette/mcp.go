package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/assistant"
	"vedette.dev/vedette/internal/automation"
)

// defaultPatience is how long a call of an assistant waits for the end of a run: many
// assistants give up on a call after a minute.
const defaultPatience = 45 * time.Second

// mcpFlags are what can be said of an assistant's server on the command line.
type mcpFlags struct {
	allowWrite  bool
	allow       []string
	patience    time.Duration
	shortText   bool
	printConfig bool
}

func newMCPCommand(a *app) *cobra.Command {
	var m mcpFlags
	cmd, f := newClientGroup(a, "mcp", "Offer the automation of a platform to an AI assistant",
		`Speaks the Model Context Protocol on standard input and output, for an AI assistant
that starts it. The assistant gets the commands of the automation layer as tools, with
the rights of the user whose credentials this command has, and every run and refusal
is in the audit log as theirs.

Only what reads is offered, unless --allow names commands that write or --allow-write
allows all of them; each of those can be called as a dry run. A playbook is started
only where --allow names it, as playbook/NAME, or --allow-write is given: its steps do
whatever the user may, and there is no dry run of it. What it asks people, no assistant
answers. --print-config prints what an assistant's configuration needs, with the flags
given beside it.`, string(formatTable), string(formatJSON), string(formatCSV))
	cmd.Example = `  vedette connections add helper --url https://vedette.example.net --token-file token
  vedette mcp tools --connection helper
  vedette mcp --connection helper --print-config
  vedette mcp --connection helper --allow launch-on-demand-scans,tag-cloud-agents
  vedette mcp --connection helper --allow playbook/SOC/rescan-stale-hosts`
	f.program = access.AssistantProgram
	run := cmd.RunE // refuses names of commands that there are not
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 0:
			return run(cmd, args)
		case m.printConfig:
			return a.printAssistantConfig(cmd.Flags())
		}
		return a.serveAssistant(cmd, f, &m)
	}
	flags := cmd.PersistentFlags()
	flags.BoolVar(&m.allowWrite, "allow-write", false, "offer all commands that write, and the start of all playbooks")
	flags.StringSliceVar(&m.allow, "allow", nil, "offer these `commands` that write, and playbooks as playbook/NAME, separated by commas")
	cmd.Flags().DurationVar(&m.patience, "patience", defaultPatience, "how much `time` a call has for the end of a run, before it is answered without")
	cmd.Flags().BoolVar(&m.shortText, "short-text", false, "answer with a line of text beside the structured content, for assistants that read that")
	cmd.Flags().BoolVar(&m.printConfig, "print-config", false, "print the configuration of an assistant that starts this command, and end")
	cmd.AddCommand(newMCPTools(a, f, &m))
	return cmd
}

// loadAssistant makes the server of assistants that the flags describe.
func (a *app) loadAssistant(cmd *cobra.Command, f *clientFlags, m *mcpFlags) (*assistant.Server, settings, error) {
	client, s, err := a.client(f, 0)
	if err != nil {
		return nil, s, err
	}
	server, err := assistant.Load(cmd.Context(), assistant.Options{
		Platform: client, URL: f.platform, Caller: s.caller(), Allow: assistant.Allowance{All: m.allowWrite, Commands: m.allow},
		Patience: m.patience, ShortText: m.shortText, Version: buildVersion(), NewKey: uuid.NewString,
	})
	return server, s, automationFailure("Load Tools failed.", err)
}

func (a *app) serveAssistant(cmd *cobra.Command, f *clientFlags, m *mcpFlags) error {
	if f.passwordFile == "-" || f.tokenFile == "-" {
		return usagef("standard input is the assistant's: give the credentials in a file, or save a connection with 'vedette connections add'")
	}
	server, s, err := a.loadAssistant(cmd, f, m)
	if err != nil {
		return err
	}
	tools, writing := 0, 0
	for _, o := range server.Offers() {
		if o.Offered {
			tools++
			if o.Writes {
				writing++
			}
		}
	}
	fmt.Fprintf(a.stderr, "%s for an assistant on standard input, with the rights of %s at %s; %d of them can write.\n", counted(tools, "tool"), s.caller(), f.platform, writing)
	return server.Serve(cmd.Context(), io.NopCloser(a.stdin), writeOnly{a.stdout})
}

// writeOnly is a stream that others close.
type writeOnly struct{ io.Writer }

func (writeOnly) Close() error { return nil }

func newMCPTools(a *app, f *clientFlags, m *mcpFlags) *cobra.Command {
	return &cobra.Command{
		Use: "tools", Short: "List what an assistant is offered", Args: noArgs,
		Long: `Lists the tools that an assistant gets, and those that it does not with the reason.
With -o json each has the schema of its arguments, as the assistant gets it.`,
		Example: "  vedette mcp tools\n  vedette mcp tools --allow launch-on-demand-scans -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, _, err := a.loadAssistant(cmd, f, m)
			if err != nil {
				return err
			}
			offers := server.Offers()
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"tools": offers})
			}
			t := automation.Table{Columns: []string{"TOOL", "TITLE", "WRITES", "OFFERED", "BECAUSE"}}
			for _, o := range offers {
				t.Rows = append(t.Rows, []string{o.Tool.Name, o.Tool.Title, yesNo(o.Writes), yesNo(o.Offered), o.Withheld})
			}
			return f.writeRows(a.stdout, "tools", "tool", t)
		},
	}
}

// printAssistantConfig prints the member of an assistant's configuration that starts
// this command with the same flags, in the form that most of them have.
func (a *app) printAssistantConfig(given *pflag.FlagSet) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	args := []string{"mcp"}
	var wrong error
	given.Visit(func(flag *pflag.Flag) {
		value, err := configured(flag)
		wrong = errors.Join(wrong, err)
		if flag.Name != "print-config" && flag.Name != "output" {
			args = append(args, "--"+flag.Name+"="+value)
		}
	})
	if wrong != nil {
		return wrong
	}
	if !given.Changed("connection") && !given.Changed("url") {
		config, err := a.readConfig()
		if err != nil {
			return err
		}
		if config.Current == "" {
			fmt.Fprintln(a.stderr, "An assistant starts this command elsewhere and without the environment of this shell: save a connection with 'vedette connections add', and name it with --connection.")
		} else {
			args = append(args, "--connection="+config.Current) // also after 'connections use' of another
		}
	}
	return writeJSON(a.stdout, map[string]any{"mcpServers": map[string]assistantEntry{"vedette": {program, args}}})
}

// assistantEntry says how an assistant starts a server.
type assistantEntry struct {
	Command string   `json:"command"`
	Args    []string `json:"args"`
}

// configured is the value of a flag for a command that is started in another folder.
func configured(flag *pflag.Flag) (string, error) {
	if list, isList := flag.Value.(pflag.SliceValue); isList {
		return strings.Join(list.GetSlice(), ","), nil
	}
	value := flag.Value.String()
	if !strings.HasSuffix(flag.Name, "-file") {
		return value, nil
	}
	if value == "-" {
		return "", usagef("--%s -: standard input is the assistant's; name a file, or save a connection with 'vedette connections add'", flag.Name)
	}
	path, err := filepath.Abs(value)
	return cmp.Or(path, value), err
}
