package relay_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
	tunnel "vedette.dev/vedette/internal/outbound/relay"
)

func offlineOf(t *testing.T, err error) *relay.OfflineError {
	t.Helper()
	offline, ok := errors.AsType[*relay.OfflineError](err)
	if !ok {
		t.Fatalf("the failure is %v, want that the relay is offline", err)
	}
	return offline
}

// TestWithoutAChannelTheRelayIsNamed dials through relays in every state that has
// none. Nothing listens on the target: a direct call would fail in another way.
func TestWithoutAChannelTheRelayIsNamed(t *testing.T) {
	t.Parallel()
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	allow, err := relay.ParseAllowList([]string{"127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	dial := p.channels.Dialer(r.ID, allow)
	_, err = dial(t.Context(), "tcp", "127.0.0.1:1")
	if offline := offlineOf(t, err); offline.Name != "plant" || !offline.LastSeen.IsZero() {
		t.Errorf("never connected: %v", err)
	}
	other := startReplica(t, p.database, "replica-2", "127.0.0.1:0", brisk())
	o := startRelay(t, other.config(t, token))
	o.awaitOpen(t)
	_, err = dial(t.Context(), "tcp", "127.0.0.1:1")
	if offline := offlineOf(t, err); !offline.Elsewhere {
		t.Errorf("connected to another replica: %v", err)
	}
	o.stop()
	eventually(t, "the relay is offline", func() bool {
		_, err = dial(t.Context(), "tcp", "127.0.0.1:1")
		offline := offlineOf(t, err)
		return !offline.Elsewhere && !offline.LastSeen.IsZero()
	})
	if _, err := p.directory.Revoke(t.Context(), "plant"); err != nil {
		t.Fatal(err)
	}
	_, err = dial(t.Context(), "tcp", "127.0.0.1:1")
	if offline := offlineOf(t, err); !offline.Revoked {
		t.Errorf("revoked: %v", err)
	}
	if _, err := p.channels.Dialer(99, allow)(t.Context(), "tcp", "127.0.0.1:1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a relay that there is not: %v", err)
	}
	if _, err := dial(t.Context(), "udp", "127.0.0.1:1"); err == nil {
		t.Error("UDP was dialled")
	}
}

// TestATokenThatEndsCutsTheChannel rotates the token on this replica, then revokes
// it by way of another one.
func TestATokenThatEndsCutsTheChannel(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	p := newReplica(t, brisk())
	p.directory.Ended = p.channels.Ended
	r, first := p.register(t, "plant")
	var token atomic.Value
	token.Store(first)
	config := p.config(t, "", address)
	config.Token = func() (string, error) { return token.Load().(string), nil }
	o := startRelay(t, config)
	o.awaitOpen(t)
	conn := p.must(t, r.ID, address)
	exchange(t, conn, "before")

	_, second, err := p.directory.Rotate(t.Context(), "plant")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the connection ended with %v", err)
	}
	eventually(t, "the relay says that its token has ended", func() bool {
		return strings.Contains(o.log.String(), "reason=revoked") && strings.Contains(o.log.String(), "vedette relays rotate")
	})
	token.Store(second) // as if the file was replaced
	o.awaitOpen(t)
	exchange(t, p.must(t, r.ID, address), "after")

	// The directory of another replica knows nothing of these channels.
	elsewhere := &relay.Directory{Relays: p.Store, Now: time.Now}
	if _, err := elsewhere.Revoke(t.Context(), fmt.Sprint(r.ID)); err != nil {
		t.Fatal(err)
	}
	if err := p.channels.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	allow, _ := relay.ParseAllowList([]string{address})
	eventually(t, "the channel is cut", func() bool {
		_, err := p.channels.Dialer(r.ID, allow)(t.Context(), "tcp", address)
		offline, ok := errors.AsType[*relay.OfflineError](err)
		return ok && offline.Revoked
	})
}

