package qpsclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// headerIdempotency names a write, so that a platform that looks at it can tell a
// repetition from another request (draft-ietf-httpapi-idempotency-key-header).
// Qualys ignores it.
//
// It is not in the canonical form on purpose: net/http repeats a request that has
// the field Idempotency-Key by itself when a connection that was used before
// breaks, although the platform may have acted and may not know the field. Field
// names have no case on the wire.
const headerIdempotency = "idempotency-key"

// maxIdempotencyKey bounds the key of WithIdempotencyKey, in bytes.
const maxIdempotencyKey = 200

type idempotencyKey struct{}

// WithIdempotencyKey returns a context whose writes carry the header field
// Idempotency-Key: the key, a slash and a digest of the request. What one key
// stands for may thus make several requests, and a request that is repeated, also
// by another process under the same key, has the same value. The key is up to 200
// visible ASCII characters; calls with another one fail. An empty key changes
// nothing.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	if key == "" {
		return ctx
	}
	return context.WithValue(ctx, idempotencyKey{}, key)
}

// idempotencyOf returns the value of the header field for a request, empty for
// none.
func idempotencyOf(ctx context.Context, in call) (string, error) {
	if in.key != "" {
		return in.key, nil
	}
	key, ok := ctx.Value(idempotencyKey{}).(string)
	if !ok || !in.write {
		return "", nil
	}
	if len(key) > maxIdempotencyKey {
		return "", errors.New("the idempotency key has more than 200 characters")
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", errors.New("the idempotency key has characters other than visible ASCII")
		}
	}
	digest := sha256.New()
	for _, part := range []string{in.method, in.path, in.query} {
		digest.Write([]byte(part))
		digest.Write([]byte{0})
	}
	digest.Write(in.body)
	return key + "/" + hex.EncodeToString(digest.Sum(nil)[:8]), nil
}
