package connection

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/fault"
)

// Draft is what a connection is made of.
type Draft struct {
	Integration string
	Name        string
	// SiteID is the site, or with Shared the recipient site.
	SiteID      int64
	Shared      bool
	Description string
	Inactive    bool
	RelayID     int64
	RelayName   string            // in place of RelayID
	Grants      []Grant           // by kind and name
	Parameters  map[string]string // secrets included
	Vault       VaultUse
	Limits      Limits
	Check       Check
	// SecretsLater makes it without the secrets that are not given; see
	// Connection.Missing.
	SecretsLater bool
}

// Change is what to change of a connection; nil leaves it as it is.
type Change struct {
	Name        *string
	SiteID      *int64
	Shared      *bool
	Description *string
	Active      *bool
	RelayID     *int64
	RelayName   string // in place of RelayID, which is 0 then
	Grants      *[]Grant
	Parameters  map[string]string // those that are in it; Kept leaves a secret as it is
	Vault       *VaultUse
	Limits      *Limits
	Check       *Check
	// SecretsLater drops the secrets that a change needs anew and does not give, in
	// place of refusing it; see Connection.Missing.
	SecretsLater bool
}

// withDefaults fills in what a person left open.
func (c *Connection) withDefaults() {
	if c.Limits.Concurrency == 0 {
		c.Limits.Concurrency = DefaultConcurrency
	}
	if c.Check.Every == 0 {
		c.Check.Every = DefaultCheckEvery
	}
}

// check refuses settings that are not allowed, whoever chose them.
func (c *Connection) check() error {
	if err := checkName("name", c.Name); err != nil {
		return err
	}
	if c.Shared && c.SiteKind == Client {
		return fault.New(fault.Invalid, fmt.Sprintf("recipientSite: site '%s' is the site of a client.", automation.Echo(c.SiteName)),
			"A connection that is shared to internal sites needs an internal site as the recipient of its events.")
	}
	if err := checkText("description", c.Description, MaxDescriptionBytes); err != nil {
		return err
	}
	if len(c.Grants) > MaxGrants {
		return fault.Newf(fault.Invalid, "userPermissions: there are %d entries, at most %d are allowed.", len(c.Grants), MaxGrants)
	}
	if err := c.Limits.check(); err != nil {
		return err
	}
	return c.Check.check(c.Active)
}

func (l Limits) check() error {
	if l.RequestsPerMinute < 0 || l.RequestsPerMinute > MaxRequestsPerMinute {
		return outOfRange("requestsPerMinute", l.RequestsPerMinute, fmt.Sprintf("an integer from 1 to %d, or 0 for no limit", MaxRequestsPerMinute))
	}
	if l.Concurrency < 1 || l.Concurrency > MaxConcurrency {
		return outOfRange("concurrency", l.Concurrency, fmt.Sprintf("an integer from 1 to %d", MaxConcurrency))
	}
	return nil
}

func (c Check) check(active bool) error {
	switch {
	case c.Enabled && !active:
		return fault.New(fault.Invalid, "healthCheck: an inactive connection cannot be checked.", "Make the connection active, or switch its health check off.")
	case c.Every < MinCheckEvery || c.Every > MaxCheckEvery || c.Every%time.Minute != 0:
		return outOfRange("intervalMinutes", c.Every.Minutes(), fmt.Sprintf("an integer from %d to %d", int(MinCheckEvery.Minutes()), int(MaxCheckEvery.Minutes())))
	case c.MailAfter < 0 || c.MailAfter > MaxMailAfter:
		return outOfRange("mailAfter", c.MailAfter, fmt.Sprintf("an integer from 1 to %d, or 0 for no mail", MaxMailAfter))
	case c.MailAfter > 0 && len(c.MailTo) == 0:
		return fault.New(fault.Invalid, "mailTo: the value is missing.", "Specify mailTo as a list of e-mail addresses, or mailAfter as 0.")
	case len(c.MailTo) > MaxMailTo:
		return fault.Newf(fault.Invalid, "mailTo: there are %d addresses, at most %d are allowed.", len(c.MailTo), MaxMailTo)
	}
	for _, address := range c.MailTo {
		if _, err := notice.ParseAddress(address); err != nil {
			return fault.New(fault.Invalid, fmt.Sprintf("mailTo: '%s' is not an e-mail address.", automation.Echo(address)), "Specify addresses such as soc@example.net.")
		}
	}
	return nil
}

