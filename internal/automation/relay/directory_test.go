package relay_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
)

var start = time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)

// memory keeps relays in memory.
type memory struct {
	relays  []relay.Relay
	digests map[int64][]byte
	broken  error
}

var errNotFound = fault.New(fault.NotFound, "There is none.", "")

func (m *memory) Relays(context.Context) ([]relay.Relay, error) { return m.relays, m.broken }

func (m *memory) Relay(_ context.Context, id int64) (relay.Relay, error) {
	for _, r := range m.relays {
		if r.ID == id {
			return r, nil
		}
	}
	return relay.Relay{}, errNotFound
}

func (m *memory) CreateRelay(_ context.Context, r relay.Relay, site string, digest []byte) (relay.Relay, error) {
	r.SiteName, r.ID, r.Generation = site, int64(len(m.relays)+1), 1
	m.relays = append(m.relays, r)
	m.digests[r.ID] = digest
	return r, nil
}

func (m *memory) SetRelayToken(_ context.Context, id int64, digest []byte, at time.Time) (relay.Relay, error) {
	for i := range m.relays {
		if m.relays[i].ID == id {
			m.relays[i].Generation++
			m.relays[i].TokenChanged = at
			m.digests[id] = digest
			return m.relays[i], nil
		}
	}
	return relay.Relay{}, errNotFound
}

func (m *memory) DeleteRelay(_ context.Context, id int64) error {
	m.relays = slices.DeleteFunc(m.relays, func(r relay.Relay) bool { return r.ID == id })
	delete(m.digests, id)
	return nil
}

func (m *memory) RelayOfToken(ctx context.Context, digest []byte) (relay.Relay, error) {
	for id, d := range m.digests {
		if bytes.Equal(d, digest) {
			return m.Relay(ctx, id)
		}
	}
	return relay.Relay{}, errors.Join(m.broken, errNotFound)
}

// directory returns a directory and the ids of the relays whose tokens ended.
func directory() (d *relay.Directory, m *memory, ended *[]int64) {
	m, ended = &memory{digests: map[int64][]byte{}}, new([]int64)
	return &relay.Directory{Relays: m, Now: func() time.Time { return start }, Ended: func(id int64) { *ended = append(*ended, id) }}, m, ended
}

func TestATokenIsShownOnceAndStoredAsADigest(t *testing.T) {
	t.Parallel()
	d, m, _ := directory()
	r, token, err := d.Register(t.Context(), "plant-1", "Plant in Graz", "")
	if err != nil || r.Name != "plant-1" || r.Description != "Plant in Graz" || !r.Created.Equal(start) {
		t.Fatalf("registered %+v: %v", r, err)
	}
	if !strings.HasPrefix(token, relay.TokenPrefix) || len(token) < 40 {
		t.Errorf("the token is %q", token)
	}
	if stored := m.digests[r.ID]; len(stored) != 32 || bytes.Contains(stored, []byte(token)) {
		t.Errorf("stored is %q", stored)
	}
	if _, again, err := d.Register(t.Context(), "plant-2", "", ""); err != nil || again == token {
		t.Errorf("the second token is %q as well: %v", again, err)
	}
	if admitted, err := d.Admit(t.Context(), token); err != nil || admitted.ID != r.ID {
		t.Errorf("admitted %+v: %v", admitted, err)
	}
}

