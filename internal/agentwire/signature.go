package agentwire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// The one profile of HTTP Message Signatures (RFC 9421) that agents use: the
// label, the covered components in this order, and the parameters created, nonce,
// alg, tag and keyid in this order, all required. Host and scheme are left out: load balancers rewrite them.
const (
	signatureLabel = "sig"
	signatureTag   = "vedette-agent"
	signatureAlg   = "ed25519"
)

var signedComponents = []string{"@method", "@path", "@query", "content-digest"}

// Signature errors. Callers answer with the matching Problem code.
var (
	ErrNoSignature  = errors.New("request carries no signature of the agent profile")
	ErrBadSignature = errors.New("signature does not verify")
	ErrClockSkew    = errors.New("signature time is too far from the platform's clock")
	ErrBadDigest    = errors.New("body does not match its content digest")
)

// RequestSigner signs the requests of one agent. It is safe for concurrent use
// when Now and Sequence are.
type RequestSigner struct {
	KeyID    string                 // the agent id; the activation id while provisioning
	Key      ed25519.PrivateKey     //
	Now      func() time.Time       // the platform's time as the agent knows it
	Sequence func() (uint64, error) // each number once, ascending over restarts
}

// Sign adds the digest of body and the signature to r. The body itself is not
// read from r, so it may be sent as a stream.
func (s *RequestSigner) Sign(r *http.Request, body []byte) error {
	sequence, err := s.Sequence()
	if err != nil {
		return fmt.Errorf("take sequence number: %w", err)
	}
	r.Header.Set("Content-Digest", contentDigest(body))
	params := signatureParams(s.KeyID, s.Now().Unix(), sequence)
	signature := ed25519.Sign(s.Key, signatureBase(r, params))
	r.Header.Set("Signature-Input", signatureLabel+"="+params)
	r.Header.Set("Signature", signatureLabel+"=:"+base64.StdEncoding.EncodeToString(signature)+":")
	return nil
}

// RequestSignature is what a request claims, before Verify has succeeded.
type RequestSignature struct {
	KeyID    string    // agent id
	Created  time.Time // the agent's idea of the platform's time
	Sequence uint64

	params string
	digest string
	value  []byte
}

// ParseSignature reads the signature headers of r. It returns ErrNoSignature
// unless they follow the profile exactly.
func ParseSignature(r *http.Request) (*RequestSignature, error) {
	input, err := httpsfv.UnmarshalDictionary(r.Header.Values("Signature-Input"))
	if err != nil {
		return nil, fmt.Errorf("%w: signature-input: %w", ErrNoSignature, err)
	}
	member, ok := input.Get(signatureLabel)
	list, isList := member.(httpsfv.InnerList)
	if !ok || !isList {
		return nil, fmt.Errorf("%w: no %q in signature-input", ErrNoSignature, signatureLabel)
	}
	if !coversProfile(list) {
		return nil, fmt.Errorf("%w: covered components must be %v", ErrNoSignature, signedComponents)
	}
	s, err := claims(list.Params)
	if err != nil {
		return nil, err
	}
	// Rebuilt rather than copied: what does not come back as sent is not the profile.
	s.params = signatureParams(s.KeyID, s.Created.Unix(), s.Sequence)
	if sent, err := httpsfv.Marshal(list); err != nil || sent != s.params {
		return nil, fmt.Errorf("%w: parameters must be %s", ErrNoSignature, s.params)
	}
	if s.value, err = signatureValue(r); err != nil {
		return nil, err
	}
	digests := r.Header.Values("Content-Digest")
	if len(digests) != 1 {
		return nil, fmt.Errorf("%w: %d content-digest headers, need 1", ErrNoSignature, len(digests))
	}
	s.digest = digests[0]
	return s, nil
}

// Verify checks the signature against the agent's public key and its time
// against now. It does not look at the body: read that with ReadBody.
func (s *RequestSignature) Verify(r *http.Request, key ed25519.PublicKey, now time.Time) error {
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, signatureBase(r, s.params), s.value) {
		return ErrBadSignature
	}
	if skew := now.Sub(s.Created); skew > MaxClockSkew || skew < -MaxClockSkew {
		return fmt.Errorf("%w: %s off, %s allowed", ErrClockSkew, skew.Round(time.Second), MaxClockSkew)
	}
	return nil
}

