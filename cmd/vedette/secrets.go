package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/secret"
	"vedette.dev/vedette/internal/server/agentapi"
	"vedette.dev/vedette/internal/server/certificate"
	"vedette.dev/vedette/internal/store"
)

// instructionKeyLife is how long the root vouches for an online key; a start in
// its last third renews it.
const instructionKeyLife = 365 * 24 * time.Hour

// serverTLS returns the TLS configuration for the given host names, and the
// folder's own authority it is from, which is made at the first start. The
// certificate is renewed when it ends soon or does not stand for all hosts.
func (d *dataFolder) serverTLS(hosts []string, now time.Time) (config *tls.Config, authority *certificate.Authority, err error) {
	authority, err = d.authority(now)
	if err != nil {
		return nil, nil, err
	}
	certPEM, err := d.read("tls", "server.pem")
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := d.read("tls", "server.key")
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil || !authority.Usable(certPEM, hosts, now) {
		if certPEM, keyPEM, err = authority.Issue(hosts, now); err != nil {
			return nil, nil, err
		}
		// The key goes first: a crash between the two leaves a pair that does not
		// match and is issued again.
		if err := d.write(keyPEM, 0o600, "tls", "server.key"); err != nil {
			return nil, nil, err
		}
		if err := d.write(certPEM, 0o644, "tls", "server.pem"); err != nil {
			return nil, nil, err
		}
		if pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
			return nil, nil, fmt.Errorf("load server certificate: %w", err)
		}
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, authority, nil
}

func (d *dataFolder) caFile() string { return d.file("tls", "ca.pem") }

func (d *dataFolder) authority(now time.Time) (*certificate.Authority, error) {
	certPEM, err := d.read("tls", "ca.pem")
	if err != nil {
		return nil, err
	}
	keyPEM, err := d.read("tls", "ca.key")
	if err != nil {
		return nil, err
	}
	if certPEM != nil {
		authority, err := certificate.LoadAuthority(certPEM, keyPEM)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.caFile(), err)
		}
		return authority, nil
	}
	authority, err := certificate.NewAuthority("Vedette platform authority", now)
	if err != nil {
		return nil, err
	}
	if certPEM, keyPEM, err = authority.PEM(); err != nil {
		return nil, err
	}
	// The certificate goes last: without it the authority is not there.
	if err := d.write(keyPEM, 0o600, "tls", "ca.key"); err != nil {
		return nil, err
	}
	return authority, d.write(certPEM, 0o644, "tls", "ca.pem")
}

// signer returns what signs instructions to agents: an online key, vouched for
// by a root that agents pin. Both are made at the first start. The root's
// private key may be moved off this machine; it has to be back in time to renew
// the online key.
func (d *dataFolder) signer(now time.Time) (*agentapi.Signer, error) {
	online, err := d.signingKey("instruction.key")
	if err != nil {
		return nil, err
	}
	trust := instructionTrust{}
	content, err := d.read("trust", "instruction.json")
	if err != nil {
		return nil, err
	}
	if content != nil {
		if err := json.Unmarshal(content, &trust); err != nil {
			return nil, fmt.Errorf("read %s: %w", d.file("trust", "instruction.json"), err)
		}
	}
	ending := !now.Add(instructionKeyLife / 3).Before(trust.Certificate.NotAfter)
	if ending || !bytes.Equal(trust.Certificate.Public, online.Public().(ed25519.PublicKey)) {
		if trust, err = d.certify(trust, online, now); err != nil {
			return nil, err
		}
	}
	return &agentapi.Signer{Root: trust.Root, Key: online, Certificate: trust.Certificate}, nil
}

// instructionTrust is what is known of the root when its key is elsewhere.
type instructionTrust struct {
	Root        ed25519.PublicKey        `json:"root"`
	Certificate agentwire.InstructionKey `json:"certificate"`
}

