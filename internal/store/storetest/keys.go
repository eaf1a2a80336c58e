package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

// keyOf returns the key with this UUID.
func keyOf(tb testing.TB, s *store.Store, uuid string) fleet.ActivationKey {
	tb.Helper()
	for _, k := range must(s.ActivationKeys(tb.Context()))(tb) {
		if k.Key == uuid {
			return k
		}
	}
	tb.Fatalf("there is no key %s", uuid)
	return fleet.ActivationKey{}
}

// enrolWith makes the n-th host an agent with a key.
func enrolWith(tb testing.TB, s *store.Store, n int, key string) int64 {
	tb.Helper()
	e := enrolment(n)
	e.ActivationKey = key
	return must(s.EnrolAgent(tb.Context(), e))(tb).HostID
}

// update applies a change to the key with this UUID.
func update(tb testing.TB, s *store.Store, uuid string, c fleet.KeyChange) (fleet.ActivationKey, error) {
	tb.Helper()
	return s.UpdateActivationKey(tb.Context(), keyOf(tb, s, uuid).ID, c.OnAgents, c.Apply)
}

func testKeyChanges(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("an update keeps what it does not change and is read back", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		tags := MakeTags(t, b.Store, "Edge", "West")
		expire := Start.AddDate(0, 1, 0)
		made := createKey(t, b.Store, fleet.ActivationKey{
			Key: "k", Title: "old", Type: fleet.KeyCountLimited, CountPurchased: 3, Modules: []fleet.Module{fleet.ModuleVM}, Tags: []qps.TagSimple{{ID: tags[1]}},
		})
		enrolWith(t, b.Store, 1, "k")
		timed := fleet.KeyCountTimeLimited
		got := must(update(t, b.Store, "k", fleet.KeyChange{
			Type: &timed, ExpireDate: &expire, Disabled: new(true), Tags: fleet.KeyList[qps.TagSimple]{Add: []qps.TagSimple{{Name: "Edge"}, {ID: tags[0]}}},
		}))(t)
		want := fleet.ActivationKey{
			ID: made.ID, Key: "k", Title: "old", Type: timed, CountPurchased: 3, CountUsed: 1, ExpireDate: expire, Disabled: true,
			Modules: []fleet.Module{fleet.ModuleVM}, Tags: []qps.TagSimple{{ID: tags[0], Name: "Edge"}, {ID: tags[1], Name: "West"}}, Created: Start,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, must(b.ActivationKey(t.Context(), made.ID))(t)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})
	t.Run("what is wrong with an update leaves the key as it was", func(t *testing.T) {
		t.Parallel()
		testRefusedKeyUpdates(t, setup(t, create))
	})
	t.Run("modules without an engine are licensed and not activated", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		createKey(t, b.Store, fleet.ActivationKey{Key: "k", Type: fleet.KeyUnlimited, Modules: []fleet.Module{"AGENT_FIM", fleet.ModuleVM}})
		host := must(b.Host(t.Context(), fleet.WholeFleet(), enrolWith(t, b.Store, 1, "k")))(t)
		if diff := cmp.Diff([]string{"AGENT_VM"}, host.AgentInfo.ActivatedModules); diff != "" {
			t.Errorf("activated (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]fleet.Module{"AGENT_FIM", fleet.ModuleVM}, keyOf(t, b.Store, "k").Modules); diff != "" {
			t.Errorf("licensed (-want +got):\n%s", diff)
		}
	})
	t.Run("agents go on when their key is disabled, expires or is deleted", func(t *testing.T) {
		t.Parallel()
		testAgentsOutliveTheirKey(t, setup(t, create))
	})
}

