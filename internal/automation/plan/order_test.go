package plan

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// lineOf returns profiles in their order, named by letters: those of before are there,
// those of made are described and new, and those of gone are deleted.
func lineOf(before, made, gone string, pins map[rune]int64) *maker {
	m := &maker{state: &state{priorities: map[int64]int64{}}, plan: &Plan{}}
	for i, letter := range before + made {
		p := &plannedProfile{deleted: slices.Contains([]rune(gone), letter), change: Change{Name: string(letter)}}
		if i < len(before) {
			p.current = &qps.AgentConfig{ID: int64(letter), Name: string(letter)}
			m.state.priorities[int64(letter)] = int64(i + 1)
		}
		if pin, pinned := pins[letter]; pinned || p.current == nil {
			p.described = &Document{Source: "test", Profile: &description.ConfigurationProfile{Name: new(string(letter))}}
			if pinned {
				p.described.Profile.Priority = &pin
			}
		}
		m.profiled = append(m.profiled, p)
	}
	return m
}

// play makes the moves as a platform does, and returns the order after them.
func play(m *maker, ordered []*plannedProfile) string {
	var line []*plannedProfile
	for _, p := range m.profiled {
		if p.current != nil {
			line = append(line, p)
		}
	}
	for _, p := range ordered {
		if p.current == nil {
			line = append(line, p)
		}
		if p.position > 0 {
			line = slices.DeleteFunc(line, func(other *plannedProfile) bool { return other == p })
			line = slices.Insert(line, int(p.position-1), p)
		}
	}
	names := ""
	for _, p := range line {
		if !p.deleted {
			names += p.change.Name
		}
	}
	return names
}

func TestProfilesMoveToTheirPriorities(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, before, made, gone string
		pins                     map[rune]int64
		want                     string
		moves                    int
	}{
		{"nothing is said", "ABC", "", "", nil, "ABC", 0},
		{"as it is", "ABC", "", "", map[rune]int64{'A': 1, 'C': 3}, "ABC", 0},
		{"to the front", "ABC", "", "", map[rune]int64{'C': 1}, "CAB", 1},
		{"to the end", "ABC", "", "", map[rune]int64{'A': 3}, "BCA", 1},
		{"one moves past another that is pinned", "XCBYZ", "", "", map[rune]int64{'B': 3, 'C': 5}, "XYBZC", 2},
		{"reversed", "ABC", "", "", map[rune]int64{'A': 3, 'B': 2, 'C': 1}, "CBA", 2},
		{"a new one in the middle", "ABC", "D", "", map[rune]int64{'D': 2}, "ADBC", 1},
		{"new ones where they are made", "AB", "CD", "", map[rune]int64{'D': 4}, "ABCD", 0},
		{"places are counted without what is deleted", "ABC", "", "A", map[rune]int64{'C': 2}, "BC", 0},
		{"a move past what is deleted", "ABC", "", "A", map[rune]int64{'C': 1}, "CB", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := lineOf(tt.before, tt.made, tt.gone, tt.pins)
			ordered, err := m.orderProfiles()
			if err != nil {
				t.Fatal(err)
			}
			moves := 0
			for _, p := range ordered {
				if p.position > 0 {
					moves++
				}
			}
			if got := play(m, ordered); got != tt.want || moves != tt.moves {
				t.Errorf("order %s after %d moves, want %s after %d", got, moves, tt.want, tt.moves)
			}
		})
	}
}

func TestPrioritiesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pins map[rune]int64
		want string
	}{
		"behind the last": {map[rune]int64{'A': 4}, "test: priority: 4 is given, and there are 3 profiles."},
		"the same twice":  {map[rune]int64{'A': 2, 'C': 2}, `test: priority: 2 is that of "A" as well.`},
	} {
		_, err := lineOf("ABC", "", "", tt.pins).orderProfiles()
		if !fault.Is(err, fault.Invalid) || err.Error() != tt.want {
			t.Errorf("%s: error %v, want %s", name, err, tt.want)
		}
	}
}

func TestAnyPrioritiesAreReachedAndThenKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := []rune("ABCDEFGH")[:rapid.IntRange(1, 8).Draw(t, "profiles")]
		there := rapid.IntRange(1, len(all)).Draw(t, "there")
		before, made := string(rapid.Permutation(all[:there]).Draw(t, "order")), string(all[there:])
		gone := ""
		pins := map[rune]int64{}
		places := rapid.Permutation(all).Draw(t, "places")
		for i, letter := range all {
			switch kind := rapid.IntRange(0, 4).Draw(t, string(letter)); {
			case kind == 0 && i < there:
				gone += string(letter)
			case kind < 3:
				pins[letter] = int64(slices.Index(places, letter) + 1)
			}
		}
		maps.DeleteFunc(pins, func(_ rune, pin int64) bool { return pin > int64(len(all)-len(gone)) })
		m := lineOf(before, made, gone, pins)
		ordered, err := m.orderProfiles()
		if err != nil {
			t.Fatal(err)
		}
		after := play(m, ordered)
		for letter, pin := range pins {
			if rune(after[pin-1]) != letter {
				t.Fatalf("%s became %s, and %c is not at %d", before, after, letter, pin)
			}
		}
		free := func(names string) string {
			return string(slices.DeleteFunc([]rune(names), func(r rune) bool {
				_, pinned := pins[r]
				return pinned || slices.Contains([]rune(gone), r)
			}))
		}
		if diff := cmp.Diff(free(before+made), free(after)); diff != "" {
			t.Fatalf("profiles without a priority changed their order (-before +after):\n%s", diff)
		}
		again, err := lineOf(after, "", "", pins).orderProfiles()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range again {
			if p.position > 0 || len(p.change.Properties) > 0 {
				t.Fatalf("%s moves again in %s", p.change.Name, after)
			}
		}
	})
}
