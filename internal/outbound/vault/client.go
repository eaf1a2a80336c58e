package vault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/openbao/openbao/api/v2"

	"vedette.dev/vedette/internal/automation/vault"
)

// answerLimit is how long an answer of a vault may be, in bytes: that is also
// the longest document of a vault with its own storage.
const answerLimit = 1 << 20

var (
	errTooLong    = errors.New("the answer is longer than 1 MiB")
	errNoToken    = errors.New("the answer has no token")
	errNoDocument = errors.New("the answer is not one of a key-value engine of version 2")
)

// redirectError is an answer that sends the client elsewhere, with its token.
type redirectError struct {
	status int
	host   string // where to
}

func (e *redirectError) Error() string { return "redirect to " + e.host }

// client returns what calls a vault. It reads nothing of the environment, repeats
// nothing and keeps no connection: a value is asked for every few minutes.
func (s *Source) client(settings vault.Settings) (*api.Client, error) {
	policy := s.options.Policy
	policy.OnlyLoopback = policy.OnlyLoopback || strings.HasPrefix(settings.Address, "http://")
	var authorities *x509.CertPool
	if settings.CA != "" {
		authorities = x509.NewCertPool()
		authorities.AppendCertsFromPEM([]byte(settings.CA))
	}
	config := api.NewConfig()
	config.Address = settings.Address
	config.Timeout = settings.Timeout
	config.MaxRetries = 0
	config.DisableRedirects = true
	config.HttpClient = &http.Client{
		Transport: guarded{&http.Transport{
			DialContext:            policy.Dialer(settings.Timeout).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.ClearToken()
	if settings.Namespace != "" {
		client.SetNamespace(settings.Namespace)
	}
	return client, nil
}

// guarded refuses redirects and bounds answers.
type guarded struct{ inner http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := g.inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 && answer.StatusCode < 400 {
		_ = answer.Body.Close()
		refused := &redirectError{status: answer.StatusCode, host: "nowhere"}
		if to, err := url.Parse(answer.Header.Get("Location")); err == nil && to.Host != "" {
			refused.host = to.Host
		}
		return nil, refused
	}
	answer.Body = &bounded{answer.Body, answerLimit}
	return answer, nil
}

// bounded reads no more than so many bytes, and says so.
type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