// makeNamesakes makes two tags of one name, one below the other.
func makeNamesakes(tb testing.TB, s *store.Store, name string) {
	tb.Helper()
	parent := MakeTags(tb, s, name)[0]
	err := s.InTx(tb.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(tb.Context(), "INSERT INTO tags (name, system, created, parent_id) VALUES (?, ?, 0, ?)", name, false, parent)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func testRefusedKeyUpdates(t *testing.T, b *bundle) {
	makeNamesakes(t, b.Store, "Twice")
	createKey(t, b.Store, fleet.ActivationKey{Key: "k", Title: "kept", Type: fleet.KeyUnlimited})
	tag := func(s qps.TagSimple) fleet.KeyChange {
		return fleet.KeyChange{Title: new("changed"), Tags: fleet.KeyList[qps.TagSimple]{Set: []qps.TagSimple{s}}}
	}
	for _, tc := range []struct {
		name    string
		change  fleet.KeyChange
		message string
	}{
		{"unknown id", tag(qps.TagSimple{ID: 4711, Name: "Twice"}), "tags: there is no tag with the id 4711."},
		{"unknown name", tag(qps.TagSimple{Name: "twice"}), "tags: there is no tag with the name 'twice'."},
		{"ambiguous name", tag(qps.TagSimple{Name: "Twice"}), "tags: 2 tags have the name 'Twice'."},
		{"title with NUL", fleet.KeyChange{Title: new("a\x00")}, "title \"a\\x00\" contains a NUL character"},
	} {
		_, err := update(t, b.Store, "k", tc.change)
		wantCode(t, err, fault.Invalid)
		if got := messageOf(err); got != tc.message {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.message)
		}
	}
	if k := keyOf(t, b.Store, "k"); k.Title != "kept" || k.Tags != nil {
		t.Errorf("a refused update left %+v", k)
	}
	_, err := b.UpdateActivationKey(t.Context(), 4711, false, fleet.KeyChange{}.Apply)
	wantCode(t, err, fault.NotFound)
	_, err = b.ActivationKey(t.Context(), 4711)
	wantCode(t, err, fault.NotFound)
	wantCode(t, b.DeleteActivationKey(t.Context(), 4711), fault.NotFound)
}

func testAgentsOutliveTheirKey(t *testing.T, b *bundle) {
	createKey(t, b.Store, fleet.ActivationKey{Key: "k", Type: fleet.KeyTimeLimited, ExpireDate: Start.AddDate(1, 0, 0)})
	host := enrolWith(t, b.Store, 1, "k")
	for _, c := range []fleet.KeyChange{{Disabled: new(true)}, {Disabled: new(false), ExpireDate: new(Start)}} {
		must(update(t, b.Store, "k", c))(t)
		e := enrolment(2)
		e.ActivationKey = "k"
		_, err := b.EnrolAgent(t.Context(), e)
		wantCode(t, err, fault.Forbidden)
		// The same public key: a provisioned agent that asks again.
		if again := enrolWith(t, b.Store, 1, "k"); again != host {
			t.Errorf("a provisioned agent became host %d, it was %d", again, host)
		}
	}
	if err := b.DeleteActivationKey(t.Context(), keyOf(t, b.Store, "k").ID); err != nil {
		t.Fatal(err)
	}
	if info := must(b.Host(t.Context(), fleet.WholeFleet(), host))(t).AgentInfo; info == nil || info.ActivationKey != (qps.ActivationKeyRef{}) {
		t.Errorf("after its key was deleted, the agent is %+v", info)
	}
	must(b.AgentState(t.Context(), AgentID(1)))(t)
	if removed := must(b.RemoveAgents(t.Context(), fleet.Removal{HostIDs: []int64{host}, At: Start}))(t); len(removed) != 1 {
		t.Errorf("removed %v, want the agent without a key", removed)
	}
}

func testKeyMoves(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("units move with the agents", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		createKey(t, b.Store, fleet.ActivationKey{Key: "other", Title: "Other", Type: fleet.KeyUnlimited})
		createKey(t, b.Store, fleet.ActivationKey{Key: "two", Title: "Two", Type: fleet.KeyCountLimited, CountPurchased: 2})
		one, two, three := enrol(t, b.Store, 1).HostID, enrolWith(t, b.Store, 2, "other"), enrolWith(t, b.Store, 3, "two")
		// Three is there already and needs no unit; four stays.
		enrol(t, b.Store, 4)
		_, err := b.MoveAgents(t.Context(), fleet.WholeFleet(), "two", idIn(one, two, three), 10, Start)
		wantCode(t, err, fault.Conflict)
		wantUnits(t, b, map[string]int{ActivationKey: 2, "other": 1, "two": 1})
		must(update(t, b.Store, "two", fleet.KeyChange{CountPurchased: new(int64(3))}))(t)
		if n := must(b.MoveAgents(t.Context(), fleet.WholeFleet(), "two", idIn(one, two, three), 10, Start))(t); n != 3 {
			t.Errorf("%d agents met the conditions, want 3", n)
		}
		wantUnits(t, b, map[string]int{ActivationKey: 1, "other": 0, "two": 3})
		if got := must(b.Host(t.Context(), fleet.WholeFleet(), one))(t).AgentInfo.ActivationKey; got != (qps.ActivationKeyRef{ActivationID: "two", Title: "Two"}) {
			t.Errorf("the agent shows key %+v", got)
		}
		if removed := must(b.RemoveAgents(t.Context(), fleet.Removal{HostIDs: []int64{one}, At: Start}))(t); len(removed) != 1 {
			t.Fatalf("removed %v", removed)
		}
		wantUnits(t, b, map[string]int{ActivationKey: 1, "other": 0, "two": 2})
		enrolWith(t, b.Store, 9, "two") // the unit is free again
	})
	t.Run("a key that cannot take them all takes none", func(t *testing.T) {
		t.Parallel()
		testRefusedMoves(t, setup(t, create))
	})
	t.Run("enrolments and moves never exceed a limit", func(t *testing.T) {
		t.Parallel()
		testMoveRace(t, setup(t, create))
	})
}

