package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"vedette.dev/vedette/internal/agent/session/blackout"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// renewEvery is how often an instruction near its end is asked for again.
const renewEvery = time.Hour

// maxSignedBytes bounds a signed instruction, which is in base64, on the wire.
const maxSignedBytes = 2 * agentwire.MaxInstructionBytes

// fetchTimeout bounds the fragments of one instruction together: nothing else
// happens meanwhile.
const fetchTimeout = 10 * time.Minute

// renewPart is the part of an instruction's life, at its end, in which the agent
// looks for a renewal.
const renewPart = 4

var (
	// errInstruction marks an instruction that was received and must not be followed.
	errInstruction = errors.New("instruction refused")
	// errOlder marks one that is refused because a later one was held.
	errOlder = fmt.Errorf("%w: older than one this agent already had", errInstruction)
)

// held is an instruction in force.
type held[T any] struct {
	version int64
	issued  time.Time
	expires time.Time
	body    T
	warned  bool // that it has expired
}

// fetch gets, verifies and decodes an instruction. It returns
// errInstruction for one that must not be followed, among them any version below
// the highest one seen.
func fetch[T any](ctx context.Context, a *Agent, path string, kind agentwire.InstructionKind) (*held[T], *agentwire.SignedInstruction, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var doc bytes.Buffer
	err := a.client.download(ctx, path, &doc, maxSignedBytes)
	if errors.Is(err, errChanged) { // it was signed anew meanwhile
		doc.Reset()
		err = a.client.download(ctx, path, &doc, maxSignedBytes)
	}
	var signed agentwire.SignedInstruction
	if err == nil {
		err = json.Unmarshal(doc.Bytes(), &signed)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("fetch %s: %w", kind, err)
	}
	h, err := take[T](a, &signed, kind)
	if err != nil {
		return nil, nil, err
	}
	return h, &signed, nil
}

// take verifies and decodes an instruction that was just received.
func take[T any](a *Agent, signed *agentwire.SignedInstruction, kind agentwire.InstructionKind) (*held[T], error) {
	h, err := open[T](signed, a.id, kind)
	if err != nil {
		return nil, err
	}
	// What is in force stays so when the key ends; nothing new is taken from it. The
	// time at which an instruction says it was issued is the signer's choice.
	if ended := signed.Key.NotAfter; a.client.now().After(ended) {
		return nil, fmt.Errorf("%w: %s is signed with a key that ended at %s", errInstruction, kind, ended)
	}
	if floor := a.state.Floor[kind]; h.version < floor {
		return nil, fmt.Errorf("%w: %s version %d, had %d", errOlder, kind, h.version, floor)
	}
	return h, nil
}

// open verifies an instruction against the pinned root and decodes its body.
func open[T any](signed *agentwire.SignedInstruction, id *identity, kind agentwire.InstructionKind) (*held[T], error) {
	in, err := signed.Open(id.Root, id.AgentID, kind)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errInstruction, kind, err)
	}
	if in.Version < 1 && kind != agentwire.KindDemands {
		return nil, fmt.Errorf("%w: %s version %d is not above 0", errInstruction, kind, in.Version)
	}
	h := &held[T]{version: in.Version, issued: in.Issued, expires: in.Expires}
	if err := json.Unmarshal(in.Body, &h.body); err != nil {
		return nil, fmt.Errorf("%w: decode %s version %d: %w", errInstruction, kind, in.Version, err)
	}
	return h, nil
}

