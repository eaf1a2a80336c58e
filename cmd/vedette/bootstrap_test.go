package main

import (
	"path/filepath"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store/sqlite"
)

func TestAStartMakesNoActivationKeyBesideThoseThereAre(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vedette.db"), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	start := func() string {
		t.Helper()
		key, err := ensureKey(t.Context(), db, now)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := start()
	if again := start(); first == "" || again != first {
		t.Errorf("the second start has key %q, the first %q", again, first)
	}
	disable := fleet.KeyChange{Disabled: new(true)}
	if _, err := db.UpdateActivationKey(t.Context(), 1, false, disable.Apply); err != nil {
		t.Fatal(err)
	}
	if key := start(); key != first {
		t.Errorf("with its only key disabled, a start has key %q, want %q", key, first)
	}
	other := fleet.ActivationKey{Key: "5d2f0000-0000-4000-8000-00000000b002", Type: fleet.KeyUnlimited, Created: now}
	if _, err := db.CreateActivationKey(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if key := start(); key != other.Key {
		t.Errorf("a start has key %q, want the one that may be used", key)
	}
	keys, err := db.ActivationKeys(t.Context())
	if err != nil || len(keys) != 2 {
		t.Errorf("there are %d keys, %v; want 2", len(keys), err)
	}
}
