package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vedette.dev/vedette/internal/fault"
)

func newServeCommand(a *app) *cobra.Command {
	var configFile string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a platform for a fleet, or its automation layer alone, on SQLite or PostgreSQL",
		Long: `Run a platform from a configuration file, without an agent of its own.

The file is YAML; flags override it:

  data: /var/lib/vedette                  # keys, certificates, and the SQLite database
  listen: 0.0.0.0:8443
  public-url: https://vedette.example.net:8443
  database: postgres://vedette@db/vedette # SQLite in the data folder when left out
  only: automation                        # the automation layer alone; the whole platform when left out
  packages: /usr/share/vedette/packages   # agent packages; packages beside the program when left out
  tls:                                    # the platform's own authority when left out
    certificate: /etc/vedette/server.pem
    key: /etc/vedette/server.key
  audit-retention: 400                    # days the audit log goes back; 0 for ever
  limits:                                 # of each user of the API, none when left out;
    requests: 300                         # every replica counts for itself
    window: 1h
    concurrency: 2
  failures:                               # for tests of integrations only
    header: true
    file: /etc/vedette/failures.yaml

The first start makes what is missing, like vedette up, and writes admin.env to the
data folder. Replicas on one database need copies of the same trust folder.

With only the automation layer it works on fleets that others keep, such as a Qualys
subscription: connections, commands, schedules, users and the audit log are there,
agents, QPS and everything about hosts are not. The same data folder, or database, can
be served whole later, and alone again.`,
		Example: `  vedette serve --config /etc/vedette/vedette.yaml
  vedette serve --only automation --data /var/lib/vedette --listen 0.0.0.0:8443
  vedette serve --data /var/lib/vedette --database postgres://vedette@localhost/vedette`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadPlatformConfig(configFile, cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), a, config, verbose)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&configFile, "config", "", "YAML file with the configuration")
	flags.String("data", defaultDataFolder, "folder that keeps keys, certificates and, on SQLite, the database")
	flags.String("listen", "127.0.0.1:8443", "HOST:PORT to serve TLS on")
	flags.String("plain", "", "HOST:PORT to serve without TLS on, besides; none by default")
	flags.String("public-url", "", "URL by which agents and clients reach this platform")
	flags.String("database", "", "postgres:// URL; SQLite in the data folder by default")
	flags.String("only", "", onlyUsage)
	flags.String("packages", "", packagesUsage)
	addOperatorFlags(flags, new(limitConfig), new(failureConfig))
	flags.BoolVar(&verbose, "verbose", false, "log every request")
	return cmd
}

// loadPlatformConfig merges defaults, the file and the flags that were given. A
// key the file should not have is refused by name.
func loadPlatformConfig(path string, cmd *cobra.Command) (platformConfig, error) {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return platformConfig{}, fault.Newf(fault.Invalid, "Configuration file %s does not exist.", path)
			}
			return platformConfig{}, fault.Newf(fault.Invalid, "Configuration file %s is not valid YAML: %v.", path, err)
		}
		for _, key := range k.Keys() {
			if !platformKeys[key] {
				return platformConfig{}, fault.Newf(fault.Invalid, "Configuration file %s: unknown key %q.", path, key)
			}
		}
	}
	// posflag sets defaults only where the file says nothing.
	provider := posflag.ProviderWithFlag(cmd.Flags(), ".", k, func(f *pflag.Flag) (string, any) {
		return cmp.Or(flagKeys[f.Name], f.Name), posflag.FlagVal(cmd.Flags(), f)
	})
	if err := k.Load(provider, nil); err != nil {
		return platformConfig{}, fmt.Errorf("read flags: %w", err)
	}
	var config platformConfig
	if err := k.Unmarshal("", &config); err != nil {
		return platformConfig{}, fault.Newf(fault.Invalid, "Configuration: %v.", err)
	}
	return config, nil
}

// platformKeys are the keys of a configuration file.
var platformKeys = map[string]bool{
	"data": true, "listen": true, "plain": true, "public-url": true, "database": true, "only": true, "packages": true,
	"audit-retention": true,
	"tls.certificate": true, "tls.key": true,
	"limits.requests": true, "limits.window": true, "limits.concurrency": true, "failures.header": true, "failures.file": true,
}

func serve(ctx context.Context, a *app, config platformConfig, verbose bool) error {
	show := &progress{out: a.stderr, started: time.Now()}
	p, err := openPlatform(ctx, config, newLog(a.stderr, verbose))
	if err != nil {
		return err
	}
	show.done("platform", "%s, data folder %s", p.url, p.folder.path)
	config.announce(show)
	p.describe(ctx, a.stdout, nil)
	return errors.Join(p.run(ctx), p.close())
}
