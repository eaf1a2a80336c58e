package session

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// maxKeyBytes bounds the key file; it has about 60.
const maxKeyBytes = 4 << 10

// keyFile is the file with the private key of this host, readable by its owner
// only. It may lie outside the state folder, where it survives that one: the key
// is what proves to the platform that a host which was installed again is the
// same agent. Nothing else does.
type keyFile struct {
	files  Files
	folder string // for people
}

type hostKey struct {
	Key []byte `json:"key"` // Ed25519 seed
}

// openKeyFile makes the folder that the key file is in.
func openKeyFile(cfg *Config) (keyFile, error) {
	if cfg.KeyDir == "" {
		return keyFile{cfg.Files, cfg.StateDir}, nil
	}
	if err := os.MkdirAll(cfg.KeyDir, 0o700); err != nil {
		return keyFile{}, fmt.Errorf("create folder of the host key: %w", err)
	}
	return keyFile{diskFiles{cfg.KeyDir}, cfg.KeyDir}, nil
}

// String is the path of the file.
func (k keyFile) String() string { return filepath.Join(k.folder, hostKeyFile) }

// read returns the key, or fs.ErrNotExist.
func (k keyFile) read() (ed25519.PrivateKey, error) {
	doc, err := k.files.Read(hostKeyFile, maxKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	var stored hostKey
	if err := json.Unmarshal(doc, &stored); err != nil {
		return nil, fmt.Errorf("decode %s: %w", k, err)
	}
	if len(stored.Key) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s holds a key of %d bytes, need %d", k, len(stored.Key), ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(stored.Key), nil
}

// create puts a fresh key in the place of what is there.
func (k keyFile) create() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create key pair: %w", err)
	}
	doc, err := json.Marshal(hostKey{key.Seed()})
	if err != nil {
		return nil, fmt.Errorf("encode host key: %w", err)
	}
	if err := k.files.Write(hostKeyFile, doc); err != nil {
		return nil, fmt.Errorf("write %s: %w", k, err)
	}
	return key, nil
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }
