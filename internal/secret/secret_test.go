package secret

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

var place = Label{Kind: "aws_auth_record", ID: 7, Field: "secret_key"}

func newKeyset(t *testing.T) *Keyset {
	t.Helper()
	k, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t *testing.T, k *Keyset, l Label, value string) []byte {
	t.Helper()
	sealed, err := k.Seal(l, value)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpen(t *testing.T, k *Keyset, l Label, sealed []byte, want string) {
	t.Helper()
	if got, err := k.Open(l, sealed); err != nil || got != want {
		t.Errorf("opened %q, %v; want %q", got, err, want)
	}
}

func envelope(t *testing.T, lines ...string) *Envelope {
	t.Helper()
	e, err := ParseEnvelope([]byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAValueOpensOnlyInItsPlace(t *testing.T) {
	t.Parallel()
	k := newKeyset(t)
	sealed := seal(t, k, place, "wJalrXUtnFEMI")
	if bytes.Contains(sealed, []byte("wJalr")) {
		t.Error("the sealed value shows the plain one")
	}
	wantOpen(t, k, place, sealed, "wJalrXUtnFEMI")
	for _, other := range []Label{{"aws_auth_record", 8, "secret_key"}, {"aws_auth_record", 7, "access_key_id"}, {"aws_base_account", 7, "secret_key"}} {
		if got, err := k.Open(other, sealed); err == nil {
			t.Errorf("as %s it opened to %q", other, got)
		}
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := k.Open(place, sealed); err == nil {
		t.Error("a changed value opened")
	}
	if _, err := newKeyset(t).Open(place, seal(t, k, place, "x")); err == nil {
		t.Error("another keyset opened it")
	}
}

func TestOldKeysOpenUntilTheyAreDropped(t *testing.T) {
	t.Parallel()
	before := newKeyset(t)
	old := seal(t, before, place, "kept")
	after, err := before.Rotated()
	if err != nil {
		t.Fatal(err)
	}
	fresh := seal(t, after, place, "fresh")
	if id, err := KeyID(fresh); err != nil || id != after.Primary() || id == before.Primary() {
		t.Errorf("sealed with key %d, %v; want the new primary %d", id, err, after.Primary())
	}
	if id, err := KeyID(old); err != nil || id != before.Primary() {
		t.Errorf("the old value names key %d, %v; want %d", id, err, before.Primary())
	}
	wantOpen(t, after, place, old, "kept")
	for _, used := range [][]uint32{{before.Primary()}, nil} {
		kept, err := after.Retaining(used)
		if err != nil {
			t.Fatal(err)
		}
		wantOpen(t, kept, place, fresh, "fresh")
		_, err = kept.Open(place, old)
		if (err == nil) != slices.Contains(used, before.Primary()) {
			t.Errorf("with keys %v in use the old value opens with %v", used, err)
		}
	}
}

func TestAKeysetOpensWithEveryKeyOfItsEnvelope(t *testing.T) {
	t.Parallel()
	old, next := NewEnvelopeKey(), NewEnvelopeKey()
	k := newKeyset(t)
	sealed := seal(t, k, place, "v")
	wrapped, err := k.Wrap(envelope(t, old))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*Envelope{envelope(t, old), envelope(t, "# keys\n", next, "\n", old)} {
		same, err := Unwrap(e, wrapped)
		if err != nil {
			t.Fatal(err)
		}
		wantOpen(t, same, place, sealed, "v")
		if same.Primary() != k.Primary() {
			t.Errorf("primary %d became %d", k.Primary(), same.Primary())
		}
	}
	if _, err := Unwrap(envelope(t, next), wrapped); !errors.Is(err, ErrEnvelope) {
		t.Errorf("another envelope gives %v, want ErrEnvelope", err)
	}
}

func TestWrongEnvelopeKeysAreRefusedWithoutShowingThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "there are 0 keys",
		"# nothing\n":                   "there are 0 keys",
		"hunter2":                       "line 1 is not 32 bytes in base64",
		NewEnvelopeKey() + "c2hvcnQ=\n": "line 2 is not 32 bytes in base64",
		strings.Repeat(NewEnvelopeKey(), maxEnvelopeKeys+1): "there are 17 keys",
	} {
		_, err := ParseEnvelope([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
