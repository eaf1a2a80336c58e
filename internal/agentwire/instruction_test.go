package agentwire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"testing"
	"time"
)

// platform holds the keys of a test's platform.
type platform struct {
	root, online ed25519.PrivateKey
	certificate  InstructionKey
}

func newPlatform(t *testing.T) platform {
	t.Helper()
	_, root, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, online, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return platform{root, online, CertifyInstructionKey(root, online.Public().(ed25519.PublicKey), testTime.Add(time.Hour))}
}

func (p platform) rootPublic() ed25519.PublicKey { return p.root.Public().(ed25519.PublicKey) }

func (p platform) sign(t *testing.T, change func(in *Instruction)) *SignedInstruction {
	t.Helper()
	in := Instruction{Audience: testAgent, Kind: KindProfile, Version: 7, Issued: testTime, Expires: testTime.Add(24 * time.Hour), Body: json.RawMessage(`{"id":1,"name":"Low"}`)}
	if change != nil {
		change(&in)
	}
	signed, err := SignInstruction(in, p.online, p.certificate)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestInstructionSurvivesTheWire(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	doc, err := json.Marshal(p.sign(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	var received SignedInstruction
	if err := json.Unmarshal(doc, &received); err != nil {
		t.Fatal(err)
	}
	in, err := received.Open(p.rootPublic(), testAgent, KindProfile)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if in.Version != 7 || !in.Issued.Equal(testTime) || string(in.Body) != `{"id":1,"name":"Low"}` {
		t.Errorf("instruction is %+v", in)
	}
}

func TestInstructionsThatMustNotBeFollowed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		forge func(t *testing.T, p *platform) *SignedInstruction
		want  error
	}{
		{"of another platform", func(t *testing.T, _ *platform) *SignedInstruction {
			return newPlatform(t).sign(t, nil)
		}, ErrUntrusted},
		{"with the certificate of the right platform and another key", func(t *testing.T, p *platform) *SignedInstruction {
			signed := newPlatform(t).sign(t, nil)
			signed.Key = p.certificate
			return signed
		}, ErrUntrusted},
		{"with a longer life of the key", func(t *testing.T, p *platform) *SignedInstruction {
			signed := p.sign(t, nil)
			signed.Key.NotAfter = signed.Key.NotAfter.Add(time.Hour)
			return signed
		}, ErrUntrusted},
		{"altered", func(t *testing.T, p *platform) *SignedInstruction {
			signed := p.sign(t, nil)
			signed.Instruction = bytes.Replace(signed.Instruction, []byte("Low"), []byte("Bad"), 1)
			return signed
		}, ErrUntrusted},
		{"signed without the context", func(t *testing.T, p *platform) *SignedInstruction {
			signed := p.sign(t, nil)
			signed.Signature = ed25519.Sign(p.online, signed.Instruction)
			return signed
		}, ErrUntrusted},
		{"signed by the root itself", func(t *testing.T, p *platform) *SignedInstruction {
			signed := p.sign(t, nil)
			signed.Signature = ed25519.Sign(p.root, append([]byte(instructionContext), signed.Instruction...))
			return signed
		}, ErrUntrusted},
		{"without a key", func(t *testing.T, p *platform) *SignedInstruction {
			signed := p.sign(t, nil)
			signed.Key = InstructionKey{}
			return signed
		}, ErrUntrusted},
		{"empty", func(*testing.T, *platform) *SignedInstruction { return &SignedInstruction{} }, ErrUntrusted},
		{"issued after its key ended", func(t *testing.T, p *platform) *SignedInstruction {
			return p.sign(t, func(in *Instruction) { in.Issued = testTime.Add(2 * time.Hour) })
		}, ErrUntrusted},
		{"for another agent", func(t *testing.T, p *platform) *SignedInstruction {
			return p.sign(t, func(in *Instruction) { in.Audience = "another" })
		}, ErrAudience},
		{"for nobody", func(t *testing.T, p *platform) *SignedInstruction {
			return p.sign(t, func(in *Instruction) { in.Audience = "" })
		}, ErrAudience},
		{"of another kind", func(t *testing.T, p *platform) *SignedInstruction {
			return p.sign(t, func(in *Instruction) { in.Kind = KindManifest })
		}, ErrAudience},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			if in, err := tt.forge(t, &p).Open(p.rootPublic(), testAgent, KindProfile); !errors.Is(err, tt.want) || in != nil {
				t.Errorf("open returned %v and error %v, want nothing and %v", in, err, tt.want)
			}
		})
	}
}

func TestInstructionsThatHaveRunOutStillOpen(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	signed := p.sign(t, func(in *Instruction) { in.Expires = testTime.Add(-time.Hour) })
	if _, err := signed.Open(p.rootPublic(), testAgent, KindProfile); err != nil {
		t.Errorf("open: %v; an expired instruction stays in force", err)
	}
}

func TestRootOfTheWrongSizeIsNoRoot(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for _, root := range []ed25519.PublicKey{nil, p.rootPublic()[:31]} {
		if _, err := p.sign(t, nil).Open(root, testAgent, KindProfile); !errors.Is(err, ErrUntrusted) {
			t.Errorf("root of %d bytes: %v, want %v", len(root), err, ErrUntrusted)
		}
	}
}
