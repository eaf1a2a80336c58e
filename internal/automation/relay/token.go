package relay

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// TokenPrefix begins the token of every relay, so that people and scanners for
// leaked secrets know one when they see it.
const TokenPrefix = "vdr_"

// tokenBytes are the random bytes of a token: too many to guess, so that a fast
// digest of it is enough.
const tokenBytes = 32

func newToken() string {
	secret := make([]byte, tokenBytes)
	rand.Read(secret)
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(secret)
}

// tokenDigest returns what is stored of a token: the SHA-256 of all of it, prefix
// included.
func tokenDigest(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
