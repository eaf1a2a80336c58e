package agentwire

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/yaronf/httpsign"
)

const testAgent = "6f1d2c3b-4a59-4687-8765-0123456789ab"

// testKey is the private key of RFC 9421, appendix B.1.4.
var testKey = ed25519.NewKeyFromSeed([]byte{
	0x9f, 0x83, 0x62, 0xf8, 0x7a, 0x48, 0x4a, 0x95, 0x4e, 0x6e, 0x74, 0x0c, 0x5b, 0x4c, 0x0e, 0x84,
	0x22, 0x91, 0x39, 0xa2, 0x0a, 0xa8, 0xab, 0x56, 0xff, 0x66, 0x58, 0x6f, 0x6a, 0x7d, 0x29, 0xc5,
})

var (
	testPublic = testKey.Public().(ed25519.PublicKey)
	testTime   = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	testBody   = []byte(`{"v":"2.0.0","p":3}`)
)

func signed(t testing.TB, at time.Time) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPut, "https://platform.example.com/agent/v1/uploads/ab%20cd/fragments?offset=65536", bytes.NewReader(testBody))
	signer := &RequestSigner{
		KeyID: testAgent, Key: testKey,
		Now:      func() time.Time { return at },
		Sequence: func() (uint64, error) { return 4711, nil },
	}
	if err := signer.Sign(r, testBody); err != nil {
		t.Fatalf("sign: %v", err)
	}
	return r
}

func TestSignedRequestVerifies(t *testing.T) {
	t.Parallel()
	r := signed(t, testTime)
	s, err := ParseSignature(r)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	if s.KeyID != testAgent || s.Sequence != 4711 || !s.Created.Equal(testTime) {
		t.Errorf("claims are %s, %d, %s; want %s, 4711, %s", s.KeyID, s.Sequence, s.Created, testAgent, testTime)
	}
	if err := s.Verify(r, testPublic, testTime); err != nil {
		t.Errorf("verify: %v", err)
	}
	body, err := s.ReadBody(r.Body, MaxMessageBytes)
	if err != nil || !bytes.Equal(body, testBody) {
		t.Errorf("body %q, error %v", body, err)
	}
}

// TestGoldenSignature pins the profile: another implementation that produces
// these headers for this request is right. The values were made with openssl.
func TestGoldenSignature(t *testing.T) {
	t.Parallel()
	r := signed(t, testTime)
	want := map[string]string{
		"Content-Digest":  `sha-256=:lu2EjaDW7up0QspZxnVgdYEEwwg09uayj1Z7wcEWJg4=:`,
		"Signature-Input": `sig=("@method" "@path" "@query" "content-digest");created=1772600767;nonce="4711";alg="ed25519";tag="vedette-agent";keyid="6f1d2c3b-4a59-4687-8765-0123456789ab"`,
		"Signature":       `sig=:3eMvvwFVz4zRLbnpUGsf3pEPSwC+qZ9eK4mcSVouq5hLEmU5L6l0o6YX8WECX+kHMHIR3YKJMH2pCbaVaDNyBA==:`,
	}
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, value)
		}
	}
}

