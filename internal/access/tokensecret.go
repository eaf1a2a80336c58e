package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// TokenPrefix begins the secret of every API token, so that people and scanners
// for leaked secrets know one when they see it.
const TokenPrefix = "vdt_"

// tokenBytes are the random bytes of a secret: too many to guess, so that a fast
// digest of it is enough.
const tokenBytes = 32

// NewTokenSecret returns the secret of a new token, as it is sent: the prefix and 256
// random bits.
func NewTokenSecret(prefix string) string {
	secret := make([]byte, tokenBytes)
	rand.Read(secret)
	return prefix + base64.RawURLEncoding.EncodeToString(secret)
}

// TokenDigest returns what is stored of a secret: the SHA-256 of all of it,
// prefix included.
func TokenDigest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