func idIn(ids ...int64) []fleet.Condition {
	return []fleet.Condition{{Field: fleet.FieldID, Operator: qps.OpIn, Ints: ids}}
}

// wantUnits compares how many units of each key are used, and that as many
// agents have it.
func wantUnits(t *testing.T, b *bundle, want map[string]int) {
	t.Helper()
	used, agents := make(map[string]int), make(map[string]int)
	for _, k := range must(b.ActivationKeys(t.Context()))(t) {
		used[k.Key] = k.CountUsed
		agents[k.Key] = int(must(b.CountHosts(t.Context(), fleet.WholeFleet(), conditions(t, "activationKey", qps.OpEquals, k.Key)))(t))
	}
	if diff := cmp.Diff(want, used); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, agents); diff != "" {
		t.Errorf("agents (-want +got):\n%s", diff)
	}
}

func testRefusedMoves(t *testing.T, b *bundle) {
	createKey(t, b.Store, fleet.ActivationKey{Key: "disabled", Type: fleet.KeyUnlimited, Disabled: true})
	createKey(t, b.Store, fleet.ActivationKey{Key: "expired", Type: fleet.KeyTimeLimited, ExpireDate: Start})
	createKey(t, b.Store, fleet.ActivationKey{Key: "one", Type: fleet.KeyCountLimited, CountPurchased: 1})
	first, second := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	for key, want := range map[string]struct {
		code    fault.Code
		message string
	}{
		"disabled": {fault.Conflict, "is disabled"},
		"expired":  {fault.Conflict, "expired at "},
		"one":      {fault.Conflict, "has only 1 of its 1 units left; it cannot take 2 agents, and none was changed."},
		"unknown":  {fault.NotFound, "there is no activation key"},
		"nul\x00":  {fault.NotFound, "there is no activation key"},
	} {
		_, err := b.MoveAgents(t.Context(), fleet.WholeFleet(), key, idIn(first, second), 10, Start)
		wantCode(t, err, want.code)
		if got := messageOf(err); !strings.Contains(got, want.message) {
			t.Errorf("key %q: got %q, want %q", key, got, want.message)
		}
	}
	_, err := b.MoveAgents(t.Context(), fleet.WholeFleet(), "one", idIn(first, second), 1, Start)
	wantCode(t, err, fault.TooLarge)
	if n := must(b.MoveAgents(t.Context(), fleet.WholeFleet(), "disabled", idIn(4711), 1, Start))(t); n != 0 {
		t.Errorf("%d agents met a condition that no agent meets", n)
	}
	wantUnits(t, b, map[string]int{ActivationKey: 2, "disabled": 0, "expired": 0, "one": 0})
}

// testMoveRace lets hosts enrol with a key, and agents of another be moved to it,
// while it has fewer units than there are of both.
func testMoveRace(t *testing.T, b *bundle) {
	const units, each = 5, 5
	createKey(t, b.Store, fleet.ActivationKey{Key: "few", Type: fleet.KeyCountLimited, CountPurchased: units})
	var hosts []int64
	for i := range each {
		hosts = append(hosts, enrol(t, b.Store, i).HostID)
	}
	errs := make([]error, 2*each)
	var wait sync.WaitGroup
	for i := range each {
		wait.Go(func() {
			e := enrolment(100 + i)
			e.ActivationKey = "few"
			_, errs[i] = b.EnrolAgent(t.Context(), e)
		})
		wait.Go(func() {
			_, errs[each+i] = b.MoveAgents(t.Context(), fleet.WholeFleet(), "few", idIn(hosts[i]), 1, Start)
		})
	}
	wait.Wait()
	taken := 0
	for _, err := range errs {
		switch {
		case err == nil:
			taken++
		case !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.Conflict):
			t.Error(err)
		}
	}
	if taken != units {
		t.Errorf("%d were let in, want %d", taken, units)
	}
	if k := keyOf(t, b.Store, "few"); k.CountUsed != units {
		t.Errorf("%d units are used, want %d", k.CountUsed, units)
	}
}

