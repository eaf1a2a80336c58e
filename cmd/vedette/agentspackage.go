package main

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

func newAgentsPackages(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "packages", Short: "List the packages that agents are installed from", Args: noArgs,
		Long: `Lists the agent packages that the platform offers, with their version and hash. A
platform of your own offers those in its packages folder, which "make packages"
fills.`,
		Example: "  vedette agents packages\n  vedette agents packages -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			list, err := client.BinaryInfo(cmd.Context(), qps.BinaryAll, qps.BinaryAll)
			if err != nil {
				return outcomeOf(automation.Failure("List Agent Packages failed.", err))
			}
			t := packageTable(list)
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"packages": rowObjects(t)})
			}
			if f.format() == formatTable && len(list) == 0 {
				fmt.Fprintln(a.stderr, "This platform offers no agent package.")
			}
			return f.writeRows(a.stdout, "packages", "package", t)
		},
	}
}

// packageTable shows the name instead of the pair where a platform has names of
// its own.
func packageTable(list []qps.BinaryPlatform) automation.Table {
	t := automation.Table{Columns: []string{"PLATFORM", "ARCHITECTURE", "VERSION", "EXTENSION", "HASH"}}
	for _, p := range list {
		platform, architecture := p.Pair()
		if platform == "" {
			platform = p.Name
		}
		t.Rows = append(t.Rows, []string{platform, architecture, p.Version, p.Extension, p.Hash})
	}
	return t
}

func newAgentsDownload(a *app, f *clientFlags) *cobra.Command {
	var platform, architecture, path string
	cmd := &cobra.Command{
		Use: "download", Short: "Download a package that agents are installed from", Args: noArgs,
		Long: `Downloads the agent package for a platform and an architecture, which
'vedette agents packages' lists, and prints the name of its file: LINUX is for RPM
systems, LINUX_UBUNTU for Debian and Ubuntu, each for X_64 or ARM_64.

The file gets its name when it is complete and its hash is the one that the
platform announces. A file that is there already is never overwritten.`,
		Example: `  vedette agents download --platform LINUX_UBUNTU --architecture X_64
  vedette agents download --platform LINUX --architecture ARM_64 -O agent.rpm`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if platform == "" || architecture == "" {
				return usagef("--platform and --architecture are required, such as --platform LINUX_UBUNTU --architecture X_64")
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			d := packageDownload{client: client, path: path, show: newTransfer(a.stderr, a.now)}
			written, err := d.run(cmd.Context(), platform, architecture)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.stdout, printable(written))
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&platform, "platform", "", "`platform` of the hosts, case-sensitive (required)")
	flags.StringVar(&architecture, "architecture", "", "`architecture` of the hosts, case-sensitive (required)")
	flags.StringVarP(&path, "output-file", "O", "", "write to this `file`; by default one in this folder, named by version, platform and architecture")
	completeOneOf(cmd, "platform", qps.BinaryPlatforms())
	completeOneOf(cmd, "architecture", qps.BinaryArchitectures())
	return cmd
}

// namePart is what a platform may contribute to the name of a file.
var namePart = regexp.MustCompile(`^[0-9A-Za-z._+~-]{1,40}$`)

// packageFileName names the file of a package. Nothing that the platform answers
// can lead it out of the folder.
func packageFileName(platform, architecture string, p qps.BinaryPlatform) (string, error) {
	name := "cloud-agent-" + p.Version + "-" + platform + "-" + architecture + p.Extension
	for _, part := range []string{p.Version, platform, architecture, p.Extension} {
		if !namePart.MatchString(part) {
			return "", fault.New(fault.Invalid, fmt.Sprintf("The file cannot be named by version %s, platform %s, architecture %s and extension %s.",
				quote(p.Version), quote(platform), quote(architecture), quote(p.Extension)), "Name it with -O.")
		}
	}
	return name, nil
}
