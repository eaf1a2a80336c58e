package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// maxRounds bounds the status requests of one contact: one, one that confirms
// what was fetched, and one for what changed meanwhile.
const maxRounds = 3

// contacts is what the status requests of this run have shown.
type contacts struct {
	reached bool      // the platform answered in this run, and since the last failure
	renewed time.Time // when a renewal was last looked for
}

// provision asks the platform to make this host an agent.
func (a *Agent) provision(ctx context.Context) error {
	a.active = true
	request := agentwire.ProvisionRequest{
		ActivationID: a.id.ActivationID, CustomerID: a.id.CustomerID,
		PublicKey: public(a.id.key), AgentVersion: a.cfg.Version, Host: a.cfg.Host,
	}
	var answer agentwire.ProvisionAnswer
	if err := a.client.send(ctx, http.MethodPost, agentwire.PathProvision, request, &answer, agentwire.MaxMessageBytes); err != nil {
		return fmt.Errorf("provision at %s: %w", a.id.ServerURI, err)
	}
	next := *a.id
	next.AgentID, next.Root, next.Provisioned = answer.AgentID, answer.Root, a.clock.Now().UTC()
	if !next.provisioned() || next.check() != nil {
		return fmt.Errorf("provision at %s: answer holds no valid agent id and root key", a.id.ServerURI)
	}
	if err := a.dir.write(identityFile, &next); err != nil {
		return err
	}
	a.id = &next
	a.renewClient()
	a.state.Agent, a.state.Event = next.AgentID, agentwire.EventProvisioned
	a.log.Info("provisioned", "event", agentwire.EventProvisioned, "agent", next.AgentID, "server", next.ServerURI)
	return a.saveState()
}

// renewClient makes requests carry the present identity.
func (a *Agent) renewClient() {
	offset := a.client.now().Sub(a.cfg.Wall())
	a.client = newClient(a.id, a.cfg.Transport, a.cfg.Wall, a.log, a.sequence)
	a.client.offset = offset
	a.client.setPace(a.pace())
}

// tryProvision handles the event that makes this host an agent, or one again.
func (a *Agent) tryProvision(ctx context.Context) {
	err := a.provision(ctx)
	if ctx.Err() != nil {
		return
	}
	t, now := &a.timers[eventProvision], a.clock.Now()
	if err == nil {
		a.succeeded(eventProvision)
		t.start(now, a.spread.regular())
		return
	}
	t.failures++
	delay := a.spread.doubling(t.failures, firstRetry, a.interval(eventProvision))
	t.at(now.Add(a.obey(err, t.failures, delay)))
	a.complain(eventProvision, err)
}

// contact sends the consolidated status request and fetches what has changed.
func (a *Agent) contact(ctx context.Context) {
	a.active = true
	var refused error
	changed, rounds := true, 0
	for changed && refused == nil && rounds < maxRounds {
		var err error
		changed, refused, err = a.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			a.contactFailed(err)
			return
		}
		rounds++
	}
	a.poll.settle(!changed && rounds > 1)
	now := a.clock.Now()
	a.again(eventStatus)
	if refused == nil {
		a.succeeded(eventStatus)
	} else {
		// The platform was reached; what it sent changes nothing here.
		a.timers[eventStatus].failures, a.timers[eventStatus].busy, a.contacts.reached = 0, 0, true
		a.complain(eventStatus, refused)
	}
	a.feel(HealthReached)
	a.warnExpired(a.client.now())
	next := a.due(eventStatus)
	a.state.LastContact, a.state.NextStatus = now.UTC(), next.UTC()
	a.state.Ahead = a.client.ahead()
	if err := a.saveState(); err != nil {
		return
	}
	a.log.Debug("status sent", "next", next)
}

