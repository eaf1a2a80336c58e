package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/qps/qpsclient"
)

// connectionFlags are what can be said of a connection of the automation layer on the
// command line. Secrets are never arguments: other users of the machine can read
// command lines.
type connectionFlags struct {
	name, description           string
	site, recipient             string
	shared, active              bool
	relay                       string
	grants                      []string
	platform                    string
	serverURL, account, version string
	passwordFile                string
	parameters, files           []string
	vault                       string
	vaultItems                  []string
	perMinute, concurrency      int
	check                       bool
	every                       time.Duration
	mailAfter                   int
	mailTo                      []string
	refused                     string
}

// passwordParameter is the parameter that --account-password-file gives.
const passwordParameter = "password"

// describingConnections are the flags of which one is needed to change a connection.
var describingConnections = []string{
	"name", "description", "site", "recipient-site", "share-to-internal-sites", "active", "relay", "grant", "platform", "server-url", "account", "api-version",
	"account-password-file", "parameter", "parameter-file", "vault", "vault-item", "requests-per-minute", "concurrency", "health-check", "check-every", "mail-after", "mail-to",
}

func (c *connectionFlags) define(a *app, cmd *cobra.Command, f *clientFlags) {
	flags := cmd.Flags()
	flags.StringVar(&c.site, "site", "", "`site` it belongs to, by ID or name; needed by who has several")
	flags.BoolVar(&c.shared, "share-to-internal-sites", false, "let every internal site use it; it then belongs to --recipient-site")
	flags.StringVar(&c.recipient, "recipient-site", "", "internal `site` that a shared connection belongs to")
	flags.StringVar(&c.relay, "relay", "", "`relay` that reaches the platform, by ID or name; empty for none")
	flags.StringVar(&c.description, "description", "", "description `text`")
	flags.BoolVar(&c.active, "active", true, "let it be used")
	flags.StringArrayVar(&c.grants, "grant", nil, "who may use it, `user:NAME=LEVEL` or role:NAME=LEVEL, with a level of use, edit or own; can be repeated, empty for nobody but managers")
	flags.StringVar(&c.platform, "platform", "", "`name` of the platform whose URL is used; 'vedette automation integrations show' lists them")
	flags.StringVar(&c.serverURL, "server-url", "", "`URL` of the platform's API server; a host alone gets https://")
	flags.StringVar(&c.account, "account", "", "user `name` on that platform")
	flags.StringVar(&c.passwordFile, "account-password-file", "", "`file` with the password of --account, - for standard input; asked for at a terminal")
	flags.StringVar(&c.version, "api-version", "", "`version` of the platform's asset management API, 2.0 unless said otherwise")
	flags.StringArrayVar(&c.parameters, "parameter", nil, "any other parameter of the integration, as `NAME=VALUE`; can be repeated")
	flags.StringArrayVar(&c.files, "parameter-file", nil, "parameter whose value is in a file, as `NAME=FILE`, such as caCertificate=ca.pem; can be repeated")
	flags.StringVar(&c.vault, "vault", "", "`connection` to the password vault that parameters are fetched from")
	flags.StringArrayVar(&c.vaultItems, "vault-item", nil, "parameter and where it is in the vault, as `NAME=PATH#FIELD`; can be repeated, empty for no vault")
	flags.IntVar(&c.perMinute, "requests-per-minute", 0, "most requests in a `minute` to the platform, 0 for no limit")
	flags.IntVar(&c.concurrency, "concurrency", 0, "`number` of runs at work at once, 2 unless said otherwise")
	flags.BoolVar(&c.check, "health-check", false, "test it regularly")
	flags.DurationVar(&c.every, "check-every", 0, "`time` from one health check to the next, 30m unless said otherwise")
	flags.IntVar(&c.mailAfter, "mail-after", 0, "`number` of failures in a row after which --mail-to is told, 0 for never")
	flags.StringSliceVar(&c.mailTo, "mail-to", nil, "e-mail `address` to tell; can be repeated")
	flags.StringVar(&c.refused, "account-password", "", "")
	if err := flags.MarkHidden("account-password"); err != nil {
		panic(err) // the flag was not defined
	}
	a.completeFlagNames(cmd, f, "site", siteNames)
	a.completeFlagNames(cmd, f, "recipient-site", siteNames)
	a.completeFlagNames(cmd, f, "vault", connectionNames)
	a.completeFlagNames(cmd, f, "relay", relayNames)
}

