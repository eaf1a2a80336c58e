package integration

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/vault"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// Names of the parameters of a connection to a QPS platform.
const (
	ParameterServerURL     = "serverUrl"
	ParameterUsername      = "username"
	ParameterPassword      = "password"
	ParameterAPIVersion    = "apiVersion"
	ParameterAllowHTTP     = "allowHttp"
	ParameterCACertificate = "caCertificate"
)

// maxInlineWait bounds a wait within a command; a longer one is handed back as a
// Continuation, so that no worker sleeps.
const maxInlineWait = 5 * time.Second

// maxParameterBytes bounds a parameter; a chain of a few certificates fits.
const maxParameterBytes = 16 << 10

// CheckParameters checks the parameters of a connection, named by name or by
// display name, and returns them by name in the form in which they are stored:
// defaults are filled in, a bare host gets https://, a trailing slash goes.
// Those that are named in elsewhere come from a password vault when the
// connection is used: they must not be given.
//
// The error is a *fault.Error about the first parameter that is wrong. It names
// the parameter and what is allowed, and repeats neither a secret nor a URL that
// may hold one.
func (i Integration) CheckParameters(values map[string]string, elsewhere ...string) (map[string]string, error) {
	given := make(map[string]string, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		p, ok := i.Parameter(name)
		if !ok {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s has no parameter %q.", i.DisplayName, automation.Echo(name)), i.parameterNames())
		}
		if _, twice := given[p.Name]; twice {
			return nil, p.refuse("is given twice, as "+p.Name+" and as "+p.DisplayName, "Give it once.")
		}
		given[p.Name] = values[name]
	}
	checked := make(map[string]string, len(i.Parameters))
	for _, p := range i.Parameters {
		value := given[p.Name]
		if slices.Contains(elsewhere, p.Name) {
			if value != "" {
				return nil, p.refuse("comes from the password vault and is given all the same", "Leave it empty, or take it out of the vault's mapping.")
			}
			continue
		}
		value, err := p.read(value, given)
		if err != nil {
			return nil, err
		}
		if value != "" {
			checked[p.Name] = value
		}
	}
	if i.Name == VaultIntegration {
		return checked, VaultSettings(checked).Check()
	}
	return checked, nil
}

func (i Integration) parameterNames() string {
	names := make([]string, len(i.Parameters))
	for n, p := range i.Parameters {
		names[n] = fmt.Sprintf("%s (%s)", p.DisplayName, p.Name)
	}
	return "Its parameters are: " + strings.Join(names, ", ") + "."
}

func (p Parameter) refuse(what, resolution string) error {
	return fault.New(fault.Invalid, p.DisplayName+" "+what+".", resolution)
}

// read checks one parameter; others are those given beside it.
func (p Parameter) read(value string, others map[string]string) (string, error) {
	if p.Type != Secret { // a password may begin or end with a blank
		value = strings.TrimSpace(value)
	}
	if value == "" {
		value = p.Default
	}
	switch {
	case value == "" && p.Required:
		return "", p.refuse("is required", p.hint())
	case value == "":
		return "", nil
	case len(value) > maxParameterBytes:
		return "", p.refuse(fmt.Sprintf("has %d bytes, at most %d are allowed", len(value), maxParameterBytes), "")
	case p.Name != ParameterCACertificate && strings.ContainsFunc(value, unicode.IsControl):
		return "", p.refuse("has control characters, such as a line feed, which are not allowed", p.hint())
	}
	switch p.Name {
	case ParameterServerURL:
		return p.readServerURL(value, strings.EqualFold(strings.TrimSpace(others[ParameterAllowHTTP]), "true"))
	case ParameterUsername:
		if strings.Contains(value, ":") {
			return "", p.refuse("has a colon, which HTTP Basic authentication does not allow", p.hint())
		}
	case ParameterAPIVersion:
		if !apiVersion.MatchString(value) {
			return "", p.refuse(fmt.Sprintf("%q is not allowed, use a number such as 2.0", automation.Echo(value)), "")
		}
	case ParameterCACertificate:
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(value)) {
			return "", p.refuse("holds no certificate, use PEM text that begins with -----BEGIN CERTIFICATE-----", "")
		}
	}
	if p.Type == Boolean {
		value = strings.ToLower(value)
		if value != "true" && value != "false" {
			return "", p.refuse(fmt.Sprintf("%q is not allowed, use True or False", automation.Echo(value)), "")
		}
	}
	return value, nil
}