func TestATokenEndsWithTheNextOneWithRevocationAndWithItsRelay(t *testing.T) {
	t.Parallel()
	d, _, ended := directory()
	r, first, err := d.Register(t.Context(), "plant", "", "")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(token string) {
		t.Helper()
		if _, err := d.Admit(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("admitted: %v", err)
		}
	}
	_, second, err := d.Rotate(t.Context(), "plant")
	if err != nil || second == first {
		t.Fatalf("rotated: %v", err)
	}
	refused(first)
	if admitted, err := d.Admit(t.Context(), second); err != nil || admitted.ID != r.ID {
		t.Errorf("admitted %+v: %v", admitted, err)
	}
	if _, err := d.Revoke(t.Context(), "1"); err != nil { // by its id
		t.Fatal(err)
	}
	refused(second)
	_, third, err := d.Rotate(t.Context(), "plant")
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := d.Delete(t.Context(), "plant"); err != nil || gone.Name != "plant" {
		t.Errorf("deleted %+v: %v", gone, err)
	}
	refused(third)
	if !slices.Equal(*ended, []int64{r.ID, r.ID, r.ID, r.ID}) {
		t.Errorf("tokens ended of %v", *ended)
	}
	for _, call := range []func() error{
		func() error { _, _, err := d.Rotate(t.Context(), "plant"); return err },
		func() error { _, err := d.Revoke(t.Context(), "plant"); return err },
		func() error { _, err := d.Delete(t.Context(), "7"); return err },
	} {
		if err := call(); !fault.Is(err, fault.NotFound) {
			t.Errorf("of a relay that there is not: %v", err)
		}
	}
	if len(*ended) != 4 {
		t.Error("a token of nobody ended")
	}
}

func TestWhatIsNoTokenIsRefusedUnseen(t *testing.T) {
	t.Parallel()
	d, m, _ := directory()
	m.broken = errors.New("the database is gone")
	for _, token := range []string{"", "vdt_" + strings.Repeat("a", 43), relay.TokenPrefix + strings.Repeat("a", 4096)} {
		if _, err := d.Admit(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%.20q: %v", token, err)
		}
	}
	d.Relays = brokenRelays{m}
	if _, err := d.Admit(t.Context(), relay.TokenPrefix+strings.Repeat("a", 43)); err == nil || fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a database that fails is taken for a wrong token: %v", err)
	}
}

type brokenRelays struct{ *memory }

func (b brokenRelays) RelayOfToken(context.Context, []byte) (relay.Relay, error) {
	return relay.Relay{}, b.broken
}

func TestNamesAndDescriptionsAreChecked(t *testing.T) {
	t.Parallel()
	d, m, _ := directory()
	for _, name := range []string{"", "channel", "7", "0042", "-plant", "plant one", "plant/1", "plänt", strings.Repeat("a", 64), "plant\n"} {
		if _, _, err := d.Register(t.Context(), name, "", ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, text := range []string{strings.Repeat("a", 1001), "two\nlines", "\xff"} {
		if _, _, err := d.Register(t.Context(), "plant", text, ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("description %.20q: %v", text, err)
		}
	}
	if len(m.relays) != 0 {
		t.Errorf("%d relays were made", len(m.relays))
	}
	_, _, _ = d.Register(t.Context(), "plant", "", "")
	_, err := d.Find(t.Context(), "plnat")
	if missing, ok := errors.AsType[*fault.Error](err); !ok || missing.Code != fault.NotFound || !strings.Contains(missing.Resolution, "plant") {
		t.Errorf("a name that there is not: %v", err)
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err       interface{ NextStep() string }
		says, can string
	}{
		{&relay.OfflineError{Name: "plant"}, "relay plant is offline: it has never been connected", "vedette relay"},
		{&relay.OfflineError{Name: "plant", LastSeen: start}, "relay plant is offline: it was last seen at 2031-04-01T06:00:00Z", "see its log"},
		{&relay.OfflineError{Name: "plant", Revoked: true}, "its token was revoked", "vedette relays rotate plant"},
		{&relay.OfflineError{Name: "plant", Elsewhere: true}, "another replica", "--url for each replica"},
		{&relay.RefusedError{Name: "plant", Target: "db:5432"}, "db:5432 is not on the allow-list of the connection", "allow-list of the connection"},
		{&relay.RefusedError{Name: "plant", Target: "db:5432", ByRelay: true}, "relay plant refuses the target db:5432", "--allow db:5432"},
	} {
		if text := tc.err.(error).Error(); !strings.Contains(text, tc.says) || !strings.Contains(tc.err.NextStep(), tc.can) {
			t.Errorf("%s / %s", text, tc.err.NextStep())
		}
	}
}