// TestAWrongTokenGetsNoChannel asks with tokens of nobody, and without one.
func TestAWrongTokenGetsNoChannel(t *testing.T) {
	t.Parallel()
	p := newReplica(t, brisk())
	_, token := p.register(t, "plant")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots(t)}}}
	t.Cleanup(client.CloseIdleConnections)
	for _, tc := range []struct {
		name   string
		header map[string]string
		status int
		says   string
	}{
		{"no token", nil, 401, "The token of a relay is missing"},
		{"a token of nobody", map[string]string{"Authorization": "Bearer vdr_nobody"}, 401, "not one of a relay"},
		{"an API token", map[string]string{"Authorization": "Bearer vdt_" + token[4:]}, 401, "not one of a relay"},
		{"no upgrade", map[string]string{"Authorization": "Bearer " + token}, 400, "HTTP/1.1 upgrades"},
		{"another upgrade", map[string]string{"Authorization": "Bearer " + token, "Connection": "Upgrade", "Upgrade": "websocket"}, 400, "vedette-relay/1"},
		{"nothing of itself", map[string]string{"Authorization": "Bearer " + token, "Connection": "Upgrade", "Upgrade": "vedette-relay/1"}, 400, "Vedette-Relay-"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url().JoinPath(tunnel.Path).String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range tc.header {
			request.Header.Set(name, value)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != tc.status || !strings.Contains(string(body), tc.says) {
			t.Errorf("%s: status %d, %s", tc.name, answer.StatusCode, body)
		}
	}
}

// TestTheNewerOfTwoRelaysWithOneTokenWins starts a second one beside the first, on
// the same replica and on another one.
func TestTheNewerOfTwoRelaysWithOneTokenWins(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	for _, other := range []bool{false, true} {
		t.Run(map[bool]string{false: "one replica", true: "two replicas"}[other], func(t *testing.T) {
			t.Parallel()
			p := newReplica(t, brisk())
			at := p
			if other {
				at = startReplica(t, p.database, "replica-2", "127.0.0.1:0", brisk())
			}
			r, token := p.register(t, "plant")
			older := startRelay(t, p.config(t, token, address))
			older.awaitOpen(t)
			exchange(t, p.must(t, r.ID, address), "the older")
			config := at.config(t, token, address)
			config.Hello.Instance = "another"
			startRelay(t, config).awaitOpen(t)
			if other {
				if err := p.channels.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case err := <-older.ended:
				if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "with the same token") {
					t.Errorf("the older ended with %v", err)
				}
			case <-time.After(patience):
				t.Fatal("the older goes on")
			}
			exchange(t, at.must(t, r.ID, address), "the newer")
		})
	}
}

// TestTwoURLsOfOneReplicaMakeOneChannel has a relay that is told of a replica
// twice, as behind a load balancer.
func TestTwoURLsOfOneReplicaMakeOneChannel(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	config := p.config(t, token, address)
	config.Platforms = append(config.Platforms, config.Platforms[0])
	o := startRelay(t, config)
	o.awaitOpen(t)
	conn := p.must(t, r.ID, address)
	eventually(t, "the second is refused", func() bool {
		return strings.Contains(o.log.String(), "This replica of the platform has a channel to the relay already")
	})
	exchange(t, conn, "not disturbed")
	if stored, err := p.Relay(t.Context(), r.ID); err != nil || stored.Replicas != 1 {
		t.Errorf("%d replicas have a channel: %v", stored.Replicas, err)
	}
}

// TestEveryReplicaHasAChannelOfItsOwn dials from two replicas.
func TestEveryReplicaHasAChannelOfItsOwn(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	first := newReplica(t, brisk())
	second := startReplica(t, first.database, "replica-2", "127.0.0.1:0", brisk())
	r, token := first.register(t, "plant")
	config := first.config(t, token, address)
	config.Platforms = append(config.Platforms, second.url())
	o := startRelay(t, config)
	o.awaitOpen(t)
	o.awaitOpen(t)
	exchange(t, first.must(t, r.ID, address), "from the first")
	exchange(t, second.must(t, r.ID, address), "from the second")
	for _, p := range []*replica{first, second} {
		if err := p.channels.Check(t.Context()); err != nil { // nobody takes anybody's place
			t.Fatal(err)
		}
	}
	stored, err := first.Relay(t.Context(), r.ID)
	if err != nil || stored.Replicas != 2 || stored.Status != relay.Online || stored.Host != "edge-1" || stored.Version != "1.2.0" {
		t.Errorf("stored %+v: %v", stored, err)
	}
	second.stop()
	eventually(t, "one replica has a channel", func() bool {
		stored, err := first.Relay(t.Context(), r.ID)
		return err == nil && stored.Replicas == 1 && stored.Status == relay.Online
	})
	eventually(t, "the relay was told that the platform stops", func() bool { return strings.Contains(o.log.String(), "reason=stopping") })
}

