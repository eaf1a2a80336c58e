package secret

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	// envelopeKeyBytes is the size of an envelope key: AES-256.
	envelopeKeyBytes = 32
	// maxEnvelopeKeys bounds the keys of an envelope; changing it takes two.
	maxEnvelopeKeys = 16
)

// ErrEnvelope says that a keyset was sealed in another envelope.
var ErrEnvelope = errors.New("no key of the envelope opens the keyset")

// Envelope seals keysets with the first of its keys and opens them with any.
type Envelope struct{ keys []tink.AEAD }

// NewEnvelopeKey makes a key and returns it as ParseEnvelope reads it, with the
// end of the line.
func NewEnvelopeKey() string {
	key := make([]byte, envelopeKeyBytes)
	_, _ = rand.Read(key) // never fails
	return base64.StdEncoding.EncodeToString(key) + "\n"
}

// ParseEnvelope reads the keys of an envelope: one a line, 32 bytes in base64;
// empty lines and those that begin with # are passed over. Errors name the line
// and never what is in it.
func ParseEnvelope(text []byte) (*Envelope, error) {
	e := &Envelope{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(key) != envelopeKeyBytes {
			return nil, fmt.Errorf("line %d is not %d bytes in base64", number, envelopeKeyBytes)
		}
		cipher, err := subtle.NewAESGCM(key)
		if err != nil {
			return nil, fmt.Errorf("use the key in line %d: %w", number, err)
		}
		e.keys = append(e.keys, cipher)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read envelope keys: %w", err)
	}
	if len(e.keys) == 0 || len(e.keys) > maxEnvelopeKeys {
		return nil, fmt.Errorf("there are %d keys, 1 to %d are expected", len(e.keys), maxEnvelopeKeys)
	}
	return e, nil
}

// Encrypt is that of tink.AEAD.
func (e *Envelope) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	return e.keys[0].Encrypt(plaintext, associatedData)
}

// Decrypt is that of tink.AEAD.
func (e *Envelope) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	for _, key := range e.keys {
		if plaintext, err := key.Decrypt(ciphertext, associatedData); err == nil {
			return plaintext, nil
		}
	}
	return nil, ErrEnvelope
}
