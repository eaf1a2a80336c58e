package plan

import (
	"context"
	"regexp"
	"slices"

	"vedette.dev/vedette/qps/qpsclient"
)

// missingSecret is what a plan shows for a secret that a connection will not have.
const missingSecret = "missing"

// losses says which secrets the connection will not have: those that nobody has given
// it yet, and those that it drops because they would be sent elsewhere. The platform
// sends a secret only where whoever gave it had it sent.
func (p *plannedConnection) losses() {
	inVault := func(name string) bool { _, found := p.now.PasswordVault.Items[name]; return found }
	kept := slices.DeleteFunc(slices.Clone(p.stored), inVault)
	if p.current != nil && p.moved {
		for _, name := range kept {
			p.differ = append(p.differ, Property{"parameters." + name, qpsclient.KeptSecret, missingSecret})
		}
		p.change.SecretsLater = len(kept) > 0
		kept = nil
	}
	for _, name := range p.integration.SecretsNeeded(p.parameters) {
		if inVault(name) || slices.Contains(kept, name) {
			continue
		}
		p.missing = append(p.missing, name)
		p.change.SecretsLater = true
		if !slices.Contains(p.now.Missing, name) && !slices.Contains(p.stored, name) {
			p.differ = append(p.differ, Property{"parameters." + name, nil, missingSecret})
		}
	}
	if len(p.differ) == 0 {
		p.change.SecretsLater = false
	}
}

func (m *maker) noteMissing(p *plannedConnection) {
	for _, name := range p.missing {
		m.note("Connection %s runs no command until it has its %s: %s", quote(p.text()), name, p.giving(name))
	}
}

// giving is how a secret is given to the connection.
func (p *plannedConnection) giving(name string) string {
	flag := "--parameter-file " + name + "=FILE"
	if name == "password" {
		flag = "--account-password-file FILE"
	}
	return "vedette automation connections update " + shellWord(p.item.site+pathSlash+p.name) + " " + flag
}

// plainWord is what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9._/:@%+=-]+$`)

// shellWord quotes a word of a command line where a shell needs it.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	var quoted []byte
	for _, b := range []byte(text) {
		if b == '\'' {
			quoted = append(quoted, `'\'`...)
		}
		quoted = append(quoted, b)
	}
	return "'" + string(quoted) + "'"
}

func (a *applier) writeConnection(ctx context.Context, p *plannedConnection, c *Change) error {
	change := p.change
	if p.relaySaid || p.current == nil && p.relay != nil {
		change.Relay = &qpsclient.Reference{} // none
		if p.relay != nil {
			change.Relay = &qpsclient.Reference{ID: p.relay.id}
			if p.relay.id == 0 { // one that only managers see
				change.Relay.Name = p.relay.name
			}
		}
	}
	if change.PasswordVault != nil && p.vault != nil {
		vault := *change.PasswordVault
		vault.Connection = &qpsclient.Reference{ID: p.vault.id}
		change.PasswordVault = &vault
	}
	if p.id != 0 {
		_, err := a.to.UpdateConnection(ctx, p.id, change)
		return a.wrote(err)
	}
	n := qpsclient.NewConnection{
		Integration: p.integration.Name, Name: p.name, ShareToInternalSites: valueOf(change.ShareToInternalSites), Relay: change.Relay,
		Description: valueOf(change.Description), Active: change.Active, UserPermissions: change.UserPermissions, Parameters: map[string]string{},
		PasswordVault: change.PasswordVault, Limits: change.Limits, HealthCheck: change.HealthCheck, SecretsLater: change.SecretsLater,
	}
	for name, value := range change.Parameters {
		n.Parameters[name] = value
	}
	site := &qpsclient.Reference{ID: p.site.id}
	if n.ShareToInternalSites {
		n.RecipientSite = site
	} else {
		n.Site = site
	}
	made, err := a.to.CreateConnection(ctx, n)
	if err == nil {
		p.id, c.ID = made.ID, made.ID
	}
	return a.wrote(err)
}
