package vault

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/automation/vault"
	"vedette.dev/vedette/internal/hidden"
	"vedette.dev/vedette/internal/outbound/egress"
)

const (
	defaultTTL   = 5 * time.Minute
	documentMost = 256      // documents that are kept
	documentSize = 64 << 10 // bytes of fields of one that is kept
	sessionMost  = 64       // logins that are kept
)

// Options are how a Source works.
type Options struct {
	TTL    time.Duration    // how long a value is kept; 0: 5 minutes
	Now    func() time.Time // nil: time.Now
	Policy egress.Policy    // which addresses may be connected to
}

// Source fetches values from any number of vaults. It is safe for concurrent use.
//
// The fields of one path are fetched and kept together, so a user name and its
// password are of the same version.
type Source struct {
	options   Options
	documents *shelf[*document]
	sessions  *shelf[*session]
}

// document is what was read at a path. odd are the fields that are no text, with
// what they are.
type document struct {
	vault.Document
	odd map[string]string
}

// NewSource returns a Source. Its owner closes it.
func NewSource(o Options) *Source {
	o.TTL = cmp.Or(o.TTL, defaultTTL)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Source{options: o, documents: newShelf[*document](o.Now, documentMost), sessions: newShelf[*session](o.Now, sessionMost)}
}

// Close forgets all values and tokens. Fetches that are under way go on and are
// not kept.
func (s *Source) Close() {
	s.documents.close()
	s.sessions.close()
}

// Fetch returns the value of an item and its version, from memory when it was
// fetched in the last minutes. It ends within the settings' Timeout. An error is
// a *vault.Failure; failures are not kept.
func (s *Source) Fetch(ctx context.Context, settings vault.Settings, item vault.Item) (hidden.Text, int, error) {
	if err := item.Check(); err != nil {
		return hidden.Text{}, 0, unusable(err)
	}
	found, err := s.document(ctx, settings, item.Path)
	if err != nil {
		return hidden.Text{}, 0, err
	}
	value, ok := found.Fields[item.Field]
	if kind, odd := found.odd[item.Field]; odd {
		return hidden.Text{}, 0, &vault.Failure{
			Kind: vault.Malformed, StatusCode: statusBadGateway,
			Message:    fmt.Sprintf("The field %q at %s in the vault is %s and no text.", item.Field, place(settings, item.Path), kind),
			Resolution: "Store the value as a text of its own, or choose another field.",
		}
	}
	if !ok {
		return hidden.Text{}, 0, &vault.Failure{
			Kind: vault.NotFound, StatusCode: statusNotFound,
			Message:    fmt.Sprintf("Version %d at %s in the vault has no field %q.", found.Version, place(settings, item.Path), item.Field),
			Resolution: "Check the name of the field; names are case-sensitive.",
		}
	}
	return value, found.Version, nil
}

// FetchAll returns the fields at a path that are texts, under the rules of Fetch.
func (s *Source) FetchAll(ctx context.Context, settings vault.Settings, path string) (vault.Document, error) {
	if err := (vault.Item{Path: path, Field: "any"}).Check(); err != nil {
		return vault.Document{}, unusable(err)
	}
	found, err := s.document(ctx, settings, path)
	if err != nil {
		return vault.Document{}, err
	}
	copied := found.Document
	copied.Fields = make(map[string]hidden.Text, len(found.Fields))
	for name, value := range found.Fields {
		copied.Fields[name] = value
	}
	return copied, nil
}

// LogIn proves the credentials of settings anew, whatever is kept of before: by
// AppRole it logs in, and a token has to look itself up. An error is a
// *vault.Failure.
func (s *Source) LogIn(ctx context.Context, settings vault.Settings) error {
	if err := settings.Check(); err != nil {
		return unusable(err)
	}
	settings = settings.Complete()
	bounded, cancel := context.WithTimeout(ctx, settings.Timeout)
	defer cancel()
	made, _, err := s.open(bounded, settings, nil)
	if err == nil {
		if _, err = made.client.Auth().Token().LookupSelfWithContext(bounded); err != nil {
			err = &stepError{"look the token up", err}
		}
	}
	if err != nil {
		return explain(ctx, settings, err)
	}
	return nil
}

// Drop forgets what was fetched at the path of an item, so that the next Fetch
// asks the vault: the platform that a password is for has refused it.
func (s *Source) Drop(settings vault.Settings, item vault.Item) {
	s.documents.drop(keyOf(settings.Complete(), item.Path), nil)
}

func (s *Source) document(ctx context.Context, settings vault.Settings, path string) (*document, error) {
	if err := settings.Check(); err != nil {
		return nil, unusable(err)
	}
	settings = settings.Complete()
	bounded, cancel := context.WithTimeout(ctx, settings.Timeout)
	defer cancel()
	found, err := s.documents.get(bounded, keyOf(settings, path), func() (*document, time.Duration, error) {
		read, size, err := s.read(bounded, settings, path)
		if err != nil || size > documentSize {
			return read, 0, err
		}
		return read, s.options.TTL, nil
	})
	if err != nil {
		return nil, explain(ctx, settings, err)
	}
	return found, nil
}

// read asks the vault. Where it denies a login of before, it may have ended early:
// that is logged in again, once.
func (s *Source) read(ctx context.Context, settings vault.Settings, path string) (*document, int, error) {
	used, opened, err := s.session(ctx, settings)
	if err != nil {
		return nil, 0, err
	}
	found, size, err := used.read(ctx, path)
	if !opened && settings.Auth == vault.AuthAppRole && isDenied(err) {
		s.sessions.drop(keyOf(settings), func(kept *session) bool { return kept == used })
		if used, _, err = s.session(ctx, settings); err != nil {
			return nil, 0, err
		}
		found, size, err = used.read(ctx, path)
	}
	return found, size, err
}

// keyOf returns the key of settings, and of more texts. Each is hashed with its
// length, so that no two lists give the same.
func keyOf(s vault.Settings, more ...string) key {
	hash := sha256.New()
	for _, text := range append([]string{
		s.Address, s.Namespace, s.Mount, string(s.Auth), s.Token.Reveal(), s.RoleID, s.SecretID.Reveal(), s.AuthMount, s.CA,
	}, more...) {
		_, _ = hash.Write([]byte(strconv.Itoa(len(text)) + ":" + text))
	}
	return key(hash.Sum(nil))
}

// place names a path for people.
func place(s vault.Settings, path string) string { return s.Complete().Mount + "/" + path }