// TestARelayComesBackAfterThePlatformRestarts stops the platform, and starts one
// in its place.
func TestARelayComesBackAfterThePlatformRestarts(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	config := p.config(t, token, address)
	o := startRelay(t, config)
	o.awaitOpen(t)
	exchange(t, p.must(t, r.ID, address), "before")
	p.stop()
	if stored, err := p.Relay(t.Context(), r.ID); err != nil || stored.Status != relay.Offline {
		t.Errorf("after the stop it is %s: %v", stored.Status, err)
	}
	again := startReplica(t, p.database, "replica-1-again", p.address, brisk())
	o.awaitOpen(t)
	exchange(t, again.must(t, r.ID, address), "after")
}

// TestAHalfOpenConnectionIsFoundOut has something on the way swallow everything
// that comes from then on, as a firewall does that forgets a connection.
func TestAHalfOpenConnectionIsFoundOut(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	var swallow atomic.Bool
	firewall := listen(t, func(conn net.Conn) {
		onward, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.address)
		if err != nil {
			return
		}
		defer onward.Close()
		var both sync.WaitGroup
		for _, way := range [][2]net.Conn{{conn, onward}, {onward, conn}} {
			both.Go(func() {
				buffer := make([]byte, 32<<10)
				for {
					n, err := way[0].Read(buffer)
					if err != nil {
						_ = way[1].Close()
						return
					}
					if !swallow.Load() {
						_, _ = way[1].Write(buffer[:n])
					}
				}
			})
		}
		both.Wait()
	})
	config := p.config(t, token, address)
	config.Platforms = []*url.URL{{Scheme: "https", Host: firewall}}
	o := startRelay(t, config)
	o.awaitOpen(t)
	conn := p.must(t, r.ID, address)
	exchange(t, conn, "before")
	swallow.Store(true)
	_, _ = conn.Write([]byte("lost"))
	if _, err := io.Copy(io.Discard, conn); err == nil {
		t.Error("the connection ended well")
	}
	allow, _ := relay.ParseAllowList([]string{address})
	eventually(t, "the platform finds out", func() bool {
		_, err := p.channels.Dialer(r.ID, allow)(t.Context(), "tcp", address)
		_, offline := errors.AsType[*relay.OfflineError](err)
		return offline
	})
	swallow.Store(false)
	o.awaitOpen(t)
	exchange(t, p.must(t, r.ID, address), "after")
}

// TestARelayThatStallsIsGivenUp has a relay take a request and never answer it.
func TestARelayThatStallsIsGivenUp(t *testing.T) {
	t.Parallel()
	limits := brisk()
	limits.Dial = 50 * time.Millisecond
	p := newReplica(t, limits)
	r, token := p.register(t, "plant")
	config := p.config(t, token, "target.example:443")
	config.Limits.Connect = patience
	asked := make(chan struct{}, 1)
	config.Resolve = func(ctx context.Context, _ string) ([]netip.Addr, error) {
		asked <- struct{}{}
		<-ctx.Done() // the platform gave up
		return nil, ctx.Err()
	}
	startRelay(t, config).awaitOpen(t)
	_, err := p.dial(t, r.ID, "target.example:443", "target.example:443")
	if late, ok := errors.AsType[net.Error](err); !ok || !late.Timeout() || !strings.Contains(err.Error(), "relay plant did not answer") {
		t.Errorf("dial: %v", err)
	}
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	allow, _ := relay.ParseAllowList([]string{"target.example:443"})
	go func() {
		<-asked
		cancel()
	}()
	if _, err := p.channels.Dialer(r.ID, allow)(ctx, "tcp", "target.example:443"); !errors.Is(err, context.Canceled) {
		t.Errorf("a dial that its caller gave up: %v", err)
	}
}

