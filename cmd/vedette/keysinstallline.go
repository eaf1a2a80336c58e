package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

const installLineFailed = "Make Install Line failed."

func newKeysInstallLine(a *app, f *clientFlags) *cobra.Command {
	var system string
	var systemCA bool
	cmd := &cobra.Command{
		Use: "install-line KEY", Short: "Print the line that makes a host an agent", Args: exactArgs("KEY"),
		Long: `Prints, for each system there is a package for, the line that makes a host an agent:
it fetches the package with the activation key, installs it, registers the host and
starts the agent. KEY is the ID of an activation key, the key itself, or its title.

Run the line as root on the host, in any POSIX shell; it needs curl. Who has it can
let hosts join, and nothing else: keep it as secret as the key, and disable the key
when it got out. The platform's own certificate authority is recognised by its
fingerprint, which is in the line. With --system-ca hosts trust by their own
authorities instead, as behind a load balancer that has a certificate of its own.

With --system the line alone is on standard output.`,
		Example: "  vedette keys install-line 3\n" +
			"  vedette keys install-line 3 --system deb | ssh root@edge sh\n" +
			"  vedette keys install-line 5d2f0000-0000-4000-8000-000000000005 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			lines, err := a.installLines(cmd, client, args[0], system, systemCA)
			if err != nil {
				return err
			}
			return a.writeInstallLines(f, lines, system)
		},
	}
	cmd.Flags().Var(oneOf{&system, fleet.InstallSystems()}, "system", "only the line for this package system")
	completeOneOf(cmd, "system", fleet.InstallSystems())
	cmd.Flags().BoolVar(&systemCA, "system-ca", false, "let hosts trust the platform by their own authorities")
	return cmd
}

// printedLine is an install line as programs get it.
type printedLine struct {
	System   string   `json:"system"`
	Machines []string `json:"machines"` // as uname -m says
	Version  string   `json:"version"`  // of the agent; the newest of the machines'
	Line     string   `json:"line"`
}

// installLines makes the lines of a key, for one system or for all.
func (a *app) installLines(cmd *cobra.Command, client *qpsclient.Client, keyText, system string, systemCA bool) ([]printedLine, error) {
	key, err := findKey(cmd.Context(), client, keyText)
	if err != nil {
		return nil, platformFailure(installLineFailed, err)
	}
	if err := a.checkJoining(key); err != nil {
		return nil, err
	}
	found, err := client.Installation(cmd.Context())
	if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
		return nil, errors.New("this platform does not say how agents are installed; with Qualys, 'vedette agents download' gets the installer and its documentation has the command")
	}
	if err != nil {
		return nil, outcomeOf(automation.Failure(installLineFailed, err))
	}
	if u, err := url.Parse(found.URL); err == nil && isLoopback(u) {
		fmt.Fprintf(a.stderr, "The platform is known as %s, which other hosts do not reach: start it with --public-url.\n", printable(found.URL))
	}
	if systemCA {
		found.Authority = ""
	}
	var lines []printedLine
	for _, p := range found.Packages {
		if system != "" && p.System != system {
			continue
		}
		if n := len(lines); n > 0 && lines[n-1].System == p.System {
			lines[n-1].Machines = append(lines[n-1].Machines, p.Machine)
			continue
		}
		line := installLine{system: p.System, url: found.URL, authority: found.Authority, customerID: found.CustomerID, activationKey: key.ActivationKey}
		text, err := line.shell()
		if err != nil {
			return nil, fmt.Errorf("make install line: %w", err)
		}
		lines = append(lines, printedLine{System: p.System, Machines: []string{p.Machine}, Version: p.Version, Line: text})
	}
	if len(lines) == 0 {
		return nil, platformFailure(installLineFailed, noPackages(system))
	}
	return lines, nil
}

func noPackages(system string) error {
	what := "no agent package"
	if system != "" {
		what += " of system " + system
	}
	return fault.New(fault.NotFound, "The platform offers "+what+".",
		"Build them with 'make packages' and put them into the platform's folder of packages.")
}

// checkJoining refuses a key with which no host can join, and warns of one that
// makes no further agents.
func (a *app) checkJoining(key *qps.AgentActKey) error {
	id := fmt.Sprint(key.ID)
	switch {
	case key.IsDisabled:
		return platformFailure(installLineFailed, fault.New(fault.Conflict, "Activation key "+nameOfKey(key)+" is disabled.", "Enable it with 'vedette keys enable "+id+"', or use another one."))
	case expired(key, a.now()):
		return platformFailure(installLineFailed, fault.New(fault.Conflict, "Activation key "+nameOfKey(key)+" expired at "+qps.FormatTime(key.ExpireDate)+".",
			"Extend it with 'vedette keys update "+id+" --expires TIME', or use another one."))
	case key.CountPurchased > 0 && key.CountUsed >= key.CountPurchased:
		fmt.Fprintf(a.stderr, "Activation key %s is used up: only hosts that it has made agents can be installed again, until 'vedette keys update %s --max-agents N' raises its limit.\n", nameOfKey(key), id)
	}
	return nil
}

// writeInstallLines writes the lines; of one system that was asked for, nothing
// else.
func (a *app) writeInstallLines(f *clientFlags, lines []printedLine, system string) error {
	switch f.format() {
	case formatJSON:
		return writeJSON(a.stdout, map[string]any{"installLines": lines})
	case formatTable:
		if system != "" {
			_, err := fmt.Fprintln(a.stdout, lines[0].Line)
			return err
		}
		for _, l := range lines {
			fmt.Fprintf(a.stdout, "%s (%s), agent %s on %s:\n\n%s\n\n", l.System, systemTitle[l.System], printable(l.Version), printable(strings.Join(l.Machines, ", ")), l.Line)
		}
		_, err := fmt.Fprintln(a.stdout, "Run it as root on the host. There are no packages for Windows and macOS.")
		return err
	}
	t := automation.Table{Columns: []string{"SYSTEM", "MACHINES", "VERSION", "LINE"}}
	for _, l := range lines {
		t.Rows = append(t.Rows, []string{l.System, strings.Join(l.Machines, ","), l.Version, l.Line})
	}
	return f.writeRows(a.stdout, "installLines", "installLine", t)
}
