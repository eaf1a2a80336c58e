package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
	tunnel "vedette.dev/vedette/internal/outbound/relay"
)

// relayConfig is what a relay is started with.
type relayConfig struct {
	URL         []string `koanf:"url"` // one for each replica of the platform
	TokenFile   string   `koanf:"token-file"`
	Allow       []string `koanf:"allow"`
	CAFile      string   `koanf:"ca-file"`
	Fingerprint string   `koanf:"fingerprint"`
}

// relayKeys are the keys of a configuration file.
var relayKeys = map[string]bool{"url": true, "token-file": true, "allow": true, "ca-file": true, "fingerprint": true}

// relayVariables are the variables in place of flags, in which lists have commas.
// The token itself is in VEDETTE_RELAY_TOKEN.
var relayVariables = map[string]string{
	"url": "VEDETTE_RELAY_URL", "token-file": "VEDETTE_RELAY_TOKEN_FILE", "allow": "VEDETTE_RELAY_ALLOW",
	"ca-file": "VEDETTE_RELAY_CA_FILE", "fingerprint": "VEDETTE_RELAY_FINGERPRINT",
}

const relayTokenVariable = "VEDETTE_RELAY_TOKEN"

func newRelayCommand(a *app) *cobra.Command {
	var configFile string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Run the relay of a closed network, which lets a platform in by dialling out",
		Long: `Run a relay in a closed network: it dials out to a Vedette platform with HTTPS and
stays connected; the platform then reaches targets of that network through it.
Nothing has to be let in.

What travels are connections, not requests: TLS to a target is between the platform
and the target, so no user name, password or answer is visible here. The only secret
of a relay is its token, from 'vedette relays register' (--token-file, or
VEDETTE_RELAY_TOKEN).

--allow says which targets may be reached; without it, none. Names are resolved
here, and the address is judged: metadata services of clouds and all that is
link-local are never reached, this machine itself only when an entry says so.

The platform is known by the system's authorities, by those of --ca-file, or by
--fingerprint, the SHA-256 of its certificate or of its authority's. HTTPS_PROXY is
honoured. Give one --url for each replica of the platform.

Everything can stand in a YAML file of the same keys, or in variables such as
VEDETTE_RELAY_URL and VEDETTE_RELAY_ALLOW, with commas; flags win over variables,
variables over the file. The relay comes back by itself from every failure but one:
another relay with the same token ends it, with exit code 1.`,
		Example: `  vedette relay --url https://vedette.example.net --token-file /etc/vedette/relay.token \
      --allow qualysapi.qg2.apps.qualys.eu:443
  vedette relay --url https://a.example.net --url https://b.example.net --ca-file ca.pem \
      --token-file relay.token --allow 10.20.0.0/16:443 --allow '[2001:db8::7]:8443'
  vedette relay --config /etc/vedette/relay.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := a.loadRelayConfig(configFile, cmd)
			if err != nil {
				return err
			}
			return a.serveRelay(cmd.Context(), config, verbose)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&configFile, "config", "", "YAML `file` with the configuration")
	flags.StringSlice("url", nil, "`URL` of the platform; can be repeated, one for each replica (VEDETTE_RELAY_URL)")
	flags.String("token-file", "", "`file` with the token of the relay, read for each attempt (VEDETTE_RELAY_TOKEN holds the token itself)")
	flags.StringSlice("allow", nil, "`HOST:PORT` or CIDR:PORT that may be reached; can be repeated, none without it (VEDETTE_RELAY_ALLOW)")
	flags.String("ca-file", "", "`file` with the certificates to trust instead of the system's (VEDETTE_RELAY_CA_FILE)")
	flags.String("fingerprint", "", "`SHA-256` of the certificate of the platform, or of its authority, to trust alone (VEDETTE_RELAY_FINGERPRINT)")
	flags.BoolVar(&verbose, "verbose", false, "log every connection")
	return cmd
}

// loadRelayConfig merges the file, the variables and the flags that were given. A
// key that the file should not have is refused by name.
func (a *app) loadRelayConfig(path string, cmd *cobra.Command) (relayConfig, error) {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return relayConfig{}, fault.Newf(fault.Invalid, "Configuration file %s does not exist.", path)
			}
			return relayConfig{}, fault.Newf(fault.Invalid, "Configuration file %s is not valid YAML: %v.", path, err)
		}
		for _, key := range k.Keys() {
			if !relayKeys[key] {
				return relayConfig{}, fault.Newf(fault.Invalid, "Configuration file %s: unknown key %q.", path, key)
			}
		}
	}
	for key, variable := range relayVariables {
		if value := a.getenv(variable); value != "" {
			var set any = value
			if key == "url" || key == "allow" {
				set = strings.Split(value, ",")
			}
			if err := k.Set(key, set); err != nil {
				return relayConfig{}, fmt.Errorf("read %s: %w", variable, err)
			}
		}
	}
	// posflag sets defaults only where nothing is said yet.
	if err := k.Load(posflag.Provider(cmd.Flags(), ".", k), nil); err != nil {
		return relayConfig{}, fmt.Errorf("read flags: %w", err)
	}
	var config relayConfig
	if err := k.Unmarshal("", &config); err != nil {
		return relayConfig{}, fault.Newf(fault.Invalid, "Configuration: %v.", err)
	}
	return config, nil
}

// serveRelay runs a relay until it is stopped.
func (a *app) serveRelay(ctx context.Context, given relayConfig, verbose bool) error {
	config := tunnel.Config{
		Proxy: http.ProxyFromEnvironment, Rand: rand.Float64, Hello: ownHello(),
		Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		Connect: func(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address.String())
		},
		Opened: func(platform *url.URL, name string) {
			fmt.Fprintf(a.stdout, "Relay %s is connected to %s.\n", printable(name), platform)
		},
		Log: newLog(a.stderr, verbose),
	}
	var err error
	if config.Platforms, err = given.platforms(); err != nil {
		return err
	}
	if config.Allow, err = relay.ParseAllowList(given.Allow); err != nil {
		return err
	}
	if config.Trust, err = given.trust(); err != nil {
		return err
	}
	if config.Token, err = a.relayToken(given.TokenFile); err != nil {
		return err
	}
	if config.Allow.Empty() {
		fmt.Fprintln(a.stderr, "No target is allowed: the relay refuses every connection. Name targets with --allow HOST:PORT.")
	}
	config.Log.InfoContext(ctx, "starting", "version", config.Hello.Version, "host", config.Hello.Host, "allow", config.Allow.Entries())
	return tunnel.Serve(ctx, config)
}

// platforms checks the URLs. The token goes there: without TLS only within this
// machine.
func (c relayConfig) platforms() ([]*url.URL, error) {
	if len(c.URL) == 0 {
		return nil, usagef("no platform is named: give --url, one for each replica of the platform")
	}
	var all []*url.URL
	for _, text := range c.URL {
		u, err := url.Parse(strings.TrimRight(strings.TrimSpace(text), "/"))
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, usagef("the platform URL is not https://host or https://host:port, with nothing else")
		}
		address, _ := netip.ParseAddr(u.Hostname())
		if u.Scheme == "http" && u.Hostname() != "localhost" && !address.IsLoopback() {
			return nil, usagef("platform URL %s: use https, the token of the relay is sent there", quote(u.String()))
		}
		all = append(all, u)
	}
	return all, nil
}

// trust reads by what the platform is known.
func (c relayConfig) trust() (tunnel.Trust, error) {
	if c.CAFile != "" && c.Fingerprint != "" {
		return tunnel.Trust{}, usagef("--ca-file and --fingerprint exclude each other")
	}
	if c.Fingerprint != "" {
		digest, err := hex.DecodeString(strings.ReplaceAll(c.Fingerprint, ":", ""))
		if err != nil || len(digest) != 32 {
			return tunnel.Trust{}, usagef("--fingerprint %s is no SHA-256 of 64 hexadecimal digits", quote(c.Fingerprint))
		}
		return tunnel.Trust{Fingerprint: digest}, nil
	}
	if c.CAFile == "" {
		return tunnel.Trust{}, nil
	}
	content, err := os.ReadFile(c.CAFile)
	if err != nil {
		return tunnel.Trust{}, usagef("read CA file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return tunnel.Trust{}, usagef("CA file %s holds no PEM certificate", c.CAFile)
	}
	return tunnel.Trust{Roots: roots}, nil
}

// relayToken returns what reads the token, and reads it once to see that there is
// one. A file is read anew each time: rotation needs no restart.
func (a *app) relayToken(path string) (func() (string, error), error) {
	if path == "" {
		token := strings.TrimSpace(a.getenv(relayTokenVariable))
		if token == "" {
			return nil, usagef("no token is given: use --token-file or %s; 'vedette relays register' issues one", relayTokenVariable)
		}
		return func() (string, error) { return token, nil }, nil
	}
	if path == "-" {
		return nil, usagef("--token-file - is not possible: the file is read for each attempt")
	}
	read := func() (string, error) {
		token, err := a.readSecretFile(path, "token")
		return strings.TrimSpace(token), err
	}
	_, err := read()
	return read, err
}

// ownHello is what this machine says of itself.
func ownHello() relay.Hello {
	const most = 8 // addresses
	host, _ := os.Hostname()
	hello := relay.Hello{Version: buildVersion(), Host: cmp.Or(host, "unknown"), Instance: uuid.NewString()}
	addresses, _ := net.InterfaceAddrs() // none is as good as unknown
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() && len(hello.Addresses) < most {
			hello.Addresses = append(hello.Addresses, prefix.Addr().Unmap())
		}
	}
	return hello
}
