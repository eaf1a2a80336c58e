// Package trust verifies release metadata as The Update Framework's client
// workflow says (specification 1.0, section 5). Main is the program; Judge is the
// verification.
//
// It departs from the specification in two points. All documents come in one
// answer, which changes how they travel and not how they are verified. And the
// root metadata that trust begins with is not shipped: it is the version 1 whose
// only root key is the one that the agent pinned when it was provisioned.
package trust

import (
	"cmp"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"vedette.dev/vedette/internal/agent/release"
	"vedette.dev/vedette/internal/agentwire"
)

// maxQuestionBytes bounds a question: what is held and what is offered, in base64
// once more.
const maxQuestionBytes = 4 * agentwire.MaxReleaseBytes

// Main answers the question on in and returns the exit status, 0 or 1. That
// something was refused is an answer.
func Main(in io.Reader, out, errOut io.Writer) int {
	var q release.Question
	err := json.NewDecoder(io.LimitReader(in, maxQuestionBytes)).Decode(&q)
	if err == nil {
		err = json.NewEncoder(out).Encode(Judge(q))
	}
	if err != nil {
		fmt.Fprintf(errOut, "release metadata: %v\n", err)
		return 1
	}
	return 0
}

// Judge verifies what is offered on top of what is held.
func Judge(q release.Question) release.Answer {
	j := judge{q: q, answer: release.Answer{Trusted: q.Held}}
	if err := j.run(); err != nil {
		j.answer.Refused = err.Error()
	}
	return j.answer
}

type judge struct {
	q      release.Question
	set    *trustedmetadata.TrustedMetadata
	answer release.Answer
}

func (j *judge) run() error {
	for _, step := range []func() error{j.root, j.timestamp, j.snapshot, j.targets} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// root follows the chain of root keys. When the keys of timestamp or snapshot were
// replaced, what those keys signed is forgotten: versions that were raised with a
// stolen key would keep the good ones out (section 5.3.11).
func (j *judge) root() error {
	first, next := j.q.Held.Roots, j.q.Offered.Roots
	if len(first) == 0 {
		if len(next) == 0 {
			return errors.New("the platform offers no root metadata")
		}
		if err := pinned(next[0], j.q.Pin); err != nil {
			return err
		}
		first, next = next[:1], next[1:]
	}
	set, err := trustedmetadata.New(first[0])
	if err != nil {
		return fmt.Errorf("root metadata: %w", err)
	}
	j.set, set.RefTime = set, j.q.Now
	j.answer.Trusted.Roots = first[:1]
	before := set.Root
	for _, doc := range next {
		if _, err := set.UpdateRoot(doc); err != nil {
			return fmt.Errorf("root metadata after version %d: %w", set.Root.Signed.Version, err)
		}
		j.answer.Trusted.Roots = [][]byte{doc}
	}
	for _, role := range []string{metadata.TIMESTAMP, metadata.SNAPSHOT} {
		if !sameKeys(before, set.Root, role) {
			j.q.Held.Timestamp, j.q.Held.Snapshot = nil, nil
			j.answer.Trusted.Timestamp, j.answer.Trusted.Snapshot = nil, nil
		}
	}
	return nil
}

// pinned refuses root metadata that does not begin with the pinned key alone.
func pinned(doc, pin []byte) error {
	root, err := metadata.Root().FromBytes(doc)
	if err != nil {
		return fmt.Errorf("root metadata: %w", err)
	}
	key, err := metadata.KeyFromPublicKey(ed25519.PublicKey(pin))
	if err != nil {
		return fmt.Errorf("pinned root key: %w", err)
	}
	id, err := key.ID()
	if err != nil {
		return fmt.Errorf("pinned root key: %w", err)
	}
	role := root.Signed.Roles[metadata.ROOT]
	listed := root.Signed.Keys[id]
	if root.Signed.Version != 1 || role == nil || len(role.KeyIDs) != 1 || role.KeyIDs[0] != id || listed == nil || listed.Value.PublicKey != key.Value.PublicKey {
		return errors.New("root metadata version 1 is not that of the root key this agent pinned when it was provisioned")
	}
	return nil
}

func sameKeys(a, b *metadata.Metadata[metadata.RootType], role string) bool {
	of := func(m *metadata.Metadata[metadata.RootType]) []string {
		if r := m.Signed.Roles[role]; r != nil {
			return slices.Sorted(slices.Values(r.KeyIDs))
		}
		return nil
	}
	return slices.Equal(of(a), of(b))
}

func (j *judge) timestamp() error {
	if j.q.Held.Timestamp != nil {
		// One that has expired is still what later ones are compared with.
		_, _ = j.set.UpdateTimestamp(j.q.Held.Timestamp)
	}
	held := j.set.Timestamp
	_, err := j.set.UpdateTimestamp(j.q.Offered.Timestamp)
	if j.set.Timestamp != nil && j.set.Timestamp != held {
		j.answer.Trusted.Timestamp = j.q.Offered.Timestamp // also if it has expired
	}
	if j.set.Timestamp != nil {
		j.answer.Version, j.answer.Expires = j.set.Timestamp.Signed.Version, j.set.Timestamp.Signed.Expires
	}
	if _, same := errors.AsType[*metadata.ErrEqualVersionNumber](err); err != nil && !same {
		return fmt.Errorf("timestamp metadata: %w", err)
	}
	return nil
}

func (j *judge) snapshot() error {
	if j.q.Held.Snapshot != nil {
		if _, err := j.set.UpdateSnapshot(j.q.Held.Snapshot, true); err == nil {
			return nil // still the current one
		}
	}
	held := j.set.Snapshot
	_, err := j.set.UpdateSnapshot(j.q.Offered.Snapshot, false)
	if j.set.Snapshot != nil && j.set.Snapshot != held {
		j.answer.Trusted.Snapshot = j.q.Offered.Snapshot
	}
	if err != nil {
		return fmt.Errorf("snapshot metadata: %w", err)
	}
	return nil
}

func (j *judge) targets() error {
	doc := j.q.Held.Targets
	signed, err := j.heldTargets()
	if signed == nil {
		doc = j.q.Offered.Targets
		signed, err = j.set.UpdateTargets(doc)
	}
	if err != nil {
		return fmt.Errorf("targets metadata: %w", err)
	}
	j.answer.Trusted.Targets = doc
	for name, file := range signed.Signed.Targets {
		version, system, machine, ok := agentwire.ParseReleaseName(name)
		sum := file.Hashes["sha256"]
		if !ok || system != j.q.System || machine != j.q.Machine || len(sum) != 32 || file.Length <= 0 || file.Length > agentwire.MaxPackageBytes {
			continue
		}
		j.answer.Targets = append(j.answer.Targets, release.Target{Name: name, Version: version, SHA256: hex.EncodeToString(sum), Size: file.Length})
	}
	slices.SortFunc(j.answer.Targets, func(a, b release.Target) int {
		return cmp.Or(agentwire.CompareVersions(b.Version, a.Version), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

// heldTargets returns the targets that are held while they are the current ones.
func (j *judge) heldTargets() (*metadata.Metadata[metadata.TargetsType], error) {
	if j.q.Held.Targets == nil {
		return nil, nil
	}
	signed, err := j.set.UpdateTargets(j.q.Held.Targets)
	if err != nil {
		return nil, nil //nolint:nilerr // an older version is no fault: the offered one takes its place
	}
	return signed, nil
}
