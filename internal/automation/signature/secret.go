package signature

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/hidden"
)

// prefix begins the text of every secret, so that people and scanners for leaked
// secrets know one when they see it.
const prefix = "whsec_"

// Sizes of a secret in bytes: Standard Webhooks allows 24 to 64 of them, which is
// 192 to 512 bits.
const (
	leastBytes = 24
	mostBytes  = 64
	newBytes   = 32
)

// Secret is what a sender and a receiver share. It shows itself to nobody but who
// calls Reveal. The zero value is no secret, and signs nothing.
type Secret struct{ text hidden.Text }

// NewSecret makes a secret of 256 random bits.
func NewSecret() Secret {
	key := make([]byte, newBytes)
	rand.Read(key)
	return Secret{hidden.New(prefix + base64.StdEncoding.EncodeToString(key))}
}

// ParseSecret reads the text of a secret: whsec_, then 24 to 64 bytes in base64
// with its padding. An error is fault.Invalid and does not repeat the text.
func ParseSecret(text string) (Secret, error) {
	encoded, prefixed := strings.CutPrefix(text, prefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !prefixed || err != nil || len(key) < leastBytes || len(key) > mostBytes || strings.ContainsAny(text, "\r\n") {
		return Secret{}, fault.New(fault.Invalid, "The secret for signatures of webhooks has another form.",
			fmt.Sprintf("Use %s followed by %d to %d random bytes in base64: %s$(openssl rand -base64 %d).", prefix, leastBytes, mostBytes, prefix, newBytes))
	}
	return Secret{hidden.New(text)}, nil
}

// Reveal returns the text of the secret, for whoever stores it sealed or shows it
// once; empty for no secret.
func (s Secret) Reveal() string { return s.text.Reveal() }

// IsEmpty reports whether this is no secret.
func (s Secret) IsEmpty() bool { return s.text.IsEmpty() }

// mac returns the HMAC over the parts of a message.
func (s Secret) mac(id, timestamp string, body []byte) []byte {
	// Every secret that is not empty was checked when it was made.
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.text.Reveal(), prefix))
	hash := hmac.New(sha256.New, key)
	_, _ = hash.Write([]byte(id + "." + timestamp + "."))
	_, _ = hash.Write(body)
	return hash.Sum(nil)
}
