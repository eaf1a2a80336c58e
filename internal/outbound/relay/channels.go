package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
)

// Admission says whose token it is.
type Admission interface {
	// Admit returns the relay of a token, or fault.Unauthenticated.
	Admit(ctx context.Context, token string) (relay.Relay, error)
}

// Presence is where all replicas of a platform say which channels they have.
type Presence interface {
	// Relay returns a relay, or fault.NotFound.
	Relay(ctx context.Context, id int64) (relay.Relay, error)
	// OpenRelayChannel stores a channel in place of the one that its replica had to
	// the relay, and what the relay says of itself. A generation that is over is
	// fault.Unauthenticated.
	OpenRelayChannel(ctx context.Context, c relay.Channel) error
	// KeepRelayChannels says that a replica still has channels to these relays.
	KeepRelayChannels(ctx context.Context, replica string, relayIDs []int64, at time.Time) error
	// CloseRelayChannel removes a channel that is still the one that was opened then.
	CloseRelayChannel(ctx context.Context, replica string, relayID int64, opened, at time.Time) error
	// RelayStandings returns the standings of those relays that still exist.
	RelayStandings(ctx context.Context, relayIDs []int64) ([]relay.Standing, error)
}

// Options are what Channels needs.
type Options struct {
	Admission Admission
	Presence  Presence
	// Replica is a random name of this replica of the platform.
	Replica string
	// Shared says that there may be other replicas.
	Shared bool
	Limits Limits
	Now    func() time.Time
	Log    *slog.Logger
}

// Channels are the channels that a replica of a platform has to relays. Run must
// run; everything else is safe for concurrent use.
type Channels struct {
	Options

	mu       sync.Mutex
	channels map[int64]*channel    // by relay
	opening  map[int64]relay.Hello // channels that are being opened, by relay
	stopped  bool
	running  sync.WaitGroup
}

// NewChannels returns channels to no relay yet.
func NewChannels(o Options) *Channels {
	o.Limits = o.Limits.withDefaults()
	return &Channels{Options: o, channels: make(map[int64]*channel), opening: make(map[int64]relay.Hello)}
}

// checkEvery is how often it is looked whether tokens ended on another replica.
const checkEvery = 5 * time.Second

// Run keeps what the database knows of the channels until ctx ends; then it ends
// them all and waits for that.
func (c *Channels) Run(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	var kept time.Time
	for {
		select {
		case <-ctx.Done():
			c.stop()
			return
		case <-ticker.C:
		}
		err := c.Check(ctx)
		if now := c.Now(); now.Sub(kept) >= relay.KeptEvery {
			kept = now
			err = errors.Join(err, c.Keep(ctx))
		}
		if err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "the standing of relays is not known", "error", err)
		}
	}
}

func (c *Channels) stop() {
	c.mu.Lock()
	c.stopped = true
	for _, ch := range c.channels {
		ch.end(reasonStopping)
	}
	c.mu.Unlock()
	c.running.Wait()
}

// Check ends the channels of relays whose token has ended, and those of an
// instance that another one with the same token followed on some replica.
func (c *Channels) Check(ctx context.Context) error {
	current := c.current()
	if len(current) == 0 {
		return nil
	}
	standings, err := c.Presence.RelayStandings(ctx, idsOf(current))
	if err != nil {
		return err
	}
	known := make(map[int64]relay.Standing, len(standings))
	for _, s := range standings {
		known[s.RelayID] = s
	}
	for id, ch := range current {
		switch s, there := known[id]; {
		case !there, s.Generation != ch.relay.Generation:
			ch.end(reasonRevoked)
		case s.Instance != "" && s.Instance != ch.hello.Instance:
			ch.end(reasonReplaced)
		}
	}
	return nil
}

// Keep tells the database which channels there are.
func (c *Channels) Keep(ctx context.Context) error {
	current := c.current()
	if len(current) == 0 {
		return nil
	}
	return c.Presence.KeepRelayChannels(ctx, c.Replica, idsOf(current), c.Now())
}

func (c *Channels) current() map[int64]*channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int64]*channel, len(c.channels))
	for id, ch := range c.channels {
		all[id] = ch
	}
	return all
}

func idsOf(channels map[int64]*channel) []int64 {
	ids := make([]int64, 0, len(channels))
	for id := range channels {
		ids = append(ids, id)
	}
	return ids
}

// Ended ends the channel to a relay whose token has ended. It does not wait.
func (c *Channels) Ended(relayID int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.channels[relayID]; ch != nil {
		ch.end(reasonRevoked)
	}
}

