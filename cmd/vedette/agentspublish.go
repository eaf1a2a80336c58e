package main

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/releases"
)

// Files of releases: the folder in the data folder, and keys in its trust folder
// or in the one that --keys names.
const (
	releasesFolder = "releases"
	timestampKey   = "timestamp.key" // the platform's own
	releaseKey     = "release.key"   // an operator's
	rootKey        = "root.key"
)

func newAgentsPublish(a *app) *cobra.Command {
	p := publishing{app: a}
	cmd := &cobra.Command{
		Use: "publish [PACKAGE...]", Short: "Publish a version of the agent, which agents then upgrade to",
		Long: `Signs packages of the agent and puts them into a data folder, from which its
platform offers them within a minute; the platform may run. Agents whose profile
allows it go to the newest version, and back by themselves when it does not work.
Packages are the archives that "make packages" makes. Without a package, the
signatures are renewed, which is needed once a year.

What agents run is signed with release.key; which key that is, root.key says,
which agents know since they were registered. Both are in the trust folder of the
data folder, or in the one that --keys names. Whoever has one of them can run
what they like on every host: keep both elsewhere than on the platform. root.key
is needed for the first release and for a new release key only; then release.key
is made. To publish on another machine, take a copy of the folder releases there
and bring it back.`,
		Example: `  vedette agents publish bin/packages/vedette-agent-2.1.0-linux-*.tar.gz
  vedette agents publish --data /srv/vedette --keys /media/keys vedette-agent-2.1.0-linux-amd64.tar.gz
  vedette agents publish --withdraw 2.1.0
  vedette agents publish --keys /media/keys --new-release-key`,
		RunE: func(_ *cobra.Command, args []string) error {
			p.change.Add = args
			return p.run()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.data, "data", defaultDataFolder, "data `folder` of the platform")
	flags.StringVar(&p.keys, "keys", "", "`folder` with release.key and root.key; by default trust in the data folder")
	flags.StringSliceVar(&p.change.Withdraw, "withdraw", nil, "`version` that agents shall not go to any more; those that have it keep it")
	formats := []string{string(formatTable), string(formatJSON)}
	p.format = formats[0]
	flags.VarP(oneOf{&p.format, formats}, "output", "o", "what to print of all that is published then: names or json")
	completeOneOf(cmd, "output", formats)
	flags.BoolVar(&p.renewKey, "new-release-key", false, "make a new release key, as when the old one was lost or seen by others; needs root.key")
	return cmd
}

// publishing is one use of the command.
type publishing struct {
	app        *app
	data, keys string
	renewKey   bool
	format     string
	change     releases.Change
}

func (p *publishing) run() error {
	if info, err := os.Stat(p.data); err != nil || !info.IsDir() {
		return fault.New(fault.Invalid, fmt.Sprintf("%s is not a data folder.", quote(p.data)), "Name the folder of the platform with --data.")
	}
	folder := &dataFolder{path: p.data} // not locked: the platform may run
	keys := p.keys
	if keys == "" {
		keys = folder.file("trust")
	}
	publisher := releases.Publisher{Path: folder.file(releasesFolder), Now: p.app.now()}
	timestamp, err := readKey(folder.file("trust", timestampKey))
	if err != nil {
		return err
	}
	if timestamp != nil {
		publisher.Timestamp = ed25519.PublicKey(timestamp[ed25519.SeedSize:])
	}
	if publisher.Root, err = readKey(filepath.Join(keys, rootKey)); err != nil {
		return err
	}
	if publisher.Release, err = p.release(filepath.Join(keys, releaseKey), publisher.Root != nil); err != nil {
		return err
	}
	published, err := publisher.Publish(p.change)
	if err != nil {
		return err
	}
	if err := p.list(published); err != nil {
		return err
	}
	if p.keys == "" {
		fmt.Fprintf(p.app.stderr, "Whoever gets %s or %s can run what they like on every host: keep them elsewhere, and name that folder with --keys.\n",
			releaseKey, rootKey)
	}
	return nil
}

// list prints what is published now, newest first.
func (p *publishing) list(published []releases.Package) error {
	if outputFormat(p.format) == formatJSON {
		return writeJSON(p.app.stdout, map[string]any{"packages": append([]releases.Package{}, published...)})
	}
	for _, pkg := range published {
		fmt.Fprintln(p.app.stdout, pkg.Name)
	}
	return nil
}

// release returns the release key. A new one is made only where the root key is
// at hand to vouch for it.
func (p *publishing) release(path string, root bool) (ed25519.PrivateKey, error) {
	key, err := readKey(path)
	if err != nil || key != nil && !p.renewKey {
		return key, err
	}
	if !root {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("There is no %s in %s, and without %s no new one can be made.", releaseKey, quote(filepath.Dir(path)), rootKey),
			"Name the folder with the keys with --keys.")
	}
	if key != nil { // kept for the case that it is needed after all
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, fmt.Errorf("keep the old release key: %w", err)
		}
	}
	return makeKey(path)
}