// change returns what the flags say, with the parameters of an integration.
func (c *connectionFlags) change(a *app, cmd *cobra.Command, f *clientFlags, of qpsclient.Integration) (qpsclient.ConnectionChange, error) {
	given := cmd.Flags().Changed
	var change qpsclient.ConnectionChange
	if given("account-password") {
		return change, usagef("--account-password: others can read command lines; give --account-password-file, - for standard input")
	}
	for _, text := range []struct {
		flag  string
		field **string
		value *string
	}{{"name", &change.Name, &c.name}, {"description", &change.Description, &c.description}} {
		if given(text.flag) {
			*text.field = text.value
		}
	}
	for _, yes := range []struct {
		flag  string
		field **bool
		value *bool
	}{{"active", &change.Active, &c.active}, {"share-to-internal-sites", &change.ShareToInternalSites, &c.shared}} {
		if given(yes.flag) {
			*yes.field = yes.value
		}
	}
	for _, site := range []struct {
		flag  string
		field **qpsclient.Reference
		text  string
	}{{"site", &change.Site, c.site}, {"recipient-site", &change.RecipientSite, c.recipient}} {
		if given(site.flag) {
			*site.field = new(referenceTo(site.text))
		}
	}
	if given("relay") {
		change.Relay = new(referenceTo(c.relay))
	}
	var err error
	if given("grant") {
		if change.UserPermissions, err = grantsOf(c.grants); err != nil {
			return change, err
		}
	}
	if change.PasswordVault, err = c.passwordVault(cmd); err != nil {
		return change, err
	}
	change.Limits = c.limits(cmd)
	if change.HealthCheck, err = c.healthCheck(cmd); err != nil {
		return change, err
	}
	change.Parameters, err = c.parameterValues(a, cmd, f, of)
	return change, err
}

// grantsOf reads --grant.
func grantsOf(texts []string) ([]qpsclient.UserPermission, error) {
	permissions := []qpsclient.UserPermission{}
	for _, text := range filled(texts) {
		kind, rest, _ := strings.Cut(text, ":")
		at := strings.LastIndex(rest, "=")
		if at < 1 || kind != "user" && kind != "role" {
			return nil, usagef("--grant %s: use user:NAME=LEVEL or role:NAME=LEVEL, with a level of use, edit or own", quote(text))
		}
		p := qpsclient.UserPermission{Level: rest[at+1:]}
		if kind == "user" {
			p.User = rest[:at]
		} else {
			p.Role = rest[:at]
		}
		permissions = append(permissions, p)
	}
	return permissions, nil
}

func (c *connectionFlags) passwordVault(cmd *cobra.Command) (*qpsclient.PasswordVault, error) {
	if !cmd.Flags().Changed("vault") && !cmd.Flags().Changed("vault-item") {
		return nil, nil
	}
	vault := &qpsclient.PasswordVault{Items: map[string]qpsclient.VaultItem{}}
	for _, text := range filled(c.vaultItems) {
		name, where, _ := strings.Cut(text, "=")
		path, field, found := strings.Cut(where, "#")
		if !found || name == "" || path == "" || field == "" {
			return nil, usagef("--vault-item %s: use NAME=PATH#FIELD, such as password=secret/qualys#password", quote(text))
		}
		vault.Items[name] = qpsclient.VaultItem{Path: path, Field: field}
	}
	if c.vault != "" {
		vault.Connection = new(referenceTo(c.vault))
	}
	if (vault.Connection == nil) != (len(vault.Items) == 0) {
		return nil, usagef("--vault and --vault-item go together: the vault, and what is in it")
	}
	return vault, nil
}

