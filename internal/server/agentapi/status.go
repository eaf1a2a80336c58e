package agentapi

import (
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
)

// provision registers a host. Nobody is known yet, so the signature is verified
// with the key the body brings: the body has to be read first, under its limit.
func (g *Gateway) provision(w http.ResponseWriter, r *http.Request) {
	enrolled, err := g.enrol(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, agentwire.ProvisionAnswer{
		AgentID: enrolled.AgentID, Root: g.Signer.Root, Time: g.Now().UTC(),
	})
}

func (g *Gateway) enrol(r *http.Request) (fleet.Enrolled, error) {
	signature, err := agentwire.ParseSignature(r)
	if err != nil {
		return fleet.Enrolled{}, err
	}
	body, err := signature.ReadBody(r.Body, agentwire.MaxMessageBytes)
	if err != nil {
		return fleet.Enrolled{}, err
	}
	var message agentwire.ProvisionRequest
	if err := decode(body, &message); err != nil {
		return fleet.Enrolled{}, err
	}
	if err := signature.Verify(r, ed25519.PublicKey(message.PublicKey), g.Now()); err != nil {
		return fleet.Enrolled{}, err
	}
	enrolled, err := g.Enroller.Enrol(r.Context(), message, remoteAddr(r))
	if err != nil {
		return fleet.Enrolled{}, err
	}
	g.Log.InfoContext(r.Context(), "agent provisioned", "agent", enrolled.AgentID, "asset", enrolled.HostID,
		"host", message.Host.Name, "known", enrolled.Known)
	return enrolled, nil
}

// status is the consolidated check-in. It reads no database row.
func (g *Gateway) status(w http.ResponseWriter, r *request) error {
	var message agentwire.StatusRequest
	if err := decode(r.body, &message); err != nil {
		return err
	}
	for _, text := range []string{message.AgentVersion, message.Event, message.Run, message.Fingerprint, message.Echo} {
		if len(text) > maxStatusText || strings.ContainsFunc(text, unicode.IsControl) {
			return fault.Newf(fault.Invalid, "version, event, run, fingerprint and echo have at most %d bytes and no control characters", maxStatusText)
		}
	}
	echo, err := g.rightful(r, message)
	if err != nil {
		return err
	}
	ahead := time.Duration(min(max(message.Ahead, -maxAheadSeconds), maxAheadSeconds)) * time.Second
	if g.Roster.Skew(r.agent.AgentID, ahead) {
		g.Log.WarnContext(r.Context(), "the clock of an agent's host differs from the platform's: the agent corrects for it, logs and schedules on the host may be wrong",
			"agent", r.agent.AgentID, "asset", r.agent.HostID, "host ahead by", ahead)
	}
	g.Pulse.Beat(fleet.Heartbeat{
		HostID: r.agent.HostID, At: g.Now(), ConnectedFrom: remoteAddr(r.Request),
		Sequence: r.signature.Sequence, AgentVersion: message.AgentVersion, Event: message.Event,
	})
	news := newsFor(r.agent, held{message.Profile, message.Manifest, message.Demands})
	news.Echo = echo
	if message.Release != 0 { // of an agent that upgrades itself
		if current := g.Releases.Version(); current > message.Release {
			news.Release = current
		}
	}
	if news.Unchanged() {
		w.Header()["Content-Type"] = jsonType
		_, _ = w.Write(unchanged) // an agent that is gone asks again
		return nil
	}
	answer(w, http.StatusOK, news)
	return nil
}

// maxAheadSeconds bounds by how much a clock may be said to be wrong: a century.
const maxAheadSeconds = 100 * 365 * 24 * 3600

// maxStatusText bounds the texts of a status request.
const maxStatusText = 100

var (
	unchanged = []byte("{}")
	jsonType  = []string{"application/json"}
)

// held are the versions an agent has.
type held struct{ profile, manifest, demands int64 }

// newsFor names the current versions that differ from what the agent holds. An
// agent that holds a higher version (of a platform restored from a backup) is
// not told: it would refuse the lower one.
func newsFor(current fleet.AgentState, has held) (news agentwire.StatusAnswer) {
	if current.ProfileVersion > has.profile {
		news.Profile = current.ProfileVersion
	}
	if current.ManifestVersion > has.manifest {
		news.Manifest = current.ManifestVersion
	}
	if current.DemandVersion > has.demands {
		news.Demands = current.DemandVersion
	}
	return news
}

// wakeup holds the request until there is something to ask for: 200, or until
// WakeupWait has passed: 204. The query names the versions the agent holds, so
// that a change between its last status and this poll is not missed.
func (g *Gateway) wakeup(w http.ResponseWriter, r *request) error {
	has, err := heldVersions(r.Request)
	if err != nil {
		return err
	}
	wake, done := g.Wakeups.Wait(r.agent.HostID)
	defer done()
	// Asked again after the waiter is registered: a change either shows here or wakes.
	current, err := g.Roster.Agent(r.Context(), r.agent.AgentID)
	if fault.Is(err, fault.NotFound) {
		return g.sendAway(r.Request, r.signature)
	}
	if err != nil {
		return err
	}
	if !newsFor(current, has).Unchanged() {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	wait := time.NewTimer(agentwire.WakeupWait)
	defer wait.Stop()
	select {
	case <-wake:
		w.WriteHeader(http.StatusOK)
	case <-wait.C:
		w.WriteHeader(http.StatusNoContent)
	case <-server.Draining(r.Context()): // the agent asks again, and finds the next process
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done():
	}
	return nil
}

func heldVersions(r *http.Request) (has held, err error) {
	query := r.URL.Query()
	for name, target := range map[string]*int64{"p": &has.profile, "m": &has.manifest, "d": &has.demands} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		if *target, err = strconv.ParseInt(text, 10, 64); err != nil {
			return held{}, fault.Newf(fault.Invalid, "query %s=%q is not a version", name, text)
		}
	}
	return has, nil
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &fault.Error{Code: fault.Invalid, Message: "the body is not the JSON that belongs here", Err: err}
	}
	return nil
}

func remoteAddr(r *http.Request) string {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return addr.Addr().Unmap().String()
}