// round is one status request and what its answer asks for. Instructions that
// must not be followed are reported apart: they do not mean that the platform is
// out of reach.
func (a *Agent) round(ctx context.Context) (changed bool, untrusted, err error) {
	if a.sequence.forked() {
		a.runID, a.echo = newRun(), ""
	}
	status := agentwire.StatusRequest{
		AgentVersion: a.cfg.Version, Event: a.state.Event,
		Run: a.runID, Fingerprint: a.cfg.Host.Fingerprint, Echo: a.echo, Ahead: int64(a.client.ahead() / time.Second),
		Profile: version(a.profile), Manifest: version(a.manifest),
		Demands: a.highestDemands(), Release: a.heldRelease(),
	}
	a.echo = "" // said once: whatever it was, it must not spoil the requests after this
	var answer agentwire.StatusAnswer
	if err := a.client.send(ctx, http.MethodPost, agentwire.PathStatus, status, &answer, agentwire.MaxMessageBytes); err != nil {
		return false, nil, fmt.Errorf("send status: %w", err)
	}
	a.welcome, a.echo = true, answer.Echo
	a.announced(answer.Release)
	answer.Release = 0 // nothing to fetch now
	if a.cfg.Legacy {  // timers of their own ask for these
		answer.Profile, answer.Manifest = 0, 0
	}
	changed = !answer.Unchanged()
	if !a.cfg.Legacy {
		a.renewals(&answer)
	}
	for _, part := range []struct {
		version int64
		store   func(context.Context) error
	}{{answer.Profile, a.storeProfile}, {answer.Manifest, a.storeManifest}, {answer.Demands, a.storeDemands}} {
		if part.version == 0 {
			continue
		}
		if failed := part.store(ctx); errors.Is(failed, errInstruction) {
			untrusted = errors.Join(untrusted, failed)
		} else {
			err = errors.Join(err, failed)
		}
	}
	return changed, untrusted, err
}

// renewals adds instructions near their end to what is fetched: a renewal keeps
// its version, so the platform does not announce it.
func (a *Agent) renewals(answer *agentwire.StatusAnswer) {
	now := a.client.now()
	if now.Sub(a.contacts.renewed) < renewEvery {
		return
	}
	if a.profile.ending(now) {
		answer.Profile, a.contacts.renewed = a.profile.version, now
	}
	if a.manifest.ending(now) {
		answer.Manifest, a.contacts.renewed = a.manifest.version, now
	}
}

// contactFailed decides what a failed status request means. Nothing but what the
// platform has signed changes who the agent is or what it holds.
func (a *Agent) contactFailed(err error) {
	early := false
	switch {
	case refusedAs(err, agentwire.ProblemUnknownAgent):
		if err = a.unknown(err); err == nil {
			return
		}
		early = errors.Is(err, errYoung)
	case refusedAs(err, agentwire.ProblemUninstall):
		if err = a.ordered(err); err == nil {
			return
		}
	case refusedAs(err, agentwire.ProblemCloned):
		if err = a.separate(err); err == nil {
			return
		}
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.busy() {
		a.feel(HealthReached)
	} else {
		a.contacts.reached = false
	}
	a.failed(eventStatus, err)
	if early { // the same answer then makes this host a new asset
		a.timers[eventStatus].at(a.due(eventProvision))
	}
}

// failed decides when an event is tried again.
func (a *Agent) failed(e event, err error) {
	t, interval := &a.timers[e], a.interval(e)
	refusal, refused := errors.AsType[*Refusal](err)
	busy := refused && refusal.busy()
	if busy {
		t.busy++
	} else {
		t.failures++
		t.busy = 0
	}
	var delay time.Duration
	switch {
	case !busy && (a.profile == nil || a.manifest == nil || a.cfg.OnTrial && a.health != HealthReached):
		// Somebody is waiting for a new host, and new hosts are few; or the old version
		// is, to take over again.
		delay = a.spread.doubling(t.failures, firstRetry, interval)
	default:
		delay = a.spread.retry(interval)
	}
	t.at(a.clock.Now().Add(a.obey(err, t.busy, delay)))
	a.complain(e, err)
}

// obey replaces a delay by the platform's Retry-After, where it sent one. A
// platform that is still too busy when its agents come back is given twice as
// long each time, up to the status interval: it does not know how many they are.
func (a *Agent) obey(err error, inRow int, delay time.Duration) time.Duration {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || refusal.RetryAfter <= 0 {
		return delay
	}
	wait := refusal.RetryAfter
	most := a.interval(eventStatus)
	for i := 1; i < inRow && wait < most; i++ {
		wait = min(2*wait, most)
	}
	return a.spread.after(wait)
}

// complain logs a failure of an event when it differs from the one before.
func (a *Agent) complain(e event, err error) {
	a.noteFailure(e, err)
	text := "network" // whose errors name ports that change with every attempt
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		text = strconv.Itoa(refusal.Status) + refusal.Code
	} else if errors.Is(err, errInstruction) {
		text = err.Error()
	}
	t := &a.timers[e]
	if text == t.problem {
		a.log.Debug("platform still not reached", "for", e, "error", err)
		return
	}
	t.problem = text
	a.log.Error("contact failed", "for", e, "error", err, "next step", Advice(err), "next attempt", a.due(e))
}

