package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

func testBootstrap(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("a new database has no subscription", func(t *testing.T) {
		t.Parallel()
		s := create(t)(t, time.Now)
		_, err := s.CustomerID(t.Context())
		wantCode(t, err, fault.NotFound)
		if err := s.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("the first subscription stays", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		stored := must(b.EnsureSubscription(t.Context(), "another", Start))(t)
		if read := must(b.CustomerID(t.Context()))(t); stored != CustomerID || read != CustomerID {
			t.Errorf("got %q and %q, want %q", stored, read, CustomerID)
		}
	})
	t.Run("the first site is as old as the subscription", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		must(b.EnsureSubscription(t.Context(), CustomerID, Start.Add(time.Hour)))(t)
		if sites := must(b.Sites(t.Context()))(t); len(sites) != 1 || !sites[0].Created.Equal(Start) {
			t.Errorf("sites are %+v", sites)
		}
	})
	t.Run("the system tag is made once", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		again := must(b.EnsureSystemTag(t.Context(), Start.Add(time.Hour)))(t)
		want := fleet.Tag{ID: again.ID, Name: "Cloud Agent", System: true, RuleType: fleet.RuleStatic, Created: Start}
		if diff := cmp.Diff(want, again); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("profiles come back as they were and are not changed by a second start", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		changed := Profiles()
		changed[0].Description, changed[0].Default = "other", false
		if err := b.EnsureSystemProfiles(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		b.reopen(t)
		for i, want := range Profiles() {
			want.ID = int64(i + 1)
			if diff := cmp.Diff(want, must(b.Profile(t.Context(), want.ID))(t)); diff != "" {
				t.Errorf("profile %s: %s", want.Name, diff)
			}
		}
		_, err := b.Profile(t.Context(), 99)
		wantCode(t, err, fault.NotFound)
	})
}

func testKeys(t *testing.T, create func(tb testing.TB) Database) {
	b := setup(t, create)
	ctx := t.Context()
	tag := must(b.EnsureSystemTag(ctx, Start))(t)
	expire := Start.AddDate(1, 0, 0)
	want := []fleet.ActivationKey{
		{Key: ActivationKey, Title: "Edge key", Type: fleet.KeyUnlimited, Modules: []fleet.Module{fleet.ModulePC, fleet.ModuleVM}},
		{Key: "counted", Title: "%_\\'\"", Type: fleet.KeyCountLimited, CountPurchased: 3},
		{Key: "timed", Type: fleet.KeyTimeLimited, ExpireDate: expire, Disabled: true},
		{Key: "both", Type: fleet.KeyCountTimeLimited, CountPurchased: 1, ExpireDate: expire, Tags: []qps.TagSimple{{ID: tag.ID, Name: tag.Name}}},
	}
	for i := range want {
		want[i].Created = Start
		if i > 0 {
			createKey(t, b.Store, want[i])
		}
		want[i].ID = int64(i + 1)
	}
	if diff := cmp.Diff(want, must(b.ActivationKeys(ctx))(t)); diff != "" {
		t.Error(diff)
	}
	_, err := b.CreateActivationKey(ctx, want[1])
	wantCode(t, err, fault.Conflict)
	_, err = b.CreateActivationKey(ctx, fleet.ActivationKey{Key: "untagged", Type: fleet.KeyUnlimited, Tags: []qps.TagSimple{{ID: 99}}, Created: Start})
	wantCode(t, err, fault.Invalid)
	if n := len(must(b.ActivationKeys(ctx))(t)); n != len(want) {
		t.Errorf("a refused key left something behind: %d keys, want %d", n, len(want))
	}
}
