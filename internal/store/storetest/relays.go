package storetest

import (
	"crypto/sha256"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
)

// relayToken is the digest of a token, a different one for every text.
func relayToken(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func createRelay(tb testing.TB, b *bundle, name string) relay.Relay {
	tb.Helper()
	r, err := b.CreateRelay(tb.Context(), relay.Relay{Name: name, Description: "Plant " + name, Created: Start, TokenChanged: Start}, "", relayToken(name))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// channelOf is a channel from a replica to a relay in its present generation.
func channelOf(r relay.Relay, replica, instance string, at time.Time) relay.Channel {
	return relay.Channel{
		RelayID: r.ID, Generation: r.Generation, Replica: replica, Remote: "203.0.113.8", Opened: at,
		Hello: relay.Hello{Version: "1.2.0", Host: "edge-1", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.7"), netip.MustParseAddr("2001:db8::7")}, Instance: instance},
	}
}

func relayNow(tb testing.TB, b *bundle, id int64) relay.Relay {
	tb.Helper()
	return must(b.Relay(tb.Context(), id))(tb)
}

func testRelays(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("are found by id and by token", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		plant, dock := createRelay(t, b, "plant"), createRelay(t, b, "dock")
		want := relay.Relay{ID: plant.ID, Name: "plant", Description: "Plant plant", Status: relay.Registered, Created: Start, TokenChanged: Start, Generation: 1}
		if diff := cmp.Diff(want, plant, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("created (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]relay.Relay{dock, plant}, must(b.Relays(t.Context()))(t), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		if r := must(b.RelayOfToken(t.Context(), relayToken("dock")))(t); r.Name != "dock" {
			t.Errorf("the token is that of %s", r.Name)
		}
		_, err := b.CreateRelay(t.Context(), relay.Relay{Name: "dock", Created: Start, TokenChanged: Start}, "", relayToken("another"))
		wantCode(t, err, fault.Conflict)
		if !strings.Contains(messageOf(err), "'dock'") {
			t.Errorf("the name is not in %q", messageOf(err))
		}
		_, err = b.Relay(t.Context(), 99)
		wantCode(t, err, fault.NotFound)
		_, err = b.RelayOfToken(t.Context(), relayToken("nobody's"))
		wantCode(t, err, fault.NotFound)
	})
	t.Run("are bounded", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		for i := range relay.MaxRelays {
			createRelay(t, b, "r"+strings.Repeat("x", i%50)+time.Unix(int64(i), 0).UTC().Format("150405"))
		}
		_, err := b.CreateRelay(t.Context(), relay.Relay{Name: "more", Created: Start, TokenChanged: Start}, "", relayToken("more"))
		wantCode(t, err, fault.Conflict)
	})
	t.Run("have one token at a time", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		r := createRelay(t, b, "plant")
		if err := b.OpenRelayChannel(t.Context(), channelOf(r, "replica-1", "i1", Start)); err != nil {
			t.Fatal(err)
		}
		later := Start.Add(time.Hour)
		rotated := must(b.SetRelayToken(t.Context(), r.ID, relayToken("second"), later))(t)
		if rotated.Generation != 2 || !rotated.TokenChanged.Equal(later) || rotated.Status != relay.Offline {
			t.Errorf("rotated: %+v", rotated)
		}
		_, err := b.RelayOfToken(t.Context(), relayToken("plant"))
		wantCode(t, err, fault.NotFound)
		wantCode(t, b.OpenRelayChannel(t.Context(), channelOf(r, "replica-1", "i1", later)), fault.Unauthenticated)

		revoked := must(b.SetRelayToken(t.Context(), r.ID, nil, later))(t)
		if revoked.Generation != 3 || revoked.Status != relay.Revoked {
			t.Errorf("revoked: %+v", revoked)
		}
		wantCode(t, b.OpenRelayChannel(t.Context(), channelOf(revoked, "replica-1", "i1", later)), fault.Unauthenticated)
		_, err = b.SetRelayToken(t.Context(), 99, relayToken("x"), later)
		wantCode(t, err, fault.NotFound)
	})
	t.Run("are online while a replica speaks of a channel", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		r := createRelay(t, b, "plant")
		first, second := channelOf(r, "replica-1", "i1", Start), channelOf(r, "replica-2", "i1", Start.Add(time.Second))
		for _, c := range []relay.Channel{first, second} {
			if err := b.OpenRelayChannel(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		got := relayNow(t, b, r.ID)
		want := relay.Relay{
			ID: r.ID, Name: "plant", Description: "Plant plant", Status: relay.Online, Version: "1.2.0", Host: "edge-1", Addresses: first.Addresses,
			Replicas: 2, LastSeen: second.Opened, Created: Start, TokenChanged: Start, Generation: 1,
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("online (-want +got):\n%s", diff)
		}
		// One replica is killed and says nothing more.
		*b.now = Start.Add(relay.GoneAfter)
		if err := b.KeepRelayChannels(t.Context(), "replica-2", []int64{r.ID}, *b.now); err != nil {
			t.Fatal(err)
		}
		if got := relayNow(t, b, r.ID); got.Replicas != 1 || got.Status != relay.Online || !got.LastSeen.Equal(*b.now) {
			t.Errorf("with one replica left: %+v", got)
		}
		// That a channel ended which another one followed since is no end of that.
		if err := b.CloseRelayChannel(t.Context(), "replica-2", r.ID, first.Opened, *b.now); err != nil {
			t.Fatal(err)
		}
		if got := relayNow(t, b, r.ID); got.Replicas != 1 {
			t.Errorf("after the end of an earlier channel: %+v", got)
		}
		ended := b.now.Add(time.Second)
		if err := b.CloseRelayChannel(t.Context(), "replica-2", r.ID, second.Opened, ended); err != nil {
			t.Fatal(err)
		}
		if got := relayNow(t, b, r.ID); got.Replicas != 0 || got.Status != relay.Offline || !got.LastSeen.Equal(ended) {
			t.Errorf("after the end: %+v", got)
		}
		// What a killed replica left goes after a day, with the next channel.
		if err := b.OpenRelayChannel(t.Context(), channelOf(r, "replica-3", "i2", Start.Add(48*time.Hour))); err != nil {
			t.Fatal(err)
		}
		if st := must(b.RelayStandings(t.Context(), []int64{r.ID}))(t); len(st) != 1 || st[0].Instance != "i2" {
			t.Errorf("standings %+v", st)
		}
	})
	t.Run("have a standing", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		plant, dock, gone := createRelay(t, b, "plant"), createRelay(t, b, "dock"), createRelay(t, b, "gone")
		for _, c := range []relay.Channel{
			channelOf(plant, "replica-1", "i1", Start), channelOf(plant, "replica-2", "i2", Start.Add(time.Second)), channelOf(gone, "replica-1", "i3", Start),
		} {
			if err := b.OpenRelayChannel(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.DeleteRelay(t.Context(), gone.ID); err != nil {
			t.Fatal(err)
		}
		wantCode(t, b.DeleteRelay(t.Context(), gone.ID), fault.NotFound)
		must(b.SetRelayToken(t.Context(), dock.ID, nil, Start))(t)
		got := must(b.RelayStandings(t.Context(), []int64{plant.ID, dock.ID, gone.ID}))(t)
		want := []relay.Standing{{RelayID: plant.ID, Generation: 1, Instance: "i2"}, {RelayID: dock.ID, Generation: 2}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("standings (-want +got):\n%s", diff)
		}
	})
	t.Run("are for the connections of their site", func(t *testing.T) {
		t.Parallel()
		l := setupLayer(t, create)
		ctx := t.Context()
		branch := must(l.CreateSite(ctx, connection.Site{Name: "Branch", Kind: connection.Client, Created: Start}))(t)
		kept := make([]relay.Relay, 2)
		for i, reference := range []string{"Branch", strconv.FormatInt(branch.ID, 10)} {
			kept[i] = must(l.CreateRelay(ctx, relay.Relay{Name: "branch-" + reference, Created: Start, TokenChanged: Start}, reference, relayToken(reference)))(t)
			if kept[i].SiteID != branch.ID || kept[i].SiteName != "Branch" {
				t.Errorf("of site %q: %+v", reference, kept[i])
			}
		}
		_, err := l.CreateRelay(ctx, relay.Relay{Name: "lost", Created: Start, TokenChanged: Start}, "Nowhere", relayToken("lost"))
		wantCode(t, err, fault.Invalid)

		for _, by := range []relay.Relay{{ID: kept[0].ID}, {Name: kept[0].Name}, {ID: kept[0].ID, Name: "plant"}} {
			if id, site, err := l.RelayOf(ctx, by.ID, by.Name); err != nil || id != kept[0].ID || site != branch.ID {
				t.Errorf("by %d and %q: relay %d of site %d, %v", by.ID, by.Name, id, site, err)
			}
		}
		if id, site, err := l.RelayOf(ctx, 0, "plant"); err != nil || id != l.relay || site != 0 {
			t.Errorf("relay %d of site %d, %v", id, site, err)
		}
		for _, by := range []relay.Relay{{ID: 99}, {Name: "lost"}, {ID: 99, Name: "plant"}, {}} {
			_, _, err := l.RelayOf(ctx, by.ID, by.Name)
			wantCode(t, err, fault.NotFound)
		}
		for id, want := range map[int64]fault.Code{l.relay: "", kept[0].ID: fault.Invalid, 99: fault.Invalid, 0: ""} {
			c := l.sample("by relay " + strconv.FormatInt(id, 10))
			c.RelayID = id
			made, err := l.CreateConnection(ctx, c, nil)
			wantCode(t, err, want)
			if want == "" {
				_, err := l.UpdateConnection(ctx, made.ID, func(c *connection.Connection) (map[string]string, error) {
					c.RelayID = kept[0].ID
					return nil, nil
				})
				wantCode(t, err, fault.Invalid)
			}
		}
		c := l.sample("in the branch")
		c.SiteID, c.Shared, c.RelayID = branch.ID, false, kept[0].ID
		must(l.CreateConnection(ctx, c, nil))(t)
		wantCode(t, l.DeleteRelay(ctx, kept[0].ID), fault.Conflict) // which uses it
		must(l.CreateSite(ctx, connection.Site{Name: "Empty", Kind: connection.Client, Created: Start}))(t)
		empty := must(l.CreateRelay(ctx, relay.Relay{Name: "empty", Created: Start, TokenChanged: Start}, "Empty", relayToken("empty")))(t)
		wantCode(t, l.DeleteSite(ctx, empty.SiteID), fault.Conflict)
		if err := l.DeleteRelay(ctx, empty.ID); err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteSite(ctx, empty.SiteID); err != nil {
			t.Fatal(err)
		}
	})
}
