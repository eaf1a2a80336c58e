package agentwire

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// snapshots draws hosts that share keys often enough to differ in every way,
// with text no encoding likes.
func snapshots() *rapid.Generator[*Snapshot] {
	word := rapid.OneOf(
		rapid.StringMatching(`[ab|]{0,3}`),
		rapid.SampledFrom([]string{"\xff", "\xff\xfe", "ä", "<&>", "\u2028", "\x00", "\ufffd"}),
	)
	return rapid.Custom(func(t *rapid.T) *Snapshot {
		s := &Snapshot{Host: Host{Name: word.Draw(t, "name"), MemoryMB: rapid.Int64Range(0, 3).Draw(t, "memory")}}
		if rapid.Bool().Draw(t, "docker") {
			s.Host.Docker = &Docker{Version: word.Draw(t, "version"), Containers: rapid.IntRange(0, 2).Draw(t, "containers")}
		}
		if rapid.Bool().Draw(t, "instance") {
			s.Host.Cloud = &Cloud{Provider: CloudAWS, InstanceID: word.Draw(t, "instance id")}
		}
		if rapid.Bool().Draw(t, "booted") {
			zone := time.FixedZone("", 3600*rapid.IntRange(-2, 2).Draw(t, "zone"))
			s.Host.LastBoot = time.Unix(rapid.Int64Range(0, 2).Draw(t, "boot"), 500).In(zone)
		}
		few := func(label string) int { return rapid.IntRange(0, 4).Draw(t, label) }
		for range few("software") {
			s.Software = append(s.Software, Software{Kind: "deb", Name: word.Draw(t, "package"), Version: word.Draw(t, "version"), Architecture: word.Draw(t, "arch")})
		}
		for range few("ports") {
			s.Ports = append(s.Ports, Port{Protocol: "TCP", Address: word.Draw(t, "address"), Port: few("port"), Process: word.Draw(t, "process")})
		}
		for range few("interfaces") {
			s.Interfaces = append(s.Interfaces, Interface{Name: word.Draw(t, "interface"), Address: word.Draw(t, "address"), MAC: word.Draw(t, "mac")})
		}
		for range few("accounts") {
			s.Accounts = append(s.Accounts, Account{Username: word.Draw(t, "user")})
		}
		for range few("processors") {
			s.Processors = append(s.Processors, Processor{Slot: few("slot"), Name: word.Draw(t, "cpu")})
		}
		for range few("volumes") {
			s.Volumes = append(s.Volumes, Volume{Name: word.Draw(t, "volume"), Free: int64(few("free"))})
		}
		return s
	})
}

// overTheWire returns v as the other side decodes it.
func overTheWire[T any](t rapid.TB, v *T) *T {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	received := new(T)
	if err := json.Unmarshal(doc, received); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return received
}

func TestDeltaLeadsFromBaseToNext(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, next := snapshots().Draw(t, "base"), snapshots().Draw(t, "next")
		base.Normalize()
		next.Normalize()
		delta := overTheWire(t, Diff(base, next))
		got, err := delta.Apply(overTheWire(t, base))
		if err != nil {
			t.Fatalf("apply: %v", err)
		}
		if got.Digest() != next.Digest() {
			t.Fatalf("delta leads elsewhere:\n%s", cmp.Diff(next, got))
		}
		if same := base.Digest() == next.Digest(); same != delta.Empty() {
			t.Fatalf("snapshots are equal: %t, delta is empty: %t", same, delta.Empty())
		}
	})
}

func TestBaselineLeadsFromAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		held, next := snapshots().Draw(t, "held"), snapshots().Draw(t, "next")
		held.Normalize()
		next.Normalize()
		delta := overTheWire(t, Diff(nil, next))
		if !delta.Baseline() {
			t.Fatal("delta from nothing is no baseline")
		}
		for _, base := range []*Snapshot{nil, held} {
			got, err := delta.Apply(base)
			if err != nil || got.Digest() != next.Digest() {
				t.Fatalf("apply to %v: %v", base, err)
			}
		}
	})
}

func TestDigestDoesNotDependOnOrderOrPlace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := snapshots().Draw(t, "snapshot")
		s.Normalize()
		want := s.Digest()
		shuffled := overTheWire(t, s)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		random.Shuffle(len(shuffled.Software), func(i, j int) {
			shuffled.Software[i], shuffled.Software[j] = shuffled.Software[j], shuffled.Software[i]
		})
		random.Shuffle(len(shuffled.Volumes), func(i, j int) {
			shuffled.Volumes[i], shuffled.Volumes[j] = shuffled.Volumes[j], shuffled.Volumes[i]
		})
		shuffled.Normalize()
		if got := shuffled.Digest(); got != want {
			t.Fatalf("digest is %s, want %s", got, want)
		}
	})
}

func TestNormalizeKeepsTheFirstOfAKey(t *testing.T) {
	t.Parallel()
	s := &Snapshot{Accounts: []Account{{"b"}, {"a"}, {"b"}}, Volumes: []Volume{{Name: "/", Size: 1}, {Name: "/", Size: 2}}}
	s.Normalize()
	want := &Snapshot{Accounts: []Account{{"a"}, {"b"}}, Volumes: []Volume{{Name: "/", Size: 1}}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("normalized (-want +got):\n%s", diff)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	one, two := &Snapshot{Host: Host{Name: "one"}}, &Snapshot{Host: Host{Name: "two"}}
	tests := []struct {
		name  string
		delta *Delta
		base  *Snapshot
		says  string
	}{
		{"another base", Diff(one, two), two, "delta needs snapshot"},
		{"no base", Diff(one, two), nil, "there is none"},
		{"another result", &Delta{Result: one.Digest(), Host: &Host{Name: "three"}}, nil, "promises"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tt.delta.Apply(tt.base); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
		})
	}
}

func TestDeltaOfOnePackageIsSmall(t *testing.T) {
	t.Parallel()
	base := &Snapshot{Host: Host{Name: "web-1"}}
	for i := range 5000 {
		base.Software = append(base.Software, Software{Kind: "deb", Name: fmt.Sprintf("package-%04d", i), Version: "1.0-1", Architecture: "amd64"})
	}
	base.Normalize()
	next := overTheWire(t, base)
	next.Software[42].Version = "1.0-2"
	doc, err := json.Marshal(Diff(base, next))
	if err != nil {
		t.Fatal(err)
	}
	const most = 512
	if len(doc) > most {
		t.Errorf("delta of one upgraded package in 5,000 has %d bytes, at most %d are good", len(doc), most)
	}
}

func TestUnchangedStatusAnswerIsSmall(t *testing.T) {
	t.Parallel()
	doc, err := json.Marshal(StatusAnswer{})
	if err != nil || string(doc) != "{}" {
		t.Errorf("unchanged answer is %s (%v), want {}", doc, err)
	}
	if !(StatusAnswer{}).Unchanged() || (StatusAnswer{Demands: 1}).Unchanged() {
		t.Error("Unchanged does not tell an answer with something to fetch from one without")
	}
}