func (p Parameter) hint() string {
	if p.Example == "" {
		return ""
	}
	return "Example: " + p.Example
}

var (
	apiVersion = regexp.MustCompile(`^\d+(\.\d+)?$`)
	// hostName is a name by RFC 1123, section 2.1.
	hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?$`)
)

// readServerURL normalises the URL of an API server to scheme and host.
func (p Parameter) readServerURL(value string, allowHTTP bool) (string, error) {
	if strings.ContainsAny(value, "<>") {
		return "", p.refuse("has a part in angle brackets", "Replace it by the base URL of your private platform.")
	}
	if !strings.Contains(value, "://") {
		value = "https://" + value
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Opaque != "":
		return "", p.refuse("cannot be read, use https://host or https://host:port", p.hint())
	case u.User != nil:
		return "", p.refuse("holds credentials, which are not allowed there", "Give Username and Password by themselves.")
	case u.Scheme == "http" && !allowHTTP:
		return "", p.refuse("has http://, use https://", "Over http:// the password can be read on the way. Set Allow HTTP to True where that does not matter.")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", p.refuse("has another scheme than https://", p.hint())
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", p.refuse("has a path, a query or a fragment, use https://host or https://host:port", p.hint())
	}
	host, err := hostOf(u)
	if err != nil {
		return "", p.refuse(err.Error(), p.hint())
	}
	return u.Scheme + "://" + host, nil
}

// hostOf returns host and port in lower case, without the scheme's own port.
func hostOf(u *url.URL) (string, error) {
	name, port := strings.ToLower(u.Hostname()), u.Port()
	address, err := netip.ParseAddr(name)
	if err != nil && (len(name) > 253 || !hostName.MatchString(name)) {
		return "", fmt.Errorf("has no host name or address, use https://host or https://host:port")
	}
	if err == nil && address.Is6() {
		name = "[" + name + "]"
	}
	if port == "" {
		if strings.HasSuffix(u.Host, ":") {
			return "", fmt.Errorf("has a colon without a port, use https://host or https://host:port")
		}
		return name, nil
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("has port %s, use one from 1 to 65535", automation.Echo(port))
	}
	if port == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		return name, nil
	}
	if strings.HasPrefix(name, "[") {
		return name + ":" + port, nil
	}
	return net.JoinHostPort(name, port), nil
}

// SecretsNeeded returns the names of the secret parameters without which a
// connection with these other parameters cannot be used.
func (i Integration) SecretsNeeded(values map[string]string) []string {
	if i.Name == VaultIntegration {
		if VaultSettings(values).Auth == vault.AuthAppRole {
			return []string{"secretId"}
		}
		return []string{"token"}
	}
	var names []string
	for _, p := range i.Parameters {
		if p.Secret() && p.Required {
			names = append(names, p.Name)
		}
	}
	return names
}

// ClientConfig returns how a client calls the platform of checked parameters, with
// the bounds for commands that must not sleep for long. Tests, relays and vaults
// change what they need of it.
func (i Integration) ClientConfig(checked map[string]string) qpsclient.Config {
	config := qpsclient.Config{
		BaseURL:    checked[ParameterServerURL],
		Username:   checked[ParameterUsername],
		Password:   checked[ParameterPassword],
		APIVersion: checked[ParameterAPIVersion],
		MaxWait:    maxInlineWait,
	}
	if pem := checked[ParameterCACertificate]; pem != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(pem))
	}
	return config
}
