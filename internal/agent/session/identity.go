package session

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"
)

// identity is who this agent is and whom it trusts. It is written with its key
// before the first provision request, so that a lost answer is asked for again
// with the same key, and keeps its key for as long as the platform knows the
// agent.
type identity struct {
	key          ed25519.PrivateKey // from the key file; never leaves the host
	Public       []byte             `json:"public"`            // of the key that the agent id belongs to
	AgentID      string             `json:"agentId,omitempty"` // empty until provisioned
	Root         []byte             `json:"root,omitempty"`    // pinned when provisioned
	ActivationID string             `json:"activationId"`
	CustomerID   string             `json:"customerId"`
	ServerURI    string             `json:"serverUri"`
	CA           []byte             `json:"ca,omitempty"` // PEM; empty trusts the host's own authorities
	Provisioned  time.Time          `json:"provisioned,omitzero"`
	// Separated is when this machine took an identity of its own, having shared the
	// former one with another machine.
	Separated time.Time `json:"separated,omitzero"`
	// Departure is there once the platform has ordered the agent to uninstall
	// itself: this identity does nothing but leave.
	Departure *departure `json:"departure,omitempty"`
}

func (id *identity) provisioned() bool { return id.AgentID != "" }

// keyID is what requests are signed as.
func (id *identity) keyID() string {
	if id.provisioned() {
		return id.AgentID
	}
	return id.ActivationID
}

// UsageError says that an agent was given wrong or too few settings.
type UsageError struct{ Message string }

// Error returns the message.
func (e *UsageError) Error() string { return e.Message }

// openIdentity loads the identity, or creates it from the settings. A file that
// cannot be read is never replaced: the host would become a second asset.
func openIdentity(dir *folder, keys keyFile, cfg *Config) (*identity, error) {
	var id identity
	err := dir.read(identityFile, &id)
	if errors.Is(err, fs.ErrNotExist) {
		return createIdentity(dir, keys, cfg)
	}
	if err == nil {
		err = id.check()
	}
	if err != nil {
		return nil, fmt.Errorf("identity is damaged (restore %s from a backup, or move it away to register this host anew): %w", identityFile, err)
	}
	if id.key, err = keys.read(); err != nil {
		return nil, fmt.Errorf("key of agent %s (restore %s from a backup, or move %s away to register this host as a new asset): %w",
			cmp.Or(id.AgentID, "not provisioned yet"), keys, identityFile, err)
	}
	if !bytes.Equal(id.Public, public(id.key)) {
		// Killed while it took a new key, or the key file was exchanged: either way
		// nothing here can prove to be the former agent.
		cfg.Log.Warn("the key of this host is not the one it was provisioned with: it provisions again", "former agent", id.AgentID)
		return renewIdentity(dir, &id, id.key, cfg)
	}
	return &id, id.update(dir, cfg)
}

// createIdentity makes the identity of a host that has none, with the key that
// an earlier installation left: the platform then knows the host again.
func createIdentity(dir *folder, keys keyFile, cfg *Config) (*identity, error) {
	settings, err := registration(cfg)
	if err != nil {
		return nil, err
	}
	key, err := keys.read()
	if errors.Is(err, fs.ErrNotExist) {
		key, err = keys.create()
	}
	if err != nil {
		return nil, err
	}
	return renewIdentity(dir, settings, key, cfg)
}

// registration is what a host that has no identity is registered with.
func registration(cfg *Config) (*identity, error) {
	if cfg.ActivationID == "" || cfg.CustomerID == "" || cfg.ServerURI == "" {
		return nil, &UsageError{"this host is not provisioned: ActivationId=, CustomerId= and ServerUri= are required"}
	}
	settings := &identity{ActivationID: cfg.ActivationID, CustomerID: cfg.CustomerID, ServerURI: cfg.ServerURI, CA: cfg.CA}
	if err := settings.check(); err != nil {
		return nil, &UsageError{err.Error()}
	}
	return settings, nil
}

// renewIdentity writes an identity that has yet to be provisioned, with a key and
// the settings of another one, where cfg has no others.
func renewIdentity(dir *folder, old *identity, key ed25519.PrivateKey, cfg *Config) (*identity, error) {
	next := &identity{
		key: key, Public: public(key),
		ActivationID: cmp.Or(cfg.ActivationID, old.ActivationID), CustomerID: cmp.Or(cfg.CustomerID, old.CustomerID),
		ServerURI: old.ServerURI, CA: old.CA, Separated: old.Separated,
	}
	return next, dir.write(identityFile, next)
}

// replaceIdentity keeps an identity aside and makes a fresh one. At no moment is
// the host without one, or with two that it could mix up.
func replaceIdentity(dir *folder, keys keyFile, old *identity, cfg *Config) (next *identity, aside string, err error) {
	aside = removedPrefix + old.AgentID + ".json"
	err = dir.write(aside, struct {
		*identity
		Key []byte `json:"key"`
	}{old, old.key.Seed()})
	if err != nil {
		return nil, "", err
	}
	key, err := keys.create()
	if err != nil {
		return nil, "", err
	}
	next, err = renewIdentity(dir, old, key, cfg)
	return next, aside, err
}

// update takes over settings that differ from the stored ones. The platform may
// move to another address; who the agent is does not change with settings.
func (id *identity) update(dir *folder, cfg *Config) error {
	next := *id
	if cfg.ServerURI != "" {
		next.ServerURI = cfg.ServerURI
	}
	if len(cfg.CA) > 0 {
		next.CA = cfg.CA
	}
	if !id.provisioned() && cfg.ActivationID != "" {
		next.ActivationID = cfg.ActivationID
	}
	if !id.provisioned() && cfg.CustomerID != "" {
		next.CustomerID = cfg.CustomerID
	}
	if id.provisioned() && cfg.CustomerID != "" && cfg.CustomerID != id.CustomerID {
		return &UsageError{fmt.Sprintf(
			"this host is agent %s of subscription %s and cannot be provisioned for %s: give StateDir= another folder, or uninstall and move %s away",
			id.AgentID, id.CustomerID, cfg.CustomerID, identityFile)}
	}
	if err := next.check(); err != nil {
		return &UsageError{err.Error()}
	}
	if next.ServerURI == id.ServerURI && next.ActivationID == id.ActivationID && next.CustomerID == id.CustomerID && string(next.CA) == string(id.CA) {
		return nil
	}
	*id = next
	return dir.write(identityFile, id)
}

func (id *identity) check() error {
	if id.provisioned() && (!isUUID(id.AgentID) || len(id.Root) != ed25519.PublicKeySize) {
		return fmt.Errorf("agent id %q or the pinned root key is not valid", id.AgentID)
	}
	if !isUUID(id.ActivationID) {
		return fmt.Errorf("ActivationId %q is not a UUID", id.ActivationID)
	}
	if !isUUID(id.CustomerID) {
		return fmt.Errorf("CustomerId %q is not a UUID", id.CustomerID)
	}
	if at, err := url.Parse(id.ServerURI); err != nil || at.Scheme != "https" || at.Host == "" || at.RawQuery != "" || at.Fragment != "" || at.User != nil {
		return fmt.Errorf("ServerUri %q is not an https address such as https://platform.example.com:8443/", id.ServerURI)
	}
	return nil
}

// isUUID reports whether s has the form of a UUID. Only such ids may appear in
// signatures and file names.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isHex(s[i]) {
				return false
			}
		}
	}
	return true
}

// isDigest reports whether s is a SHA-256 digest in lower-case hexadecimal.
func isDigest(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if !isHex(s[i]) || (s[i] >= 'A' && s[i] <= 'F') {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
}