// ID names this one request: a digest of its signature, which nobody knows before
// it was made.
func (s *RequestSignature) ID() string {
	digest := sha256.Sum256(s.value)
	return hex.EncodeToString(digest[:])
}

// ErrBodyTooLarge is returned by ReadBody for a body above its limit.
var ErrBodyTooLarge = errors.New("body is too large")

// ReadBody reads at most limit bytes of body and checks them against the digest
// that was signed.
func (s *RequestSignature) ReadBody(body io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%w: %d bytes allowed", ErrBodyTooLarge, limit)
	}
	if contentDigest(content) != s.digest {
		return nil, ErrBadDigest
	}
	return content, nil
}

func coversProfile(list httpsfv.InnerList) bool {
	if len(list.Items) != len(signedComponents) {
		return false
	}
	for i, item := range list.Items {
		if name, ok := item.Value.(string); !ok || name != signedComponents[i] || len(item.Params.Names()) != 0 {
			return false
		}
	}
	return true
}

func claims(params *httpsfv.Params) (*RequestSignature, error) {
	created, okCreated := paramAs[int64](params, "created")
	keyID, okKey := paramAs[string](params, "keyid")
	nonce, okNonce := paramAs[string](params, "nonce")
	if !okCreated || !okKey || !okNonce {
		return nil, fmt.Errorf("%w: created, keyid and nonce are required", ErrNoSignature)
	}
	sequence, err := strconv.ParseUint(nonce, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: nonce %q is not a sequence number", ErrNoSignature, nonce)
	}
	return &RequestSignature{KeyID: keyID, Created: time.Unix(created, 0).UTC(), Sequence: sequence}, nil
}

func paramAs[T any](params *httpsfv.Params, name string) (T, bool) {
	raw, _ := params.Get(name)
	value, ok := raw.(T)
	return value, ok
}

func signatureValue(r *http.Request) ([]byte, error) {
	dict, err := httpsfv.UnmarshalDictionary(r.Header.Values("Signature"))
	if err != nil {
		return nil, fmt.Errorf("%w: signature: %w", ErrNoSignature, err)
	}
	member, _ := dict.Get(signatureLabel)
	item, ok := member.(httpsfv.Item)
	if !ok {
		return nil, fmt.Errorf("%w: no %q in signature", ErrNoSignature, signatureLabel)
	}
	value, ok := item.Value.([]byte)
	if !ok {
		return nil, fmt.Errorf("%w: signature is not a byte sequence", ErrNoSignature)
	}
	return value, nil
}

func signatureParams(keyID string, created int64, sequence uint64) string {
	var b strings.Builder
	b.Grow(160)
	b.WriteByte('(')
	for i, name := range signedComponents {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		b.WriteString(name)
		b.WriteByte('"')
	}
	b.WriteString(`);created=`)
	b.WriteString(strconv.FormatInt(created, 10))
	b.WriteString(`;nonce="`)
	b.WriteString(strconv.FormatUint(sequence, 10))
	b.WriteString(`";alg="` + signatureAlg + `";tag="` + signatureTag + `";keyid="`)
	b.WriteString(keyID)
	b.WriteByte('"')
	return b.String()
}

// signatureBase builds the bytes that are signed (RFC 9421, section 2.5).
func signatureBase(r *http.Request, params string) []byte {
	b := make([]byte, 0, 512)
	b = append(b, `"@method": `...)
	b = append(b, r.Method...)
	b = append(b, "\n\"@path\": "...)
	b = append(b, r.URL.EscapedPath()...)
	b = append(b, "\n\"@query\": ?"...)
	b = append(b, r.URL.RawQuery...)
	b = append(b, "\n\"content-digest\": "...)
	b = append(b, r.Header.Get("Content-Digest")...)
	b = append(b, "\n\"@signature-params\": "...)
	return append(b, params...)
}

// contentDigest is the Content-Digest field (RFC 9530) of body.
func contentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}
