package session

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/agent/session/blackout"
	"vedette.dev/vedette/internal/agentwire"
)

// maxRounds bounds the status requests of one contact: one, one that confirms
// what was fetched, and one for what changed meanwhile.
const maxRounds = 3

// reprovisionAfter is how long an identity lives before an answer "unknown
// agent" makes the host a new asset: a replica that lags or is broken must not
// multiply assets.
const reprovisionAfter = 15 * time.Minute

// contacts is the schedule of the agent's own requests.
type contacts struct {
	provision, status, report time.Time // when next
	failures                  int       // of provisioning or status requests in a row
	busy                      int       // status requests in a row that the platform was too busy for
	reportFailures            int
	reached                   bool // the platform answered in this run, and since the last failure
	problem                   string
	renewed                   time.Time // when a renewal was last looked for
}

// provision asks the platform to make this host an agent.
func (a *Agent) provision(ctx context.Context) error {
	a.active = true
	request := agentwire.ProvisionRequest{
		ActivationID: a.id.ActivationID, CustomerID: a.id.CustomerID,
		PublicKey: a.id.private().Public().(ed25519.PublicKey), AgentVersion: a.cfg.Version, Host: a.cfg.Host,
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
}

func (a *Agent) tryProvision(ctx context.Context) {
	err := a.provision(ctx)
	if ctx.Err() != nil {
		return
	}
	now := a.clock.Now()
	if err == nil {
		a.succeeded()
		a.contacts.status = now
		return
	}
	a.contacts.failures++
	delay := a.spread.doubling(a.contacts.failures, firstRetry, provisionRetry)
	a.contacts.provision = now.Add(a.obey(err, a.contacts.failures, delay))
	a.complain(err)
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
	next := a.spread.status
	if a.contacts.failures > 0 {
		next = a.spread.recovered
	}
	if refused == nil {
		a.succeeded()
	} else {
		// The platform was reached; what it sent changes nothing here.
		a.contacts.failures, a.contacts.busy, a.contacts.reached = 0, 0, true
		a.complain(refused)
	}
	a.warnExpired(a.client.now())
	a.contacts.status = now.Add(next(a.statusInterval()))
	a.state.LastContact, a.state.NextStatus = now.UTC(), a.contacts.status.UTC()
	if err := a.saveState(); err != nil {
		return
	}
	a.scans.next = a.nextInventory(now)
	a.log.Debug("status sent", "next", a.contacts.status)
}

// round is one status request and what its answer asks for. Instructions that
// must not be followed are reported apart: they do not mean that the platform is
// out of reach.
func (a *Agent) round(ctx context.Context) (changed bool, untrusted, err error) {
	status := agentwire.StatusRequest{
		AgentVersion: a.cfg.Version, Event: a.state.Event,
		Profile: version(a.profile), Manifest: version(a.manifest),
		Demands: a.highestDemands(),
	}
	var answer agentwire.StatusAnswer
	if err := a.client.send(ctx, http.MethodPost, agentwire.PathStatus, status, &answer, agentwire.MaxMessageBytes); err != nil {
		return false, nil, fmt.Errorf("send status: %w", err)
	}
	changed = !answer.Unchanged()
	a.renewals(&answer)
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

// contactFailed decides when to try again. Nothing but "unknown agent" changes
// who the agent is or what it holds.
func (a *Agent) contactFailed(err error) {
	if refusedAs(err, agentwire.ProblemUnknownAgent) && a.removed() {
		return
	}
	if refusedAs(err, agentwire.ProblemUninstall) {
		if err = a.ordered(err); err == nil {
			return
		}
	}
	interval := a.statusInterval()
	refusal, refused := errors.AsType[*Refusal](err)
	busy := refused && refusal.busy()
	if busy {
		a.contacts.busy++
	} else {
		a.contacts.failures++
		a.contacts.reached, a.contacts.busy = false, 0
	}
	var delay time.Duration
	switch {
	case !busy && (a.profile == nil || a.manifest == nil):
		// Somebody is waiting for a new host, and new hosts are few.
		delay = a.spread.doubling(a.contacts.failures, firstRetry, interval)
	default:
		delay = a.spread.retry(interval)
	}
	a.contacts.status = a.clock.Now().Add(a.obey(err, a.contacts.busy, delay))
	a.complain(err)
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
	for i := 1; i < inRow && wait < a.statusInterval(); i++ {
		wait = min(2*wait, a.statusInterval())
	}
	return a.spread.after(wait)
}

// removed makes a host whose asset was removed a new one: the identity is kept
// aside and everything tied to it goes. It reports false for an identity too
// young to give up.
func (a *Agent) removed() bool {
	if a.clock.Now().Sub(a.id.Provisioned).Abs() < reprovisionAfter {
		return false
	}
	old := a.id
	next, aside, err := replaceIdentity(a.dir, old, &Config{})
	if err != nil {
		a.fatal = err
		return true
	}
	a.id = next
	a.log.Error("the platform does not know this agent any more: provisioning again as a new asset", "agent", old.AgentID, "old identity", aside)
	a.profile, a.manifest, a.windows = nil, nil, blackout.Windows{}
	a.state = newState()
	a.renewClient()
	a.contacts = contacts{provision: a.clock.Now().Add(a.spread.below(firstRetry))}
	if a.fatal = errors.Join(a.dir.remove(profileFile), a.dir.remove(manifestFile)); a.fatal == nil && a.saveState() == nil {
		a.prune()
	}
	return true
}

// complain logs a failure when it differs from the one before.
func (a *Agent) complain(err error) {
	text := "network" // whose errors name ports that change with every attempt
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		text = strconv.Itoa(refusal.Status) + refusal.Code
	} else if errors.Is(err, errInstruction) {
		text = err.Error()
	}
	if text == a.contacts.problem {
		a.log.Debug("platform still not reached", "error", err)
		return
	}
	a.contacts.problem = text
	next := a.contacts.status
	if !a.id.provisioned() {
		next = a.contacts.provision
	}
	a.log.Error("contact failed", "error", err, "next step", Advice(err), "next attempt", next)
}

// Advice is what a person can do about a failed contact.
func Advice(err error) string {
	switch {
	case refusedAs(err, agentwire.ProblemKeyRefused):
		return "check ActivationId and CustomerId, and on the platform that the activation key is enabled, not expired and not used up"
	case refusedAs(err, agentwire.ProblemBadSignature):
		return "if the state folder was copied from another host, provision this host with a folder of its own; the identity is kept"
	case refusedAs(err, agentwire.ProblemUnknownAgent):
		return "none: a removed agent provisions again by itself"
	case errors.Is(err, errInstruction):
		return "check that ServerUri is the platform this host was provisioned at; the instruction in force stays"
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.busy() {
		return "none: the platform is busy"
	}
	return "check ServerUri, CaFile, the network and the proxy"
}

// succeeded notes that the platform was reached and understood.
func (a *Agent) succeeded() {
	if a.contacts.problem != "" {
		a.log.Info("platform reached again", "after failures", a.contacts.failures)
	}
	a.contacts.problem, a.contacts.failures, a.contacts.busy, a.contacts.reached = "", 0, 0, true
}

func (a *Agent) statusInterval() time.Duration {
	return min(a.settings().StatusInterval(), maxStatusInterval)
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

func (a *Agent) reportDue(now time.Time) bool {
	return a.unreported() != nil && !now.Before(a.contacts.report)
}

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
		a.contacts.reportFailures++
		delay := a.spread.doubling(a.contacts.reportFailures, firstRetry, a.statusInterval())
		a.contacts.report = a.clock.Now().Add(a.obey(err, a.contacts.reportFailures, delay))
		a.log.Debug("scan report failed", "request", r.ID, "error", err)
		return
	}
	if err != nil {
		a.log.Warn("platform does not take the state of an on-demand scan", "request", r.ID, "state", report.State, "error", err)
	}
	a.contacts.reportFailures = 0
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