// TestTheRelayKnowsThePlatformByItsCertificate trusts in every way there is.
func TestTheRelayKnowsThePlatformByItsCertificate(t *testing.T) {
	t.Parallel()
	p := newReplica(t, brisk())
	for name, tc := range map[string]struct {
		trust tunnel.Trust
		fails string
	}{
		"its authority's file":        {tunnel.Trust{Roots: p.roots(t)}, ""},
		"its authority's fingerprint": {tunnel.Trust{Fingerprint: sumOf(p.authority.DER())}, ""},
		"its own fingerprint":         {tunnel.Trust{Fingerprint: sumOf(p.pair.Certificate[0])}, ""},
		"another fingerprint":         {tunnel.Trust{Fingerprint: sumOf([]byte("another"))}, "has the fingerprint"},
		"the system's authorities":    {tunnel.Trust{}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, token := p.register(t, strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), "'", ""))
			config := p.config(t, token)
			config.Trust = tc.trust
			o := startRelay(t, config)
			if tc.fails == "" {
				o.awaitOpen(t)
				return
			}
			eventually(t, "the relay says why", func() bool { return strings.Contains(o.log.String(), tc.fails) })
			if strings.Contains(o.log.String(), "the channel is open") {
				t.Error("a channel was opened")
			}
		})
	}
}

// TestAProxyOnTheWayIsUsed reaches the platform by a proxy that knows its name.
func TestAProxyOnTheWayIsUsed(t *testing.T) {
	t.Parallel()
	address := listen(t, echo)
	p := newReplica(t, brisk())
	r, token := p.register(t, "plant")
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "platform.example:443" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		asked.Add(1)
		onward, err := new(net.Dialer).DialContext(r.Context(), "tcp", p.address)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer onward.Close()
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
		go func() {
			_, _ = io.Copy(onward, buffered)
			_ = onward.Close()
		}()
		_, _ = io.Copy(conn, onward)
	}))
	t.Cleanup(proxy.Close)
	where, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	config := p.config(t, token, address)
	config.Platforms, config.Proxy = []*url.URL{{Scheme: "https", Host: "platform.example"}}, http.ProxyURL(where)
	startRelay(t, config).awaitOpen(t)
	exchange(t, p.must(t, r.ID, address), "by way of the proxy")
	if asked.Load() == 0 {
		t.Error("the proxy was not asked")
	}
}

// TestWhatIsNoPlatformIsTold has a web server where the platform should be.
func TestWhatIsNoPlatformIsTold(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	p := newReplica(t, brisk())
	config := p.config(t, "vdr_x")
	config.Trust.Roots.AddCert(web.Certificate())
	where, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.Platforms = []*url.URL{where}
	o := startRelay(t, config)
	eventually(t, "the relay says so", func() bool {
		return strings.Contains(o.log.String(), "answered with status 404 in place of a channel") && strings.Contains(o.log.String(), "WebSocket")
	})
	// Once, however often it tries.
	eventually(t, "it tries again", func() bool { return strings.Count(o.log.String(), "level=DEBUG msg=\"no channel") > 2 })
	if n := strings.Count(o.log.String(), "level=WARN"); n != 1 {
		t.Errorf("it says so %d times", n)
	}
}

// TestARelayThatSpeaksNonsenseIsCut has somebody with a token send what is no
// HTTP/2.
func TestARelayThatSpeaksNonsenseIsCut(t *testing.T) {
	t.Parallel()
	p := newReplica(t, brisk())
	_, token := p.register(t, "plant")
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: p.roots(t)}}).DialContext(t.Context(), "tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := []string{
		"GET " + tunnel.Path + " HTTP/1.1", "Host: platform", "Authorization: Bearer " + token, "Connection: Upgrade", "Upgrade: vedette-relay/1",
		"Vedette-Relay-Version: 1", "Vedette-Relay-Host: h", "Vedette-Relay-Instance: i", "Vedette-Relay-Channel: 0", "", "",
	}
	// It may be cut before all of that is written, and before all of the answer is read.
	_, _ = conn.Write([]byte(strings.Join(lines, "\r\n") + strings.Repeat("nonsense ", 10_000)))
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) || len(answer) > 4096 {
		t.Errorf("it was answered %q and then %v", answer, err)
	}
	eventually(t, "the relay is offline", func() bool {
		all, err := p.directory.List(t.Context())
		return err == nil && slices.ContainsFunc(all, func(r relay.Relay) bool { return r.Status == relay.Offline })
	})
}