func testKeyPushes(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("agents of the key get what it has and lose what it had", func(t *testing.T) {
		t.Parallel()
		testPush(t, setup(t, create))
	})
	t.Run("a push that was cut off is finished", func(t *testing.T) {
		t.Parallel()
		testResumedPush(t, setup(t, create))
	})
	t.Run("more agents than one step changes", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		MakeTags(t, b.Store, "Pushed")
		const agents = 410
		for i := range agents {
			enrol(t, b.Store, i)
		}
		must(update(t, b.Store, ActivationKey, fleet.KeyChange{OnAgents: true, Tags: fleet.KeyList[qps.TagSimple]{Add: []qps.TagSimple{{Name: "Pushed"}}}}))(t)
		if n := must(b.CountHosts(t.Context(), fleet.WholeFleet(), conditions(t, "tagName", qps.OpEquals, "Pushed")))(t); n != agents {
			t.Errorf("%d agents have the tag, want %d", n, agents)
		}
	})
}

func testPush(t *testing.T, b *bundle) {
	tags := MakeTags(t, b.Store, "Old", "Own", "New")
	createKey(t, b.Store, fleet.ActivationKey{
		Key: "k", Type: fleet.KeyUnlimited, Tags: []qps.TagSimple{{ID: tags[0]}}, Modules: []fleet.Module{fleet.ModuleVM, fleet.ModulePC},
	})
	mine, foreign := enrolWith(t, b.Store, 1, "k"), enrol(t, b.Store, 2).HostID
	before := must(b.Host(t.Context(), fleet.WholeFleet(), foreign))(t)
	tagHost(t, b.Store, mine, tags[1])
	change := fleet.KeyChange{
		Tags:    fleet.KeyList[qps.TagSimple]{Set: []qps.TagSimple{{Name: "New"}, {Name: fleet.SystemTag}}},
		Modules: fleet.KeyList[fleet.Module]{Set: []fleet.Module{fleet.ModuleSCA, "AGENT_FIM"}},
	}
	must(update(t, b.Store, "k", change))(t)
	wantAgent(t, b, mine, []string{fleet.SystemTag, "Old", "Own"}, []string{"AGENT_PC", "AGENT_VM"})

	// The key as it is now is the base: applying takes nothing more off.
	change.OnAgents = true
	must(update(t, b.Store, "k", change))(t)
	wantAgent(t, b, mine, []string{fleet.SystemTag, "Old", "Own", "New"}, []string{"AGENT_SCA", "AGENT_VM"})

	change.Tags.Set, change.Modules.Set = []qps.TagSimple{{Name: "Old"}}, []fleet.Module{fleet.ModuleVM}
	must(update(t, b.Store, "k", change))(t)
	wantAgent(t, b, mine, []string{fleet.SystemTag, "Old", "Own"}, []string{"AGENT_VM"})
	if diff := cmp.Diff(before, must(b.Host(t.Context(), fleet.WholeFleet(), foreign))(t)); diff != "" {
		t.Errorf("an agent of another key changed:\n%s", diff)
	}
}

func tagHost(tb testing.TB, s *store.Store, host, tag int64) {
	tb.Helper()
	err := s.InTx(tb.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(tb.Context(), "INSERT INTO host_tags (tag_id, host_id) VALUES (?, ?)", tag, host)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func wantAgent(t *testing.T, b *bundle, host int64, tags, modules []string) {
	t.Helper()
	got := must(b.Host(t.Context(), fleet.WholeFleet(), host))(t)
	var names []string
	for _, tag := range got.Tags {
		names = append(names, tag.Name)
	}
	if diff := cmp.Diff(tags, names); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(modules, got.AgentInfo.ActivatedModules); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}

// testResumedPush leaves a push as a process does that ended in the middle of it.
func testResumedPush(t *testing.T, b *bundle) {
	MakeTags(t, b.Store, "Pushed")
	done, open := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	must(update(t, b.Store, ActivationKey, fleet.KeyChange{Tags: fleet.KeyList[qps.TagSimple]{Add: []qps.TagSimple{{Name: "Pushed"}}}}))(t)
	k := keyOf(t, b.Store, ActivationKey)
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO activation_key_pushes (key_id, change, after_host) VALUES (?, ?, ?)`,
			k.ID, fmt.Sprintf(`{"tag":[%d],"deactivate":["AGENT_PC"]}`, k.Tags[0].ID), done)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := b.ResumeKeyPushes(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantAgent(t, b, done, []string{fleet.SystemTag}, []string{"AGENT_PC", "AGENT_VM"})
	wantAgent(t, b, open, []string{fleet.SystemTag, "Pushed"}, []string{"AGENT_VM"})
}