func (c *connectionFlags) limits(cmd *cobra.Command) *qpsclient.ConnectionLimits {
	limits := &qpsclient.ConnectionLimits{}
	if cmd.Flags().Changed("requests-per-minute") {
		limits.RequestsPerMinute = &c.perMinute
	}
	if cmd.Flags().Changed("concurrency") {
		limits.Concurrency = &c.concurrency
	}
	if *limits == (qpsclient.ConnectionLimits{}) {
		return nil
	}
	return limits
}

func (c *connectionFlags) healthCheck(cmd *cobra.Command) (*qpsclient.HealthCheck, error) {
	given := cmd.Flags().Changed
	if !slices.ContainsFunc([]string{"health-check", "check-every", "mail-after", "mail-to"}, given) {
		return nil, nil
	}
	check := &qpsclient.HealthCheck{}
	if given("health-check") {
		check.Enabled = &c.check
	}
	if given("check-every") {
		if c.every <= 0 || c.every%time.Minute != 0 {
			return nil, usagef("--check-every %s: use whole minutes, such as 15m or 2h", c.every)
		}
		check.IntervalMinutes = new(int(c.every / time.Minute))
	}
	if given("mail-after") {
		check.MailAfter = &c.mailAfter
	}
	if given("mail-to") {
		check.MailTo = filled(c.mailTo)
	}
	return check, nil
}

// parameterValues returns the parameters of the connection that the flags give.
func (c *connectionFlags) parameterValues(a *app, cmd *cobra.Command, f *clientFlags, of qpsclient.Integration) (map[string]string, error) {
	values := map[string]string{}
	if c.platform != "" {
		if c.serverURL != "" {
			return nil, usagef("--platform and --server-url exclude each other")
		}
		url, err := platformURL(of, c.platform)
		if err != nil {
			return nil, err
		}
		values["serverUrl"] = url
	}
	for _, p := range []struct{ flag, name, value string }{{"server-url", "serverUrl", c.serverURL}, {"account", "username", c.account}, {"api-version", "apiVersion", c.version}} {
		if cmd.Flags().Changed(p.flag) {
			values[p.name] = p.value
		}
	}
	for _, text := range c.parameters {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, usagef("--parameter %s: use NAME=VALUE", quote(name))
		}
		if slices.ContainsFunc(of.Parameters, func(p qpsclient.IntegrationParameter) bool {
			return p.Type == "secret" && (p.Name == name || p.DisplayName == name)
		}) {
			return nil, usagef("--parameter %s=…: others can read command lines; give --parameter-file %s=FILE, with - for standard input", name, name)
		}
		values[name] = value
	}
	if c.passwordFile != "" {
		c.files = append(c.files, passwordParameter+"="+c.passwordFile)
	}
	return values, c.readFiles(a, f, values)
}

// maxParameterBytes bounds the file with a parameter; a certificate fits.
const maxParameterBytes = 64 << 10

func (c *connectionFlags) readFiles(a *app, f *clientFlags, values map[string]string) error {
	fromInput := f.passwordFile == "-" || f.tokenFile == "-"
	for _, text := range c.files {
		name, path, found := strings.Cut(text, "=")
		if !found || name == "" || path == "" {
			return usagef("--parameter-file %s: use NAME=FILE", quote(text))
		}
		if path == "-" && fromInput {
			return usagef("%s and another secret cannot both come from standard input", name)
		}
		fromInput = fromInput || path == "-"
		content, err := a.readInput(path, maxParameterBytes)
		if err != nil {
			return err
		}
		if values[name] = strings.TrimRight(string(content), "\r\n"); values[name] == "" {
			return usagef("the file %s with %s is empty", path, name)
		}
	}
	return nil
}

// platformURL returns the URL of an entry of the pick list.
func platformURL(of qpsclient.Integration, name string) (string, error) {
	names := make([]string, len(of.Platforms))
	for i, p := range of.Platforms {
		if strings.EqualFold(p.Name, name) {
			if strings.Contains(p.URL, "<") {
				return "", usagef("--platform %s: the address of a private platform is its own; give it with --server-url, in the form %s", quote(name), p.URL)
			}
			return p.URL, nil
		}
		names[i] = p.Name
	}
	return "", usagef("--platform %s: use one of %s, or --server-url", quote(name), strings.Join(names, ", "))
}
