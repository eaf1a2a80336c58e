package plan

import (
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/qps/qpsclient"
)

// Connection is what somebody says about a connection. nil is not said and stays as
// it is. Secrets are never said: a platform keeps those it has, and misses those of
// a connection that is made or sent to another server.
type Connection struct {
	Name                 *string
	Site                 *string // of a shared one, the recipient site
	Integration          *string
	ShareToInternalSites *bool
	Relay                *string // NoRelay for none
	Description          *string
	Active               *bool
	UserPermissions      *[]string         // such as user:ann=own and role:Analyst=use
	Parameters           map[string]string // those that are said, by name or display name
	PasswordVault        *PasswordVault
	Limits               ConnectionLimits
	HealthCheck          HealthCheck
}

// PasswordVault says which parameters of a connection come from a password vault.
// Without items none do.
type PasswordVault struct {
	Connection *string // to the vault
	Items      map[string]qpsclient.VaultItem
}

// ConnectionLimits are what all runs of a connection may ask of its platform.
type ConnectionLimits struct {
	RequestsPerMinute *int // 0 for no limit
	Concurrency       *int
}

// HealthCheck says how often a connection is tested by itself.
type HealthCheck struct {
	Enabled         *bool
	IntervalMinutes *int
	MailAfter       *int // 0 for never
	MailTo          *[]string
}

func (c *Connection) fields() []field {
	most := int(connection.MaxCheckEvery.Minutes())
	return []field{
		{"name", nameInto(&c.Name)},
		{"site", nameInto(&c.Site)},
		{"integration", nameInto(&c.Integration)},
		{"shareToInternalSites", booleanInto(&c.ShareToInternalSites)},
		{"relay", nameInto(&c.Relay)},
		{"description", textInto(&c.Description)},
		{"active", booleanInto(&c.Active)},
		{"userPermissions", permissionsInto(&c.UserPermissions)},
		{"parameters", parametersInto(&c.Parameters)},
		{"passwordVault", vaultInto(&c.PasswordVault)},
		{"limits", membersInto(
			field{"requestsPerMinute", integerInto(&c.Limits.RequestsPerMinute, 0, connection.MaxRequestsPerMinute)},
			field{"concurrency", integerInto(&c.Limits.Concurrency, 1, connection.MaxConcurrency)},
		)},
		{"healthCheck", membersInto(
			field{"enabled", booleanInto(&c.HealthCheck.Enabled)},
			field{"intervalMinutes", integerInto(&c.HealthCheck.IntervalMinutes, 1, most)},
			field{"mailAfter", integerInto(&c.HealthCheck.MailAfter, 0, connection.MaxMailAfter)},
			field{"mailTo", listInto(&c.HealthCheck.MailTo)},
		)},
	}
}

// permissionsInto reads a list of who may use a connection.
func permissionsInto(target **[]string) func(value) error {
	return func(v value) error {
		if err := listInto(target)(v); err != nil {
			return err
		}
		seen := map[string]bool{}
		for i, text := range **target {
			p, ok := parsePermission(text)
			if !ok {
				return v.document.refuseAt(itemKey(v.key, i), "Write user:NAME=LEVEL or role:NAME=LEVEL, with a level of use, edit or own.", "%s is no permission", quote(text))
			}
			who, _, _ := strings.Cut(text, "="+p.Level)
			if seen[who] {
				return v.document.refuseAt(itemKey(v.key, i), "Name everybody once.", "%s is there twice", quote(who))
			}
			seen[who] = true
		}
		return nil
	}
}

func itemKey(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

// parsePermission reads a permission as files have it.
func parsePermission(text string) (qpsclient.UserPermission, bool) {
	kind, rest, _ := strings.Cut(text, ":")
	at := strings.LastIndex(rest, "=")
	if at < 1 || !slices.Contains([]string{"use", "edit", "own"}, rest[at+1:]) {
		return qpsclient.UserPermission{}, false
	}
	p := qpsclient.UserPermission{Level: rest[at+1:]}
	switch kind {
	case "user":
		p.User = rest[:at]
	case "role":
		p.Role = rest[:at]
	default:
		return p, false
	}
	return p, true
}

// permissionText is a permission as files have it.
func permissionText(p qpsclient.UserPermission) string {
	if p.Role != "" {
		return "role:" + p.Role + "=" + p.Level
	}
	return "user:" + p.User + "=" + p.Level
}

func permissionTexts(permissions []qpsclient.UserPermission) []string {
	texts := make([]string, len(permissions))
	for i, p := range permissions {
		texts[i] = permissionText(p)
	}
	return sorted(texts)
}

// parametersInto reads parameters. Which there are, and which are secret, is said by
// the integration; their values are not repeated before that is known.
func parametersInto(target *map[string]string) func(value) error {
	return func(v value) error {
		pairs, err := v.pairs()
		if err != nil {
			return err
		}
		values := make(map[string]string, len(pairs))
		for _, pair := range pairs {
			if _, twice := values[pair.name()]; twice {
				return pair.refuse("Give it once.", "the key is given twice")
			}
			text, err := pair.secretive()
			if err != nil {
				return err
			}
			values[pair.name()] = text
		}
		*target = values
		return nil
	}
}

// secretive returns a single value like scalar, with errors that do not repeat it.
func (v value) secretive() (string, error) {
	text, err := v.scalar()
	if err != nil {
		return "", v.refuse("Write one plain value. Secrets are left out.", "this is no plain text")
	}
	return text, nil
}

func vaultInto(target **PasswordVault) func(value) error {
	return func(v value) error {
		vault := &PasswordVault{Items: map[string]qpsclient.VaultItem{}}
		items := func(v value) error {
			pairs, err := v.pairs()
			if err != nil {
				return err
			}
			for _, pair := range pairs {
				var path, name *string
				if err := membersInto(field{"path", nameInto(&path)}, field{"field", nameInto(&name)})(pair); err != nil {
					return err
				}
				if path == nil || name == nil {
					return pair.refuse("Write {path: …, field: …}.", "path or field is missing")
				}
				if _, twice := vault.Items[pair.name()]; twice {
					return pair.refuse("Give it once.", "the key is given twice")
				}
				vault.Items[pair.name()] = qpsclient.VaultItem{Path: *path, Field: *name}
			}
			return nil
		}
		if err := membersInto(field{"connection", nameInto(&vault.Connection)}, field{"items", items})(v); err != nil {
			return err
		}
		if (vault.Connection == nil) != (len(vault.Items) == 0) {
			return v.refuse("Write both, or {items: {}} for no vault.", "connection and items go together")
		}
		*target = vault
		return nil
	}
}
