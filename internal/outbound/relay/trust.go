package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// Trust says by what a relay knows the platform: by the system's authorities,
// where nothing else is given.
type Trust struct {
	// Roots are the authorities to trust in place of the system's.
	Roots *x509.CertPool
	// Fingerprint is the SHA-256 of the platform's certificate, or of the one of its
	// authority, which is what a platform with an authority of its own tells.
	Fingerprint []byte
}

// maxCertificateBytes bounds what is fetched as a certificate.
const maxCertificateBytes = 16 << 10

// config returns how TLS to the platform is verified.
func (t Trust) config(ctx context.Context, platform *url.URL, proxy func(*http.Request) (*url.URL, error)) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: t.Roots}
	if len(t.Fingerprint) == 0 || platform.Scheme != "https" {
		return config, nil
	}
	// Nobody vouches for the connection over which it is fetched: the fingerprint
	// does, for what was fetched.
	authority := t.fetch(ctx, platform, proxy)
	config.InsecureSkipVerify = true // VerifyConnection does it
	config.VerifyConnection = func(state tls.ConnectionState) error { return t.verify(state, platform.Hostname(), authority) }
	return config, nil
}

// verify accepts a certificate with the fingerprint, and one that the authority
// with the fingerprint issued for the host.
func (t Trust) verify(state tls.ConnectionState, host string, authority *x509.Certificate) error {
	leaf := state.PeerCertificates[0]
	if t.fits(leaf.Raw) {
		return nil // it stands for itself, whatever its name and its time
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		if t.fits(certificate.Raw) {
			authority = certificate
		}
		intermediates.AddCert(certificate)
	}
	if authority == nil {
		return &fault.Error{Code: fault.Forbidden, Message: fmt.Sprintf("Neither the certificate of %s nor that of its authority has the fingerprint.", host),
			Resolution: "Check --fingerprint: 'vedette keys install-line' shows that of the platform's authority. If it is right, somebody is between relay and platform."}
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, DNSName: host})
	return err
}

func (t Trust) fits(certificate []byte) bool {
	sum := sha256.Sum256(certificate)
	return bytes.Equal(sum[:], t.Fingerprint)
}

// fetch returns the certificate of the platform's authority, where the platform
// has one of its own and it has the fingerprint; else nil.
func (t Trust) fetch(ctx context.Context, platform *url.URL, proxy func(*http.Request) (*url.URL, error)) *x509.Certificate {
	unverified := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} //nolint:gosec // what comes is judged by its fingerprint
	transport := transportOf(unverified, proxy, Limits{}.withDefaults())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, platform.JoinPath(agentwire.PathAuthority).String(), http.NoBody)
	if err != nil {
		return nil
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil // the request for the channel says why
	}
	defer discard(answer.Body)
	der, err := io.ReadAll(io.LimitReader(answer.Body, maxCertificateBytes))
	if err != nil || !t.fits(der) {
		return nil
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return certificate
}