// Advice is what a person can do about a failed contact.
func Advice(err error) string {
	switch {
	case DiskFull(err):
		return "free space on the file system of the state folder; an agent that ended goes on when it is started again, and nothing that was acknowledged is lost"
	case refusedAs(err, agentwire.ProblemKeyRefused):
		return "check ActivationId and CustomerId, and on the platform that the activation key is enabled, not expired and not used up"
	case refusedAs(err, agentwire.ProblemBadSignature):
		return "if the state folder was copied from another host, provision this host with a folder of its own; the identity is kept"
	case errors.Is(err, errUnknownElsewhere):
		return "check that ServerUri is the platform this host was provisioned at, and that nothing answers in its place; the identity is kept. To join another platform, stop the agent, remove its state folder and provision again"
	case errors.Is(err, errYoung):
		return "none: a removed agent provisions again by itself"
	case errors.Is(err, errSharedAgain):
		return "if nothing was copied from this machine, find out why its hardware facts change (product id, serial numbers, machine-id); the identity is kept"
	case errors.Is(err, errInstruction):
		return "check that ServerUri is the platform this host was provisioned at; the instruction in force stays"
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.busy() {
		return "none: the platform is busy"
	}
	return "check ServerUri, CaFile, the network and the proxy"
}

// succeeded notes that the platform was reached and understood.
func (a *Agent) succeeded(e event) {
	t := &a.timers[e]
	if t.problem != "" {
		a.log.Info("platform reached again", "for", e, "after failures", t.failures)
	}
	t.problem, t.failures, t.busy = "", 0, 0
	a.contacts.reached = true
}

// unreported returns a request whose state the platform has not acknowledged.
func (a *Agent) unreported() *request {
	for _, r := range a.state.Requests {
		if r.Unreported {
			return r
		}
	}
	return nil
}

func (a *Agent) reportWanted() bool { return a.id.provisioned() && a.unreported() != nil }

// report tells the platform the state of one on-demand request.
func (a *Agent) report(ctx context.Context) {
	a.active = true
	r := a.unreported()
	report := agentwire.ScanReport{State: agentwire.ScanRunning}
	switch r.State {
	case requestRejected:
		report = agentwire.ScanReport{State: agentwire.ScanRejected, Reason: r.Reason}
	case requestFailed:
		report = agentwire.ScanReport{State: agentwire.ScanFailed, Reason: r.Reason}
	}
	path := agentwire.PathScans + strconv.FormatInt(r.ID, 10) + "/state"
	err := a.client.send(ctx, http.MethodPost, path, report, nil, agentwire.MaxMessageBytes)
	if ctx.Err() != nil {
		return
	}
	if err != nil && !settled(err) {
		a.consult(err)
		a.noteFailure(eventReport, err)
		t := &a.timers[eventReport]
		t.failures++
		delay := a.spread.doubling(t.failures, firstRetry, a.interval(eventStatus))
		t.at(a.clock.Now().Add(a.obey(err, t.failures, delay)))
		a.log.Debug("scan report failed", "request", r.ID, "error", err)
		return
	}
	if err != nil {
		a.note(Refused, "report on "+r.String(), err.Error())
		a.log.Warn("platform does not take the state of an on-demand scan", "request", r.ID, "state", report.State, "error", err)
	}
	a.timers[eventReport].failures = 0
	r.Unreported = false
	_ = a.saveState() // a failure ends the loop; the report is then repeated, which changes nothing
}

// settled reports whether an error is the platform's last word on a request:
// repeating it would be answered the same. An answer without one of the
// platform's own codes is that of something in between, a proxy, and passes; so
// does a request that took too long on its way.
func settled(err error) bool {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || refusal.Status == http.StatusRequestTimeout {
		return false
	}
	switch refusal.Code {
	case agentwire.ProblemInvalid, agentwire.ProblemTooLarge, agentwire.ProblemOffsetMismatch:
		return true
	}
	return false
}

// highestDemands is the version of the last list of on-demand requests. An empty
// list has a version too; without it that list would be sent again.
func (a *Agent) highestDemands() int64 {
	return max(a.state.Highest, a.state.Floor[agentwire.KindDemands])
}
