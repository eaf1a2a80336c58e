package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/performance"
)

// shelf holds one profile, which every update is of.
type shelf struct {
	ProfileStore
	stored  Profile
	changed int
}

func (s *shelf) CreateProfile(_ context.Context, p Profile) (Profile, error) {
	s.stored = p
	return p, nil
}

func (s *shelf) UpdateProfile(_ context.Context, _ int64, change func(*Profile) error) (Profile, error) {
	p := s.stored
	if err := change(&p); err != nil {
		return Profile{}, err
	}
	s.stored = p
	return p, nil
}

func newProfiles(stored Profile) (*Profiles, *shelf) {
	s := &shelf{stored: stored}
	created := time.Date(2031, 4, 1, 6, 12, 44, 999, time.FixedZone("", 3600))
	return &Profiles{
		Store: s, Now: func() time.Time { return created }, NewID: func() string { return "f5edf058-0000-4000-8000-00000000000a" },
		Changed: func() { s.changed++ },
	}, s
}

func TestCreateMakesAProfileOfWhatIsGiven(t *testing.T) {
	t.Parallel()
	s, shelf := newProfiles(Profile{})
	tags := ProfileTagRule{Include: ProfileTags{Tags: []TagRef{{Name: "Edge"}}, All: true}}
	got, err := s.Create(t.Context(), WholeFleet(), ProfileChange{Name: new(" Edge "), Default: new(false), Tags: &tags, Performance: performance.Settings{"CPU_LIMIT": "15", "FUTURE": ""}}, "Ada O'Neil ")
	if err != nil {
		t.Fatal(err)
	}
	want := Profile{
		Name: "Edge", Include: tags.Include, TagSetUUID: "f5edf058-0000-4000-8000-00000000000a", CreatedBy: "Ada O'Neil",
		Performance: performance.Settings{"CPU_LIMIT": "15", "FUTURE": ""},
		Created:     time.Date(2031, 4, 1, 5, 12, 44, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if shelf.changed != 1 {
		t.Errorf("%d changes announced, want 1", shelf.changed)
	}
}

// complete is a change that a create accepts.
func complete(more func(*ProfileChange)) ProfileChange {
	c := ProfileChange{Name: new("Edge"), Default: new(false), Tags: &ProfileTagRule{}}
	more(&c)
	return c
}

func TestWrongValuesAreRefusedByName(t *testing.T) {
	t.Parallel()
	hours := func(start, end int) func(*ProfileChange) {
		return func(c *ProfileChange) { c.Blackout = &[]agentwire.Blackout{{StartHour: start, EndHour: end}} }
	}
	allDays := [7]bool{true, true, true, true, true, true, true}
	for _, tc := range []struct {
		name   string
		change func(*ProfileChange)
		says   []string // message and resolution
	}{
		{"no name", func(c *ProfileChange) { c.Name = nil }, []string{"name: the element is missing"}},
		{"no isDefault", func(c *ProfileChange) { c.Default = nil }, []string{"isDefault: the element is missing"}},
		{"no tags", func(c *ProfileChange) { c.Tags = nil }, []string{"tags: the element is missing"}},
		{"a priority", func(c *ProfileChange) { c.Priority = new(4) }, []string{"priority: value '4'", "an update moves it"}},
		{"a blank name", func(c *ProfileChange) { c.Name = new(" \t") }, []string{"name: invalid value", "1 to 256 characters"}},
		{"a long name", func(c *ProfileChange) { c.Name = new(strings.Repeat("é", 257)) }, []string{"name: invalid value", "1 to 256 characters"}},
		{"a name with a control character", func(c *ProfileChange) { c.Name = new("a\u009bb") }, []string{"name: invalid value"}},
		{"a long description", func(c *ProfileChange) { c.Description = new(strings.Repeat("x", 2049)) }, []string{"2049 bytes", "at most 2048"}},
		{"a tag without id and name", func(c *ProfileChange) { c.Tags = &ProfileTagRule{Exclude: ProfileTags{Tags: []TagRef{{}}}} }, []string{"excludeTags", "id or the name"}},
		{"too many tags", func(c *ProfileChange) { c.Tags.Include.Tags = make([]TagRef, 101) }, []string{"includeTags: there are 101", "at most 100"}},
		{"a window that starts at 24", hours(24, 3), []string{"startHour: invalid value '24'", "0 to 23"}},
		{"a window that starts before midnight", hours(-1, 3), []string{"startHour: invalid value '-1'"}},
		{"a window that ends at 25", hours(3, 25), []string{"endHour: invalid value '25'", "0 to 24"}},
		{"a window that starts where it ends", hours(7, 7), []string{"endHour: invalid value '7'", "0 to 24 is the whole day"}},
		{"windows that leave no hour", func(c *ProfileChange) {
			c.Blackout = &[]agentwire.Blackout{{StartHour: 6, EndHour: 22, Days: allDays}, {StartHour: 22, EndHour: 6, Days: allDays}}
		}, []string{"cover the whole week", "at least one hour"}},
		{"a value out of its range", func(c *ProfileChange) {
			c.Performance = performance.Settings{"CPU_LIMIT": "1", "INTERVAL_EVENT_STATUS": "299"}
		},
			[]string{"CPU_LIMIT is 1", "allowed is 2 to 100 %", "INTERVAL_EVENT_STATUS is 299"}},
		{"an unknown key with a line break", func(c *ProfileChange) { c.Performance = performance.Settings{"FUTURE": "a\nb"} }, []string{"FUTURE", "control characters"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, shelf := newProfiles(Profile{})
			_, err := s.Create(t.Context(), WholeFleet(), complete(tc.change), "Ada")
			refused, ok := errors.AsType[*fault.Error](err)
			if !ok || refused.Code != fault.Invalid {
				t.Fatalf("got %v, want an invalid fault", err)
			}
			for _, text := range tc.says {
				if !strings.Contains(refused.Message+"\n"+refused.Resolution, text) {
					t.Errorf("%q lacks in %q %q", text, refused.Message, refused.Resolution)
				}
			}
			if shelf.changed != 0 {
				t.Error("a refused change was announced")
			}
		})
	}
}

func TestAnUpdateReplacesWhatIsGivenAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	before := Profile{
		ID: 7, Name: "Edge", Description: "d", Priority: 3, Include: ProfileTags{Tags: []TagRef{{ID: 1, Name: "a"}}, All: true}, InMemoryDB: true,
		Performance: performance.Settings{"CPU_LIMIT": "1", "FUTURE": "x"}, Blackout: []agentwire.Blackout{{StartHour: 1, EndHour: 2}},
	}
	for _, tc := range []struct {
		name   string
		change ProfileChange
		want   func(*Profile)
	}{
		{"nothing but the name", ProfileChange{Name: new("Edge")}, func(*Profile) {}},
		{"flags", ProfileChange{Name: new("Edge"), SuspendScanning: new(true), PreventAgentUpdate: new(true), InMemoryDB: new(false)}, func(p *Profile) {
			p.SuspendScanning, p.PreventAgentUpdate, p.InMemoryDB = true, true, false
		}},
		{"position and default", ProfileChange{Name: new("Edge"), Priority: new(1), Default: new(true)}, func(p *Profile) { p.Priority, p.Default = 1, true }},
		{"tags", ProfileChange{Name: new("Edge"), Tags: &ProfileTagRule{}}, func(p *Profile) { p.Include = ProfileTags{} }},
		{"no windows", ProfileChange{Name: new("Edge"), Blackout: &[]agentwire.Blackout{}}, func(p *Profile) { p.Blackout = []agentwire.Blackout{} }},
		// The stored CPU_LIMIT is out of range, and nobody asks.
		{"parameters as a whole", ProfileChange{Name: new("Edge"), Performance: performance.Settings{"INTERVAL_EVENT_STATUS": "600"}}, func(p *Profile) {
			p.Performance = performance.Settings{"INTERVAL_EVENT_STATUS": "600"}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newProfiles(before)
			want := before
			tc.want(&want)
			got, err := s.Update(t.Context(), WholeFleet(), 7, tc.change)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatCannotBecomeOfAProfile(t *testing.T) {
	t.Parallel()
	system := Profile{ID: 1, Name: "Normal", System: true, Default: true, Performance: performance.Settings{"CPU_LIMIT": "20"}}
	for _, tc := range []struct {
		name   string
		change ProfileChange
		code   fault.Code
		says   string
	}{
		{"without a name", ProfileChange{}, fault.Invalid, "name: the element is missing"},
		{"the default profile no longer the default", ProfileChange{Name: new("Normal"), Default: new(false)}, fault.Conflict, "is the default profile"},
		{"a position below 1", ProfileChange{Name: new("Normal"), Priority: new(0)}, fault.Invalid, "priority: invalid value '0'"},
		{"another name of a system profile", ProfileChange{Name: new("Mine")}, fault.Conflict, "name: configuration profile 'Normal' is a system profile"},
		{"another description of a system profile", ProfileChange{Name: new("Normal"), Description: new("x")}, fault.Conflict, "description:"},
		{"other parameters of a system profile", ProfileChange{Name: new("Normal"), Performance: performance.Settings{"CPU_LIMIT": "21"}}, fault.Conflict, "performanceProfile:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, shelf := newProfiles(system)
			_, err := s.Update(t.Context(), WholeFleet(), 1, tc.change)
			if refused, ok := errors.AsType[*fault.Error](err); !ok || refused.Code != tc.code || !strings.Contains(refused.Message, tc.says) {
				t.Fatalf("got %v, want %s with %q", err, tc.code, tc.says)
			}
			if diff := cmp.Diff(system, shelf.stored); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("the same values of a system profile beside a new tag rule", func(t *testing.T) {
		t.Parallel()
		s, _ := newProfiles(system)
		_, err := s.Update(t.Context(), WholeFleet(), 1, ProfileChange{Name: new("Normal"), Performance: performance.Settings{"CPU_LIMIT": "20"}, SuspendScanning: new(true), Tags: &ProfileTagRule{}})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestBlackoutWindowsAsAgentsGetThem(t *testing.T) {
	t.Parallel()
	p := Profile{Blackout: []agentwire.Blackout{{StartHour: 22, EndHour: 0}, {StartHour: 22, EndHour: 6}, {EndHour: 24}}}
	want := []agentwire.Blackout{{StartHour: 22, EndHour: 24}, {StartHour: 22, EndHour: 6}, {EndHour: 24}}
	if diff := cmp.Diff(want, p.Wire().Blackout); diff != "" {
		t.Error(diff)
	}
	if p.Blackout[0].EndHour != 0 {
		t.Error("the stored window was changed")
	}
}