// certify lets the root vouch for the online key. Once agents have pinned a
// root, a new one is never made in its place: they would refuse it.
func (d *dataFolder) certify(old instructionTrust, online ed25519.PrivateKey, now time.Time) (instructionTrust, error) {
	if old.Root != nil {
		stored, err := d.read("trust", "root.key")
		if err != nil {
			return old, err
		}
		certified := bytes.Equal(old.Certificate.Public, online.Public().(ed25519.PublicKey))
		if stored == nil && certified && now.Before(old.Certificate.NotAfter) {
			return old, nil // not urgent yet
		}
		if stored == nil {
			return old, fault.New(fault.Conflict, "The key that signs instructions has ended or was replaced, and the root key is not here to vouch for it.",
				fmt.Sprintf("Put the root key back as %s for one start.", d.file("trust", "root.key")))
		}
	}
	root, err := d.signingKey("root.key")
	if err != nil {
		return old, err
	}
	public := root.Public().(ed25519.PublicKey)
	if old.Root != nil && !public.Equal(old.Root) {
		return old, fault.New(fault.Conflict, fmt.Sprintf("%s is not the root key that agents have pinned.", d.file("trust", "root.key")),
			"Put the original root key back.")
	}
	trust := instructionTrust{
		Root:        public,
		Certificate: agentwire.CertifyInstructionKey(root, online.Public().(ed25519.PublicKey), now.Add(instructionKeyLife)),
	}
	content, err := json.Marshal(trust)
	if err != nil {
		return old, fmt.Errorf("encode instruction trust: %w", err)
	}
	return trust, d.write(content, 0o600, "trust", "instruction.json")
}

// sessionIssuer returns what makes and reads session tokens. Replicas with copies
// of the trust folder accept each other's; without the key all tokens end.
func (d *dataFolder) sessionIssuer(customerID string, now func() time.Time) (*access.Issuer, error) {
	key, err := d.signingKey("token.key")
	if err != nil {
		return nil, err
	}
	return access.NewIssuer(key, customerID, now)
}

// signingKey reads an Ed25519 key of the trust folder, or makes it.
func (d *dataFolder) signingKey(name string) (ed25519.PrivateKey, error) {
	path := d.file("trust", name)
	key, err := readKey(path)
	if key != nil || err != nil {
		return key, err
	}
	return makeKey(path)
}

// makeKey makes an Ed25519 key and keeps it in a file.
func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", path, err)
	}
	folder := &dataFolder{path: filepath.Dir(path)}
	return key, folder.write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600, filepath.Base(path))
}

// readKey reads an Ed25519 key, nil where there is no file.
func readKey(path string) (ed25519.PrivateKey, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an Ed25519 key", path)
	}
	return key, nil
}

// envelope returns what the secrets of the database are sealed with in the end:
// keys that are not in it, made at the first start. Replicas need copies.
func (d *dataFolder) envelope() (envelope *secret.Envelope, made bool, err error) {
	text, err := d.read("trust", envelopeFile)
	if err != nil {
		return nil, false, err
	}
	if text == nil {
		text, made = []byte(secret.NewEnvelopeKey()), true
		if err := d.write(text, 0o600, "trust", envelopeFile); err != nil {
			return nil, false, err
		}
	}
	if envelope, err = secret.ParseEnvelope(text); err != nil {
		return nil, false, fault.New(fault.Conflict, fmt.Sprintf("%s: %v.", d.file("trust", envelopeFile), err), copyTrust)
	}
	return envelope, made, nil
}

// copyTrust is what to do when the keys of a folder are not those of its database.
const copyTrust = "Copy the trust folder of the replica, or of the backup, that the database belongs to."

// envelopeFile is in the trust folder.
const envelopeFile = "secrets.key"

// openSecrets lets the store seal and open secrets. Every replica of a database
// must have the same key for them.
func openSecrets(ctx context.Context, db *store.Store, folder *dataFolder) error {
	envelope, made, err := folder.envelope()
	if err != nil {
		return err
	}
	err = db.OpenSecrets(ctx, envelope)
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	path := folder.file("trust", envelopeFile)
	if made { // the lost one is to be put in its place
		return errors.Join(fault.New(fault.Conflict, fmt.Sprintf("There is no %s, and the secrets of this database were sealed with one.", path), copyTrust), os.Remove(path))
	}
	return fault.New(fault.Conflict, fmt.Sprintf("The key in %s is not the one that the secrets of this database were sealed with.", path), copyTrust)
}
