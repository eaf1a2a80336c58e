package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/automation/relay"
	tunnel "vedette.dev/vedette/internal/outbound/relay"
	"vedette.dev/vedette/internal/server"
)

// openRelays makes the directory of relays and the channels to them.
func (p *platform) openRelays(now func() time.Time, log *slog.Logger) {
	p.relays = &relay.Directory{Relays: p.store, Now: now}
	p.channels = tunnel.NewChannels(tunnel.Options{
		Admission: p.relays, Presence: p.store, Replica: uuid.NewString(), Shared: p.shared, Now: now, Log: log,
	})
	p.relays.Ended = p.channels.Ended
}

// channelRoute is where relays open their channels. It has no part in budgets:
// who is no relay is refused at once, and a relay stays.
func (p *platform) channelRoute() server.Route {
	return server.Route{Methods: []string{http.MethodGet}, Path: tunnel.Path, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.channels.Upgrade(w, r); err != nil {
			server.Fail(w, r, err)
		}
	})}
}
