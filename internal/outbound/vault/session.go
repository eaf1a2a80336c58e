package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/openbao/openbao/api/v2"

	"vedette.dev/vedette/internal/automation/vault"
	"vedette.dev/vedette/internal/hidden"
)

const (
	// A login is kept until a tenth before its end, and renewed in the last third.
	renewAfter, keepFor = 2.0 / 3, 9.0 / 10
	// endless is how long a login is kept that has no end, or of which that is not
	// known.
	endless = time.Hour
	// shortest is how long the shortest login is kept.
	shortest = time.Second
)

// session is a token that the vault takes, with what it is used through. It does
// not change.
type session struct {
	client    *api.Client
	mount     string
	renewable bool
	renewAt   time.Time // zero: never
}

// session returns a login that is kept, renewed when it is soon over, or a new
// one; opened says that it is new.
func (s *Source) session(ctx context.Context, settings vault.Settings) (used *session, opened bool, err error) {
	k := keyOf(settings)
	var old *session
	open := func() (*session, time.Duration, error) {
		opened = true
		return s.open(ctx, settings, old)
	}
	used, err = s.sessions.get(ctx, k, open)
	if err != nil || !used.renewable || s.options.Now().Before(used.renewAt) {
		return used, opened, err
	}
	old = used
	s.sessions.drop(k, func(kept *session) bool { return kept == old })
	used, err = s.sessions.get(ctx, k, open)
	return used, opened, err
}

// open renews an old login, or makes one.
func (s *Source) open(ctx context.Context, settings vault.Settings, old *session) (*session, time.Duration, error) {
	client, err := s.client(settings)
	if err != nil {
		return nil, 0, err
	}
	if old != nil {
		client.SetToken(old.client.Token())
		if renewed, err := client.Auth().Token().RenewSelfWithContext(ctx, 0); err == nil && renewed != nil && renewed.Auth != nil {
			return s.opened(client, settings, renewed.Auth.Renewable, seconds(renewed.Auth.LeaseDuration))
		}
	}
	if settings.Auth == vault.AuthToken {
		client.SetToken(settings.Token.Reveal())
		renewable, left := lookUp(ctx, client)
		return s.opened(client, settings, renewable && old == nil, left)
	}
	client.ClearToken()
	answer, err := client.Logical().WriteWithContext(ctx, "auth/"+settings.AuthMount+"/login", map[string]any{
		"role_id": settings.RoleID, "secret_id": settings.SecretID.Reveal(),
	})
	if err != nil {
		return nil, 0, &stepError{"log in by AppRole", err}
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return nil, 0, &stepError{"log in by AppRole", errNoToken}
	}
	client.SetToken(answer.Auth.ClientToken)
	return s.opened(client, settings, answer.Auth.Renewable, seconds(answer.Auth.LeaseDuration))
}

// opened returns a session and how long it is kept. A lease of zero has no end.
func (s *Source) opened(client *api.Client, settings vault.Settings, renewable bool, lease time.Duration) (*session, time.Duration, error) {
	made := &session{client: client, mount: settings.Mount}
	if lease <= 0 {
		return made, endless, nil
	}
	made.renewable = renewable
	made.renewAt = s.options.Now().Add(time.Duration(float64(lease) * renewAfter))
	return made, max(time.Duration(float64(lease)*keepFor), shortest), nil
}

// lookUp asks how long a token is valid. Not every token may ask that; it is then
// used as it is, and the vault says what it makes of it.
func lookUp(ctx context.Context, client *api.Client) (renewable bool, left time.Duration) {
	answer, err := client.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil || answer == nil {
		return false, 0
	}
	renewable, _ = answer.TokenIsRenewable()
	left, _ = answer.TokenTTL()
	return renewable, left
}

// read returns the newest version at a path, and the bytes of its fields.
func (x *session) read(ctx context.Context, path string) (*document, int, error) {
	found, err := x.client.KVv2(x.mount).Get(ctx, path)
	if err != nil {
		return nil, 0, &stepError{"read " + x.mount + "/" + path, err}
	}
	if found.VersionMetadata == nil || found.VersionMetadata.Version < 1 {
		return nil, 0, &stepError{"read " + x.mount + "/" + path, errNoDocument}
	}
	about := found.VersionMetadata
	if found.Data == nil {
		return nil, 0, &goneError{x.mount + "/" + path, about.Version, about.Destroyed}
	}
	read := &document{
		Document: vault.Document{Path: path, Version: about.Version, Created: about.CreatedTime, Fields: make(map[string]hidden.Text)},
		odd:      make(map[string]string),
	}
	size := 0
	for name, value := range found.Data {
		text, odd := plain(value)
		size += len(name) + len(text)
		if odd != "" {
			read.odd[name] = odd
		} else {
			read.Fields[name] = hidden.New(text)
		}
	}
	return read, size, nil
}

// plain returns the text of a value of JSON, or what it is instead.
func plain(value any) (text, odd string) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return "", "empty"
		}
		return v, ""
	case json.Number:
		return v.String(), ""
	case bool:
		return fmt.Sprint(v), ""
	case nil:
		return "", "null"
	case []any:
		return "", "a list"
	}
	return "", "an object"
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
