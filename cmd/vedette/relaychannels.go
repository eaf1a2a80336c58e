package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/automation/relay"
	outboundplatform "vedette.dev/vedette/internal/outbound/platform"
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

// dialThrough returns how the targets of a connection are dialled through a relay:
// that of its server URL and no other.
func (p *platform) dialThrough(relayID int64, serverURL string) outboundplatform.Dial {
	target, err := relay.TargetOfURL(serverURL)
	if err != nil {
		return refuseDial(err)
	}
	allow, err := relay.ParseAllowList([]string{target.String()})
	if err != nil {
		return refuseDial(err)
	}
	return p.channels.Dialer(relayID, allow)
}

func refuseDial(err error) outboundplatform.Dial {
	return func(context.Context, string, string) (net.Conn, error) { return nil, err }
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