func outOfRange(field string, value any, allowed string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("%s: invalid value '%v'.", field, value), fmt.Sprintf("Specify %s as %s.", field, allowed))
}

// setParameters gives a connection the parameters that are in given and returns the
// secrets among them. What it has stays: a secret that is Kept or not given, any
// other that is not given. Secrets that it misses may be missing still, and with
// later all of them may.
func (c *Connection) setParameters(of integration.Integration, given map[string]string, missed []string, later bool) (secrets map[string]string, err error) {
	if given, err = byName(of, given); err != nil {
		return nil, err
	}
	hidden := secretNames(of)
	all := map[string]string{}
	maps.Copy(all, c.Parameters)
	maps.Copy(all, given)
	for name := range hidden {
		if value, anew := given[name]; !anew || value == Kept {
			delete(all, name)
			if slices.Contains(c.Stored, name) {
				all[name] = Kept
			}
		}
	}
	elsewhere := slices.Sorted(maps.Keys(c.Vault.Items))
	for _, name := range elsewhere {
		if _, anew := given[name]; !anew {
			delete(all, name) // what the vault has is not kept here as well
		}
		c.Stored = slices.DeleteFunc(c.Stored, func(stored string) bool { return stored == name })
	}
	for _, name := range of.SecretsNeeded(all) {
		if _, there := all[name]; !there && !slices.Contains(elsewhere, name) && (later || slices.Contains(missed, name)) {
			all[name] = Kept // so that the others are checked
		}
	}
	checked, err := of.CheckParameters(all, elsewhere...)
	if err != nil {
		return nil, err
	}
	secrets = map[string]string{}
	c.Parameters = map[string]string{}
	for name, value := range checked {
		switch {
		case value == Kept:
		case hidden[name]:
			secrets[name] = value
			c.Stored = append(c.Stored, name)
		default:
			c.Parameters[name] = value
		}
	}
	slices.Sort(c.Stored)
	c.Stored = slices.Compact(c.Stored)
	return secrets, nil
}

// byName returns parameters, which people may give by the names they see, by their
// names.
func byName(of integration.Integration, given map[string]string) (map[string]string, error) {
	named := make(map[string]string, len(given))
	for name, value := range given {
		if p, known := of.Parameter(name); known {
			name = p.Name
		}
		if _, twice := named[name]; twice {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("parameters: %s is given twice.", automation.Echo(name)), "Give it once, by its name or by the name of its field.")
		}
		named[name] = value
	}
	return named, nil
}

// check refuses items for parameters that the integration does not have.
func (v VaultUse) check(of integration.Integration) error {
	if !v.Enabled() {
		return nil
	}
	if v.ConnectionID == 0 {
		return fault.New(fault.Invalid, "passwordVault: the connection to the vault is missing.", "Specify the id of a connection to a vault.")
	}
	known := map[string]bool{}
	for _, p := range of.Parameters {
		known[p.Name] = !p.SendsSecrets()
	}
	maps.DeleteFunc(known, func(_ string, allowed bool) bool { return !allowed })
	for _, name := range slices.Sorted(maps.Keys(v.Items)) {
		item := v.Items[name]
		switch {
		case !known[name]:
			return fault.New(fault.Invalid, fmt.Sprintf("passwordVault: %s has no parameter '%s' that may come from a vault.", of.DisplayName, automation.Echo(name)), "Use one of "+strings.Join(slices.Sorted(maps.Keys(known)), ", ")+".")
		case item.Path == "" || item.Field == "":
			return fault.New(fault.Invalid, fmt.Sprintf("passwordVault: the item for '%s' has no path or no field.", name), "Specify where in the vault the value is: the path of the item, and its field.")
		}
		if err := checkText("passwordVault", item.Path+item.Field, MaxDescriptionBytes); err != nil {
			return err
		}
	}
	return nil
}

func secretNames(of integration.Integration) map[string]bool {
	names := map[string]bool{}
	for _, p := range of.Parameters {
		if p.Secret() {
			names[p.Name] = true
		}
	}
	return names
}
