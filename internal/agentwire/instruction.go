package agentwire

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// InstructionKind says what an instruction's body is.
type InstructionKind string

// The instructions an agent obeys.
const (
	KindProfile  InstructionKind = "profile"  // Profile
	KindManifest InstructionKind = "manifest" // Manifest
	KindDemands  InstructionKind = "demands"  // DemandList
	// KindUninstall is an Uninstall. It comes in a Problem, in answer to whatever
	// the agent asks.
	KindUninstall InstructionKind = "uninstall"
	// KindClone is a Clone. It comes in a Problem, in answer to a status request.
	KindClone InstructionKind = "clone"
	// KindUnknownAgent is an UnknownAgent. It comes in a Problem, in answer to
	// whatever an agent asks that the platform does not have.
	KindUnknownAgent InstructionKind = "unknown_agent"
)

// Instruction is what the platform tells one agent. Version only rises for one
// audience and kind; the same version may come again with a later Expires.
// Expired instructions stay in force: the agent keeps running and warns.
type Instruction struct {
	Audience string          `json:"aud"` // agent id
	Kind     InstructionKind `json:"kind"`
	Version  int64           `json:"version"`
	Issued   time.Time       `json:"iat"`
	Expires  time.Time       `json:"exp"`
	Body     json.RawMessage `json:"body"`
}

// IssuedEvery is what the time of issue is rounded down to: one instruction that
// is signed again and again within it is the same bytes, which can be downloaded
// in parts.
const IssuedEvery = time.Minute

// SignedInstruction is an instruction on the wire and on the agent's disk.
type SignedInstruction struct {
	Instruction []byte         `json:"instruction"` // the exact bytes that are signed
	Signature   []byte         `json:"signature"`
	Key         InstructionKey `json:"key"`
}

// InstructionKey is the platform's online key, vouched for by the offline root
// that the agent pinned when it was provisioned.
type InstructionKey struct {
	Public    []byte    `json:"public"`
	NotAfter  time.Time `json:"notAfter"`
	Signature []byte    `json:"signature"` // by the root
}

// Domain separation: no signature made for one purpose verifies for another.
const (
	instructionContext = "vedette instruction v1\n"
	keyContext         = "vedette instruction key v1\n"
)

// Instruction errors.
var (
	ErrUntrusted = errors.New("instruction is not signed by this platform")
	ErrAudience  = errors.New("instruction is for another agent or of another kind")
)

// CertifyInstructionKey lets the root vouch for an online key until notAfter.
func CertifyInstructionKey(root ed25519.PrivateKey, public ed25519.PublicKey, notAfter time.Time) InstructionKey {
	key := InstructionKey{Public: public, NotAfter: notAfter.UTC().Truncate(time.Second)}
	key.Signature = ed25519.Sign(root, key.signed())
	return key
}

func (k InstructionKey) signed() []byte {
	return append(k.NotAfter.UTC().AppendFormat([]byte(keyContext), time.RFC3339), k.Public...)
}

// SignInstruction signs an instruction with the online key.
func SignInstruction(in Instruction, key ed25519.PrivateKey, certificate InstructionKey) (*SignedInstruction, error) {
	doc, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode %s instruction: %w", in.Kind, err)
	}
	return &SignedInstruction{
		Instruction: doc,
		Signature:   ed25519.Sign(key, append([]byte(instructionContext), doc...)),
		Key:         certificate,
	}, nil
}

// Open verifies the chain from the pinned root to the instruction and decodes
// it. It returns ErrUntrusted or ErrAudience when the instruction must not be
// followed. The caller compares Version with what it holds and, for an instruction
// it has just received, the key's NotAfter with its clock. Expires only warns.
func (s *SignedInstruction) Open(root ed25519.PublicKey, audience string, kind InstructionKind) (*Instruction, error) {
	if len(root) != ed25519.PublicKeySize || len(s.Key.Public) != ed25519.PublicKeySize ||
		!ed25519.Verify(root, s.Key.signed(), s.Key.Signature) ||
		!ed25519.Verify(s.Key.Public, append([]byte(instructionContext), s.Instruction...), s.Signature) {
		return nil, ErrUntrusted
	}
	var in Instruction
	if err := json.Unmarshal(s.Instruction, &in); err != nil {
		return nil, fmt.Errorf("decode %s instruction: %w", kind, err)
	}
	if in.Audience != audience || in.Kind != kind {
		return nil, fmt.Errorf("%w: %s for %s", ErrAudience, in.Kind, in.Audience)
	}
	if in.Issued.After(s.Key.NotAfter) {
		return nil, fmt.Errorf("%w: issued after its key ended", ErrUntrusted)
	}
	return &in, nil
}
