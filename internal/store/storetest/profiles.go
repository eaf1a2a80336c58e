package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

func testProfiles(t *testing.T, create func(tb testing.TB) Database) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, b *bundle)
	}{
		{"a new profile goes last and is read back with its tags", testCreateProfile},
		{"a profile that cannot be stored leaves nothing behind", testRefusedProfiles},
		{"there is one default profile", testDefaultProfile},
		{"a profile that moves moves those between", testProfilePriorities},
		{"an update that fails changes nothing", testFailedProfileUpdate},
		{"a deleted profile is gone at once and its row after its last agent", testDeleteProfile},
		{"a new agent gets the profile of its tags", testProfileOfEnrolment},
		{"a changed rule reaches every agent it is about", testRuleRollout},
		{"changed content reaches the agents of the profile", testContentRollout},
		{"a rollout goes on after a restart", testRolloutRestart},
		{"changes that follow one another are rolled out once", testRolloutPlans},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, setup(t, create))
		})
	}
}

func profile(name string, include ...fleet.TagRef) fleet.Profile {
	return fleet.Profile{
		Name: name, Include: fleet.ProfileTags{Tags: include}, TagSetUUID: "f5edf058-0000-4000-8000-00000000000a", CreatedBy: "Ada O'Neil",
		Performance: performance.Settings{"CPU_LIMIT": "15"}, Created: Start,
	}
}

// rollOut takes steps of a few agents until nothing waits, and returns how many
// agents got something new.
func rollOut(tb testing.TB, s *store.Store) int {
	tb.Helper()
	told := 0
	for range 1000 {
		step := must(s.RolloutProfiles(tb.Context(), 2))(tb)
		if !step.Waiting {
			return told
		}
		told += step.Told
	}
	tb.Fatal("the rollout never ends")
	return 0
}

// profileState is what an agent has.
type profileState struct{ Profile, Version int64 }

func stateOf(tb testing.TB, s *store.Store, n int) profileState {
	tb.Helper()
	a := must(s.AgentState(tb.Context(), AgentID(n)))(tb)
	return profileState{a.ProfileID, a.ProfileVersion}
}