// Upgrade takes a request for a channel and serves the channel until it ends. An
// error that is returned has not been answered: nothing was written.
func (c *Channels) Upgrade(w http.ResponseWriter, r *http.Request) error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return fault.New(fault.Unauthenticated, "The token of a relay is missing.", "Send it as Authorization: Bearer, as 'vedette relay' does.")
	}
	admitted, err := c.Admission.Admit(r.Context(), strings.TrimSpace(token))
	if err != nil {
		return err
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
		return fault.New(fault.Invalid, "The request asks for no upgrade to "+protocol+".",
			"Use a version of 'vedette relay' that fits the platform; a proxy between them must pass HTTP/1.1 upgrades on, as it does for WebSocket.")
	}
	hello, err := helloOf(r.Header)
	if err != nil {
		return err
	}
	registered, leave, err := c.enter(admitted, hello)
	if err != nil {
		return err
	}
	defer leave()
	ctx := context.WithoutCancel(r.Context()) // it outlives the limits of a request
	opened := c.Now().UTC()
	remote, _, _ := net.SplitHostPort(r.RemoteAddr)
	if err := c.Presence.OpenRelayChannel(r.Context(), relay.Channel{
		RelayID: admitted.ID, Generation: admitted.Generation, Replica: c.Replica, Remote: remote, Opened: opened, Hello: hello,
	}); err != nil {
		return err
	}
	log := c.Log.With("relay", admitted.Name, "from", r.RemoteAddr, "host", hello.Host)
	defer func() {
		closing, cancel := context.WithTimeout(ctx, parting)
		defer cancel()
		if err := c.Presence.CloseRelayChannel(closing, c.Replica, admitted.ID, opened, c.Now()); err != nil {
			log.WarnContext(ctx, "that a relay is disconnected was not stored", "error", err) // and shows later
		}
	}()
	conn, err := hijack(w, admitted.Name)
	if err != nil {
		return err
	}
	if err := c.serve(ctx, newChannel(admitted, hello, opened, conn, c.Limits, log), registered); err != nil {
		log.WarnContext(ctx, "the channel to a relay was not opened", "error", err)
	}
	return nil
}

// enter takes a place for a channel that is being opened. A relay has one channel
// to a replica: a second one of the same instance came by another URL that leads
// to the same replica, and would be of no use. One of another instance, or one
// that comes back by the same URL, takes the place of the first. leave gives the
// place back, opened when there is a channel in it.
func (c *Channels) enter(r relay.Relay, hello relay.Hello) (opened, leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.channels[r.ID]
	beside, busy := c.opening[r.ID]
	switch {
	case c.stopped:
		return nil, nil, fault.New(fault.Busy, "The platform is stopping.", "Try again in a moment.")
	case before != nil && sibling(before.hello, hello), busy && sibling(beside, hello):
		return nil, nil, fault.New(fault.Conflict, "This replica of the platform has a channel to the relay already.", "Give the relay one --url for each replica.")
	case busy:
		return nil, nil, fault.New(fault.Busy, "Another channel to the relay is being opened.", "Try again in a moment.")
	case before == nil && len(c.channels)+len(c.opening) >= maxChannels:
		return nil, nil, fault.New(fault.Busy, fmt.Sprintf("%d relays are connected to this replica, which is the limit.", maxChannels), "Connect the relay to another replica.")
	}
	c.opening[r.ID] = hello
	c.running.Add(1)
	opened = sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.opening, r.ID)
	})
	return opened, func() {
		opened()
		c.running.Done()
	}, nil
}

// sibling reports whether two channels are of one instance, by two URLs.
func sibling(a, b relay.Hello) bool { return a.Instance == b.Instance && a.Number != b.Number }

// hijack answers a request for a channel and returns its connection.
func hijack(w http.ResponseWriter, name string) (net.Conn, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, &fault.Error{Code: fault.Invalid, Message: "The connection cannot be upgraded.", Resolution: "Open the channel with HTTP/1.1; a proxy between relay and platform must not turn it into HTTP/2.", Err: err}
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n" + headerName + ": " + name + "\r\n\r\n"
	_ = conn.SetWriteDeadline(time.Now().Add(parting)) // a connection without deadlines fails at the write
	if _, err := conn.Write([]byte(answer)); err != nil {
		_ = conn.Close() // it is broken
		return nil, fmt.Errorf("answer the request for a channel: %w", err)
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return &joined{Conn: conn, reader: buffered.Reader}, nil
}

// serve has a channel be the one to its relay until it ends. registered is called
// when it is.
func (c *Channels) serve(ctx context.Context, ch *channel, registered func()) error {
	if err := ch.start(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	before := c.channels[ch.relay.ID]
	c.channels[ch.relay.ID] = ch
	if before != nil {
		why := reasonReplaced
		if before.hello.Instance == ch.hello.Instance {
			why = reasonStopping // it knows, and has come back
		}
		before.end(why)
	}
	if c.stopped {
		ch.end(reasonStopping)
	}
	c.mu.Unlock()
	registered()
	if before != nil && before.hello.Instance != ch.hello.Instance {
		ch.log.WarnContext(ctx, "another relay came with the same token and takes the place of the first", "first", before.hello.Host)
	}
	ch.log.InfoContext(ctx, "a relay is connected", "version", ch.hello.Version)
	why := ch.run(ctx)
	ch.log.InfoContext(ctx, "a relay is disconnected", "reason", why)

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channels[ch.relay.ID] == ch { // and not one that followed
		delete(c.channels, ch.relay.ID)
	}
	return nil
}