func TestAlteredRequestsAreRefused(t *testing.T) {
	t.Parallel()
	replace := func(header, from, to string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set(header, strings.Replace(r.Header.Get(header), from, to, 1))
		}
	}
	tests := []struct {
		name  string
		alter func(r *http.Request)
		want  error
	}{
		{"method", func(r *http.Request) { r.Method = http.MethodPost }, ErrBadSignature},
		{"path", func(r *http.Request) { r.URL.Path += "x"; r.URL.RawPath = "" }, ErrBadSignature},
		{"escaping of the path", func(r *http.Request) { r.URL.RawPath = "/agent/v1/uploads/%61b%20cd/fragments" }, ErrBadSignature},
		{"query", func(r *http.Request) { r.URL.RawQuery = "offset=0" }, ErrBadSignature},
		{"no query", func(r *http.Request) { r.URL.RawQuery = "" }, ErrBadSignature},
		{"digest of another body", func(r *http.Request) { r.Header.Set("Content-Digest", contentDigest([]byte("{}"))) }, ErrBadSignature},
		{"time", replace("Signature-Input", "created=1772600767", "created=1772600768"), ErrBadSignature},
		{"sequence", replace("Signature-Input", `"4711"`, `"4712"`), ErrBadSignature},
		{"agent", replace("Signature-Input", "6f1d", "6f1e"), ErrBadSignature},
		{"signature", replace("Signature", "sig=:", "sig=:AAAA"), ErrBadSignature},
		{"algorithm", replace("Signature-Input", `alg="ed25519"`, `alg="hmac-sha256"`), ErrNoSignature},
		{"tag", replace("Signature-Input", "vedette-agent", "vedette-other"), ErrNoSignature},
		{"component left out", replace("Signature-Input", `"@query" `, ""), ErrNoSignature},
		{"components in another order", replace("Signature-Input", `"@method" "@path"`, `"@path" "@method"`), ErrNoSignature},
		{"component with a parameter", replace("Signature-Input", `"@query"`, `"@query";req`), ErrNoSignature},
		{"additional component", replace("Signature-Input", `"@query"`, `"@query" "@authority"`), ErrNoSignature},
		{"additional parameter", replace("Signature-Input", `;tag=`, `;expires=1;tag=`), ErrNoSignature},
		{"parameter left out", replace("Signature-Input", `;nonce="4711"`, ""), ErrNoSignature},
		{"parameter of another type", replace("Signature-Input", `created=1772600767`, `created="1772600767"`), ErrNoSignature},
		{"sequence with a zero in front", replace("Signature-Input", `"4711"`, `"04711"`), ErrNoSignature},
		{"negative sequence", replace("Signature-Input", `"4711"`, `"-1"`), ErrNoSignature},
		{"sequence above 64 bits", replace("Signature-Input", `"4711"`, `"18446744073709551616"`), ErrNoSignature},
		{"another label", replace("Signature-Input", "sig=", "sig1="), ErrNoSignature},
		{"no signature input", func(r *http.Request) { r.Header.Del("Signature-Input") }, ErrNoSignature},
		{"no signature", func(r *http.Request) { r.Header.Del("Signature") }, ErrNoSignature},
		{"signature of another type", func(r *http.Request) { r.Header.Set("Signature", `sig="x"`) }, ErrNoSignature},
		{"no digest", func(r *http.Request) { r.Header.Del("Content-Digest") }, ErrNoSignature},
		{"two digests", func(r *http.Request) { r.Header.Add("Content-Digest", contentDigest(nil)) }, ErrNoSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := signed(t, testTime)
			tt.alter(r)
			s, err := ParseSignature(r)
			if err == nil {
				err = s.Verify(r, testPublic, testTime)
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestVerifyRefusesOtherKeysAndTimes(t *testing.T) {
	t.Parallel()
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		key  ed25519.PublicKey
		now  time.Time
		want error
	}{
		{"another key", other.Public().(ed25519.PublicKey), testTime, ErrBadSignature},
		{"no key", nil, testTime, ErrBadSignature},
		{"short key", testPublic[:31], testTime, ErrBadSignature},
		{"just young enough", testPublic, testTime.Add(MaxClockSkew), nil},
		{"too old", testPublic, testTime.Add(MaxClockSkew + time.Second), ErrClockSkew},
		{"just not ahead too far", testPublic, testTime.Add(-MaxClockSkew), nil},
		{"too far ahead", testPublic, testTime.Add(-MaxClockSkew - time.Second), ErrClockSkew},
		{"wrong in both", other.Public().(ed25519.PublicKey), testTime.Add(time.Hour), ErrBadSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := signed(t, testTime)
			s, err := ParseSignature(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(r, tt.key, tt.now); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		body  string
		limit int64
		want  error
	}{
		{"as signed", string(testBody), int64(len(testBody)), nil},
		{"above the limit", string(testBody), int64(len(testBody)) - 1, ErrBodyTooLarge},
		{"altered", strings.Replace(string(testBody), "3", "4", 1), MaxMessageBytes, ErrBadDigest},
		{"cut short", string(testBody[:5]), MaxMessageBytes, ErrBadDigest},
		{"with an appendix", string(testBody) + " ", MaxMessageBytes, ErrBadDigest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSignature(signed(t, testTime))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.ReadBody(strings.NewReader(tt.body), tt.limit); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSignFailsWithoutASequence(t *testing.T) {
	t.Parallel()
	full := errors.New("disk is full")
	signer := &RequestSigner{KeyID: testAgent, Key: testKey, Now: time.Now, Sequence: func() (uint64, error) { return 0, full }}
	r := httptest.NewRequest(http.MethodGet, "/agent/v1/config", nil)
	if err := signer.Sign(r, nil); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	if r.Header.Get("Signature") != "" {
		t.Error("request is signed all the same")
	}
}

// The oracle is an independent implementation of RFC 9421.

func oracleFields() httpsign.Fields { return httpsign.Headers(signedComponents...) }

func TestOracleVerifiesOurSignature(t *testing.T) {
	t.Parallel()
	config := httpsign.NewVerifyConfig().SetAllowedAlgs([]string{signatureAlg}).SetAllowedTags([]string{signatureTag}).SetKeyID(testAgent)
	verifier, err := httpsign.NewEd25519Verifier(testPublic, config, oracleFields())
	if err != nil {
		t.Fatal(err)
	}
	for _, alter := range []bool{false, true} {
		r := signed(t, time.Now())
		if alter {
			r.URL.RawQuery = "offset=0"
		}
		if err := httpsign.VerifyRequest(signatureLabel, *verifier, r); (err == nil) == alter {
			t.Errorf("oracle says %v to a request that was altered: %t", err, alter)
		}
	}
}

func TestWeVerifyTheOraclesSignature(t *testing.T) {
	t.Parallel()
	config := httpsign.NewSignConfig().SetNonce("99").SetTag(signatureTag).SetKeyID(testAgent)
	signer, err := httpsign.NewEd25519Signer(testKey, config, oracleFields())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/agent/v1/status", "/agent/v1/uploads/ab%20cd/fragments?offset=0&x=%2F+", "/agent/v1/config?"} {
		r := httptest.NewRequest(http.MethodPost, "https://platform.example.com"+target, bytes.NewReader(testBody))
		r.Header.Set("Content-Digest", contentDigest(testBody))
		input, signature, err := httpsign.SignRequest(signatureLabel, *signer, r)
		if err != nil {
			t.Fatalf("oracle signs %s: %v", target, err)
		}
		r.Header.Set("Signature-Input", input)
		r.Header.Set("Signature", signature)
		s, err := ParseSignature(r)
		if err == nil {
			err = s.Verify(r, testPublic, time.Now())
		}
		if err != nil || s.Sequence != 99 {
			t.Errorf("%s: %v\n%s", target, err, input)
		}
	}
}

func FuzzParseSignature(f *testing.F) {
	r := signed(f, testTime)
	f.Add(r.Header.Get("Signature-Input"), r.Header.Get("Signature"), r.Header.Get("Content-Digest"))
	f.Add(`sig=();created=1`, `sig=:AA==:`, "x")
	f.Add(`sig=("@method" "@path" "@query" "content-digest");created=-1;nonce="0";alg="ed25519";tag="vedette-agent";keyid="\""`, `sig=::`, "")
	f.Fuzz(func(t *testing.T, input, signature, digest string) {
		r := httptest.NewRequest(http.MethodGet, "/agent/v1/config", nil)
		r.Header["Signature-Input"] = []string{input}
		r.Header["Signature"] = []string{signature}
		r.Header["Content-Digest"] = []string{digest}
		s, err := ParseSignature(r)
		if err != nil {
			if !errors.Is(err, ErrNoSignature) {
				t.Errorf("error %v is not ErrNoSignature", err)
			}
			return
		}
		// What is accepted means one thing only.
		if want := signatureParams(s.KeyID, s.Created.Unix(), s.Sequence); s.params != want || !strings.Contains(input, want) {
			t.Errorf("accepted %q as %q", input, s.params)
		}
		// No fuzzer signs.
		if err := s.Verify(r, testPublic, s.Created); err == nil {
			t.Errorf("signature %q for %q verifies", signature, input)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	signer := &RequestSigner{KeyID: testAgent, Key: testKey, Now: time.Now, Sequence: func() (uint64, error) { return 1, nil }}
	r := httptest.NewRequest(http.MethodPost, "/agent/v1/status", nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := signer.Sign(r, testBody); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r := signed(b, testTime)
	b.ReportAllocs()
	for b.Loop() {
		s, err := ParseSignature(r)
		if err == nil {
			err = s.Verify(r, testPublic, testTime)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