// tagAgents puts a tag on hosts behind the back of the store.
func tagAgents(tb testing.TB, s *store.Store, tagID int64, hosts ...int64) {
	tb.Helper()
	err := s.InTx(tb.Context(), func(tx *store.Tx) error {
		for _, host := range hosts {
			if _, err := tx.Exec(tb.Context(), "INSERT INTO host_tags (tag_id, host_id) VALUES (?, ?)", tagID, host); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// order returns the names of the profiles in ascending priority, which has no
// gaps.
func order(tb testing.TB, s *store.Store) []string {
	tb.Helper()
	profiles := must(s.Profiles(tb.Context()))(tb)
	names := make([]string, len(profiles))
	for _, p := range profiles {
		if p.Priority < 1 || p.Priority > len(names) || names[p.Priority-1] != "" {
			tb.Fatalf("profile %q has priority %d of %d", p.Name, p.Priority, len(names))
		}
		names[p.Priority-1] = p.Name
	}
	return names
}

func testCreateProfile(t *testing.T, b *bundle) {
	tags := MakeTags(t, b.Store, "Edge", "Lab")
	want := profile("Edge profile", fleet.TagRef{Name: "Lab"}, fleet.TagRef{ID: tags[0], Name: "whatever"}, fleet.TagRef{ID: tags[0]})
	want.Include.All, want.Exclude = true, fleet.ProfileTags{All: true}
	want.Description, want.SuspendScanning, want.PreventAgentUpdate, want.InMemoryDB = "%_'\"", true, true, true
	want.Performance["FUTURE_KEY"] = "beyond"
	want.Blackout = []agentwire.Blackout{{StartHour: 22, EndHour: 0, Days: [7]bool{1: true}}}
	want.Schedules = map[agentwire.Module]agentwire.Schedule{
		agentwire.ModuleInventory: {Interval: 28_800, Delay: 600, Randomize: 3600}, agentwire.ModulePC: {Interval: 14_400, Delay: 1},
	}
	created := must(b.CreateProfile(t.Context(), want))(t)
	want.ID, want.Priority = 3, 3
	want.Include.Tags = []fleet.TagRef{{ID: tags[0], Name: "Edge"}, {ID: tags[1], Name: "Lab"}}
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	b.reopen(t)
	if diff := cmp.Diff(want, must(b.Profiles(t.Context()))(t)[2]); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	excluding := profile("Second")
	excluding.Exclude = fleet.ProfileTags{Tags: []fleet.TagRef{{ID: tags[1]}}}
	second := must(b.CreateProfile(t.Context(), excluding))(t)
	if second.Priority != 4 || second.Exclude.Tags[0].Name != "Lab" {
		t.Errorf("got %+v", second)
	}
}

func testRefusedProfiles(t *testing.T, b *bundle) {
	tags := MakeTags(t, b.Store, "Edge", "Twin")
	// Names are unique below one parent only.
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO tags (name, system, created, parent_id) VALUES ('Twin', ?, 0, ?)", false, tags[0])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	both := profile("x", fleet.TagRef{ID: tags[0]})
	both.Exclude.Tags = []fleet.TagRef{{Name: "Edge"}}
	for _, c := range []struct {
		profile fleet.Profile
		code    fault.Code
		says    string
	}{
		{profile("Normal"), fault.Conflict, "there is a configuration profile 'Normal' already"},
		{profile("x", fleet.TagRef{ID: 99, Name: "Tag1"}), fault.Invalid, "there is no tag 99 ('Tag1')"},
		{profile("x", fleet.TagRef{Name: "edge"}), fault.Invalid, "there is no tag with the name 'edge'"},
		{profile("x", fleet.TagRef{Name: "nul\x00"}), fault.Invalid, "there is no tag with the name"},
		{profile("x", fleet.TagRef{Name: "Twin"}), fault.Invalid, "there are several tags with the name 'Twin'"},
		{both, fault.Invalid, "tag 'Edge' is in includeTags as well"},
	} {
		c.profile.Default = true
		_, err := b.CreateProfile(t.Context(), c.profile)
		wantCode(t, err, c.code)
		if got := messageOf(err); !strings.Contains(got, c.says) {
			t.Errorf("got %q, want %q", got, c.says)
		}
	}
	if diff := cmp.Diff([]string{"Normal", "Low"}, order(t, b.Store)); diff != "" {
		t.Error(diff)
	}
	if !must(b.Profile(t.Context(), 1))(t).Default {
		t.Error("a refused profile took the place of the default one")
	}
}

func testDefaultProfile(t *testing.T, b *bundle) {
	enrol(t, b.Store, 1)
	p := profile("New default")
	p.Default = true
	p = must(b.CreateProfile(t.Context(), p))(t)
	defaults := func() (ids []int64) {
		for _, p := range must(b.Profiles(t.Context()))(t) {
			if p.Default {
				ids = append(ids, p.ID)
			}
		}
		return ids
	}
	if got := defaults(); !slices.Equal(got, []int64{p.ID}) {
		t.Errorf("default profiles are %v, want %d", got, p.ID)
	}
	rollOut(t, b.Store)
	if got := stateOf(t, b.Store, 1); got != (profileState{p.ID, 2}) {
		t.Errorf("the agent has %+v, want the new default", got)
	}
	// The next start finds another default profile than the system's.
	if err := b.EnsureSystemProfiles(t.Context(), Profiles()); err != nil {
		t.Fatal(err)
	}
	if got := defaults(); !slices.Equal(got, []int64{p.ID}) {
		t.Errorf("after a start, default profiles are %v, want %d", got, p.ID)
	}
	must(b.UpdateProfile(t.Context(), 2, func(p *fleet.Profile) error { p.Default = true; return nil }))(t)
	if got := defaults(); !slices.Equal(got, []int64{2}) {
		t.Errorf("default profiles are %v, want 2", got)
	}
}

func testProfilePriorities(t *testing.T, b *bundle) {
	ids := map[string]int64{}
	for _, name := range []string{"a", "b", "c"} {
		ids[name] = must(b.CreateProfile(t.Context(), profile(name)))(t).ID
	}
	move := func(id int64, position int) error {
		_, err := b.UpdateProfile(t.Context(), id, func(p *fleet.Profile) error { p.Priority = position; return nil })
		return err
	}
	for _, step := range []struct {
		name     string
		position int
		want     []string
	}{
		{"c", 1, []string{"c", "Normal", "Low", "a", "b"}},
		{"c", 3, []string{"Normal", "Low", "c", "a", "b"}},
		{"a", 5, []string{"Normal", "Low", "c", "b", "a"}},
		{"b", 4, []string{"Normal", "Low", "c", "b", "a"}},
	} {
		if err := move(ids[step.name], step.position); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, order(t, b.Store)); diff != "" {
			t.Errorf("%s to %d: %s", step.name, step.position, diff)
		}
	}
	err := move(ids["a"], 6)
	wantCode(t, err, fault.Invalid)
	if got := messageOf(err); got != "priority: invalid value '6'." {
		t.Errorf("got %q", got)
	}
	if err := b.DeleteProfile(t.Context(), ids["c"]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Normal", "Low", "b", "a"}, order(t, b.Store)); diff != "" {
		t.Error(diff)
	}
}

func testFailedProfileUpdate(t *testing.T, b *bundle) {
	before := must(b.Profiles(t.Context()))(t)
	refused := errors.New("refused")
	_, err := b.UpdateProfile(t.Context(), 2, func(p *fleet.Profile) error { p.Name, p.Default = "other", true; return refused })
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	_, err = b.UpdateProfile(t.Context(), 2, func(p *fleet.Profile) error { p.Name, p.Default = "Normal", true; return nil })
	wantCode(t, err, fault.Conflict)
	_, err = b.UpdateProfile(t.Context(), 99, func(*fleet.Profile) error { return nil })
	wantCode(t, err, fault.NotFound)
	if diff := cmp.Diff(before, must(b.Profiles(t.Context()))(t)); diff != "" {
		t.Error(diff)
	}
	if told := rollOut(t, b.Store); told != 0 {
		t.Errorf("%d agents were told of nothing", told)
	}
}

func testDeleteProfile(t *testing.T, b *bundle) {
	ctx := t.Context()
	tags := MakeTags(t, b.Store, "Edge")
	edge := must(b.CreateProfile(ctx, profile("Edge", fleet.TagRef{ID: tags[0]})))(t)
	next := must(b.CreateProfile(ctx, profile("Next", fleet.TagRef{ID: tags[0]})))(t)
	host := enrol(t, b.Store, 1).HostID
	tagAgents(t, b.Store, tags[0], host)
	rollOut(t, b.Store)
	if got := must(b.ProfileAgents(ctx))(t); !cmp.Equal(got, map[int64]int64{edge.ID: 1}) {
		t.Errorf("agents by profile: %v", got)
	}
	for _, id := range []int64{1, 2} { // the default one and another system profile
		wantCode(t, b.DeleteProfile(ctx, id), fault.Conflict)
	}
	wantCode(t, b.DeleteProfile(ctx, 99), fault.NotFound)
	if err := b.DeleteProfile(ctx, edge.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.DeleteProfile(ctx, edge.ID), fault.NotFound)
	if diff := cmp.Diff([]string{"Normal", "Low", "Next"}, order(t, b.Store)); diff != "" {
		t.Error(diff)
	}
	// Its agent still has it, and the name is free.
	if diff := cmp.Diff(edge.Performance, must(b.Profile(ctx, edge.ID))(t).Performance); diff != "" {
		t.Error(diff)
	}
	must(b.CreateProfile(ctx, profile("Edge")))(t)
	rollOut(t, b.Store)
	if got := stateOf(t, b.Store, 1); got != (profileState{next.ID, 3}) {
		t.Errorf("the agent has %+v, want profile %d", got, next.ID)
	}
	_, err := b.Profile(ctx, edge.ID)
	wantCode(t, err, fault.NotFound)
}

func testProfileOfEnrolment(t *testing.T, b *bundle) {
	tags := MakeTags(t, b.Store, "Edge")
	edge := must(b.CreateProfile(t.Context(), profile("Edge", fleet.TagRef{ID: tags[0]})))(t)
	createKey(t, b.Store, fleet.ActivationKey{Key: "edge", Type: fleet.KeyUnlimited, Tags: []qps.TagSimple{{ID: tags[0]}}})
	e := enrolment(1)
	e.ActivationKey = "edge"
	must(b.EnrolAgent(t.Context(), e))(t)
	enrol(t, b.Store, 2)
	if got, want := stateOf(t, b.Store, 1), (profileState{edge.ID, 1}); got != want {
		t.Errorf("an agent with the tag has %+v, want %+v", got, want)
	}
	if got, want := stateOf(t, b.Store, 2), (profileState{1, 1}); got != want {
		t.Errorf("an agent without it has %+v, want %+v", got, want)
	}
}

// changedHosts returns the hosts of the changes after seq.
func changedHosts(tb testing.TB, s *store.Store, seq int64) []int64 {
	tb.Helper()
	var hosts []int64
	for _, c := range must(s.ChangesSince(tb.Context(), seq, 1000))(tb) {
		hosts = append(hosts, c.HostID)
	}
	return hosts
}

func testRuleRollout(t *testing.T, b *bundle) {
	ctx := t.Context()
	tags := MakeTags(t, b.Store, "Edge", "Lab")
	var hosts []int64
	for n := range 5 {
		hosts = append(hosts, enrol(t, b.Store, n).HostID)
	}
	tagAgents(t, b.Store, tags[0], hosts[0], hosts[2], hosts[4])
	tagAgents(t, b.Store, tags[1], hosts[4])
	seq := must(b.LastChange(ctx))(t)
	p := profile("Edge", fleet.TagRef{ID: tags[0]})
	p.Exclude = fleet.ProfileTags{Tags: []fleet.TagRef{{ID: tags[1]}}}
	edge := must(b.CreateProfile(ctx, p))(t)
	if told := rollOut(t, b.Store); told != 2 {
		t.Errorf("%d agents were told, want 2", told)
	}
	if diff := cmp.Diff([]int64{hosts[0], hosts[2]}, changedHosts(t, b.Store, seq)); diff != "" {
		t.Errorf("changes: %s", diff)
	}
	want := []profileState{{edge.ID, 2}, {1, 1}, {edge.ID, 2}, {1, 1}, {1, 1}}
	for n := range want {
		if got := stateOf(t, b.Store, n); got != want[n] {
			t.Errorf("agent %d has %+v, want %+v", n, got, want[n])
		}
	}
	// A rule that is no longer, and one of a higher priority.
	must(b.UpdateProfile(ctx, 2, func(p *fleet.Profile) error { p.Include.Tags = []fleet.TagRef{{Name: "Cloud Agent"}}; return nil }))(t)
	rollOut(t, b.Store)
	for n := range 5 {
		if got := stateOf(t, b.Store, n).Profile; got != 2 {
			t.Errorf("agent %d has profile %d, want 2, which precedes the others", n, got)
		}
	}
}

func testContentRollout(t *testing.T, b *bundle) {
	ctx := t.Context()
	tags := MakeTags(t, b.Store, "Edge")
	edge := must(b.CreateProfile(ctx, profile("Edge", fleet.TagRef{ID: tags[0]})))(t)
	for n := range 5 {
		host := enrol(t, b.Store, n).HostID
		if n != 3 {
			tagAgents(t, b.Store, tags[0], host)
		}
	}
	rollOut(t, b.Store)
	for _, change := range []struct {
		name string
		told int
		fn   func(p *fleet.Profile)
	}{
		{"parameters", 4, func(p *fleet.Profile) { p.Performance = performance.Settings{"CPU_LIMIT": "16"} }},
		{"blackouts", 4, func(p *fleet.Profile) { p.Blackout = []agentwire.Blackout{{StartHour: 1, EndHour: 2}} }},
		{"schedules", 4, func(p *fleet.Profile) {
			p.Schedules = map[agentwire.Module]agentwire.Schedule{agentwire.ModuleInventory: {Interval: 28_800}}
		}},
		{"a description, which agents do not get", 0, func(p *fleet.Profile) { p.Description = "other" }},
		{"nothing", 0, func(*fleet.Profile) {}},
	} {
		must(b.UpdateProfile(ctx, edge.ID, func(p *fleet.Profile) error { change.fn(p); return nil }))(t)
		if told := rollOut(t, b.Store); told != change.told {
			t.Errorf("%s: %d agents were told, want %d", change.name, told, change.told)
		}
	}
	for n, want := range []profileState{{edge.ID, 5}, {edge.ID, 5}, {edge.ID, 5}, {1, 1}, {edge.ID, 5}} {
		if got := stateOf(t, b.Store, n); got != want {
			t.Errorf("agent %d has %+v, want %+v", n, got, want)
		}
	}
}

func testRolloutRestart(t *testing.T, b *bundle) {
	ctx := t.Context()
	for n := range 5 {
		enrol(t, b.Store, n)
	}
	must(b.UpdateProfile(ctx, 1, func(p *fleet.Profile) error { p.SuspendScanning = true; return nil }))(t)
	first := must(b.RolloutProfiles(ctx, 2))(t)
	if want := (fleet.RolloutStep{Looked: 2, Told: 2, Waiting: true}); first != want {
		t.Errorf("first step: %+v", first)
	}
	b.reopen(t)
	if told := rollOut(t, b.Store); told != 3 {
		t.Errorf("%d agents were told after the restart, want the other 3", told)
	}
}

func testRolloutPlans(t *testing.T, b *bundle) {
	ctx := t.Context()
	for n := range 5 {
		enrol(t, b.Store, n)
	}
	change := func(limit string) {
		must(b.UpdateProfile(ctx, 1, func(p *fleet.Profile) error { p.Performance = performance.Settings{"CPU_LIMIT": limit}; return nil }))(t)
	}
	change("10")
	change("11")
	must(b.RolloutProfiles(ctx, 2))(t)
	change("12") // two agents may have the value before
	change("13")
	if told := rollOut(t, b.Store); told != 3+5 {
		t.Errorf("%d agents were told, want the rest of the first rollout and all of the second", told)
	}
}