// load reads a stored instruction and verifies it again. One that cannot be used
// is set aside and fetched anew; until then the agent goes on without it.
func load[T any](a *Agent, name string, kind agentwire.InstructionKind) (*held[T], error) {
	var signed agentwire.SignedInstruction
	err := a.dir.read(name, &signed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var h *held[T]
	if err == nil {
		h, err = open[T](&signed, a.id, kind)
	}
	if err == nil && h.version < a.state.Floor[kind] {
		err = fmt.Errorf("%w: version %d, had %d", errOlder, h.version, a.state.Floor[kind])
	}
	if err == nil {
		a.state.Floor[kind] = h.version // also where the state was lost
		return h, nil
	}
	aside, moved := a.dir.setAside(name, "refused")
	if moved != nil {
		return nil, errors.Join(err, moved)
	}
	a.log.Error("stored instruction cannot be used: set aside, it is fetched again", "kind", kind, "file", aside, "error", err)
	return nil, nil
}

// replaces reports whether an instruction that was fetched says something new, or
// comes when a renewal is looked for. Every other one need not be written again.
func (h *held[T]) replaces(before *held[T], now time.Time) bool {
	return version(before) != h.version || before.ending(now)
}

// ending reports whether a renewal should be looked for.
func (h *held[T]) ending(now time.Time) bool {
	return h != nil && now.After(h.expires.Add(-h.expires.Sub(h.issued)/renewPart))
}

func version[T any](h *held[T]) int64 {
	if h == nil {
		return 0
	}
	return h.version
}

// storeProfile fetches the profile, stores it and applies it.
func (a *Agent) storeProfile(ctx context.Context) error {
	profile, signed, err := fetch[agentwire.Profile](ctx, a, agentwire.PathConfig, agentwire.KindProfile)
	if err != nil || !profile.replaces(a.profile, a.client.now()) {
		return err
	}
	if err := a.dir.write(profileFile, signed); err != nil {
		return err
	}
	if version(a.profile) != profile.version {
		a.state.Event = agentwire.EventConfigured
	}
	a.state.Floor[agentwire.KindProfile] = profile.version
	if err := a.saveState(); err != nil {
		return err
	}
	a.applyProfile(profile)
	return nil
}

// applyProfile makes a profile rule the agent.
func (a *Agent) applyProfile(profile *held[agentwire.Profile]) {
	changed := version(a.profile) != profile.version
	a.profile = profile
	windows, err := blackout.New(profile.body.Blackout)
	if err != nil {
		a.log.Error("blackout windows of the profile are ignored", "profile", profile.body.Name, "error", err)
	}
	a.windows = windows
	a.client.setPace(a.pace())
	if profile.body.PreventUpdate && a.upgrade.cancel != nil {
		a.upgrade.cancel()
	}
	settings := a.settings()
	if a.cfg.SetLogLevel != nil {
		a.cfg.SetLogLevel(settings.LoggingLevel())
	}
	if changed {
		a.log.Info("profile applied", "event", agentwire.EventConfigured, "profile", profile.body.Name, "version", profile.version,
			"status interval", settings.StatusInterval(), "inventory interval", a.schedule(agentwire.ModuleInventory).interval, "suspended", profile.body.SuspendScanning)
	}
}

// settings are the performance settings in force; before the first profile, the
// Low ones.
func (a *Agent) settings() performance.Settings {
	if a.profile == nil {
		return nil
	}
	return a.profile.body.Performance
}

// storeManifest fetches the manifest and stores it.
func (a *Agent) storeManifest(ctx context.Context) error {
	manifest, signed, err := fetch[agentwire.Manifest](ctx, a, agentwire.PathManifest, agentwire.KindManifest)
	a.scans.refused = nil
	if errors.Is(err, errInstruction) {
		a.scans.refused = err
	}
	if err != nil || !manifest.replaces(a.manifest, a.client.now()) {
		return err
	}
	if err := a.dir.write(manifestFile, signed); err != nil {
		return err
	}
	changed := version(a.manifest) != manifest.version
	if changed {
		a.state.Event = agentwire.EventManifest
	}
	a.state.Floor[agentwire.KindManifest] = manifest.version
	a.state.follow(manifest, a.clock.Now())
	if err := a.saveState(); err != nil {
		return err
	}
	a.manifest = manifest
	if changed {
		a.log.Info("manifest stored", "event", agentwire.EventManifest, "manifest", manifest.body.Name, "version", manifest.version)
	}
	return nil
}

// storeDemands fetches the on-demand requests and records them.
func (a *Agent) storeDemands(ctx context.Context) error {
	list, _, err := fetch[agentwire.DemandList](ctx, a, agentwire.PathDemands, agentwire.KindDemands)
	if errors.Is(err, errOlder) { // the requests that were announced have ended meanwhile
		a.log.Debug("list of on-demand requests is not taken", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	if len(list.body.Demands) > agentwire.MaxDemands {
		return fmt.Errorf("%w: %d on-demand requests, at most %d are allowed", errInstruction, len(list.body.Demands), agentwire.MaxDemands)
	}
	a.state.Floor[agentwire.KindDemands] = list.version
	for _, r := range a.state.record(list.body.Demands) {
		if reason := a.refusal(r.Type); reason != "" {
			r.end(requestRejected, reason)
			a.log.Warn("on-demand scan rejected", "request", r.ID, "type", r.Type, "reason", reason)
			a.note(Refused, r.String(), reason)
			continue
		}
		a.log.Info("on-demand scan accepted", "request", r.ID, "type", r.Type, "override cpu", r.OverrideCPU)
	}
	return a.saveState()
}

// warnExpired says once of each instruction that it has run out. It stays in
// force: an agent that falls silent helps nobody.
func (a *Agent) warnExpired(now time.Time) {
	if a.profile != nil && !a.profile.warned && now.After(a.profile.expires) {
		a.profile.warned = true
		a.log.Warn("profile has expired and stays in force until the platform renews it", "version", a.profile.version, "expired", a.profile.expires)
	}
	if a.manifest != nil && !a.manifest.warned && now.After(a.manifest.expires) {
		a.manifest.warned = true
		a.log.Warn("manifest has expired and stays in force until the platform renews it", "version", a.manifest.version, "expired", a.manifest.expires)
	}
}
