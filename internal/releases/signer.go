package releases

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// signer signs with an Ed25519 key as go-tuf asks for it.
type signer struct{ key ed25519.PrivateKey }

var _ signature.Signer = signer{}

// PublicKey implements signature.Signer.
func (s signer) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	public, ok := s.key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("key is not an Ed25519 key")
	}
	return public, nil
}

// SignMessage implements signature.Signer.
func (s signer) SignMessage(message io.Reader, _ ...signature.SignOption) ([]byte, error) {
	doc, err := io.ReadAll(message)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return ed25519.Sign(s.key, doc), nil
}

// keyOf returns a public key as metadata has it.
func keyOf(public ed25519.PublicKey) (key *metadata.Key, id string, err error) {
	if key, err = metadata.KeyFromPublicKey(public); err != nil {
		return nil, "", fmt.Errorf("key: %w", err)
	}
	id, err = key.ID()
	return key, id, err
}
