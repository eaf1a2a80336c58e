package qpsclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// DefaultAPIVersion is the version of the Asset Management API that Config uses
// unless told otherwise. The Cloud Agent API always has version 1.0.
const DefaultAPIVersion = "2.0"

// Config says where a platform is and who calls it. BaseURL is required, and
// either Username and Password or Token.
type Config struct {
	// BaseURL is the address of the API, http or https. A trailing slash and a
	// path in front of /qps are tolerated; credentials in it are refused.
	BaseURL  string
	Username string
	Password string
	// Token is sent as a Bearer token in place of name and password, to platforms
	// that issue tokens, such as Vedette. It excludes Password.
	Token string
	// APIVersion is the version of the Asset Management API in request paths;
	// empty means DefaultAPIVersion.
	APIVersion string
	// CAFile is a file with PEM certificates that replace the system's
	// authorities. RootCAs does the same and wins.
	CAFile  string
	RootCAs *x509.CertPool
	// UserAgent is sent with every request; empty means "vedette".
	UserAgent string

	// Tries bounds the attempts of one call; zero means MaxTries, 1 means no
	// repetition at all.
	Tries int
	// MaxWait bounds a single wait before another attempt: what would take
	// longer is given up, and the error tells what the platform asks for. Zero
	// means MaxDelay. Callers that can come back later set it to seconds.
	MaxWait time.Duration
	// Timeout bounds one attempt; zero means AttemptTimeout.
	Timeout time.Duration
	// OnRetry, if set, is called before each wait; it must not block.
	OnRetry func(Retry)

	// Transport replaces the default one, which honours the proxy variables of
	// the environment; CAFile and RootCAs have no effect on it. A call is not
	// repeated after an error of it whose method Permanent() returns true.
	Transport http.RoundTripper
	// Now, Sleep and Rand are the clock, a wait that ends early with the
	// context's error, and a source of numbers in [0, 1). Nil means the real
	// ones.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	Rand  func() float64
}

// String describes the configuration without password and token.
func (c Config) String() string {
	if c.Token != "" {
		return fmt.Sprintf("QPS client of %s with a token", c.BaseURL)
	}
	return fmt.Sprintf("QPS client of %s for %s", c.BaseURL, c.Username)
}

// GoString is String, so that no formatting verb prints a secret.
func (c Config) GoString() string { return c.String() }

var apiVersionPattern = regexp.MustCompile(`^\d+(\.\d+)?$`)

// Client calls one platform as one user. Create it with New; it is safe for
// concurrent use.
type Client struct {
	base       *url.URL // without trailing slash
	apiVersion string
	userAgent  string
	// authorize adds the credentials. It is a function so that printing a
	// Client cannot reveal them.
	authorize func(*http.Request)
	http      *http.Client
	limits    limits
	tries     int
	maxWait   time.Duration
	onRetry   func(Retry)
	rehearsal *Rehearsal // nil for a client that sends
	now       func() time.Time
	sleep     func(context.Context, time.Duration) error
	rand      func() float64
}

// New checks the configuration and returns a client. It makes no call.
func New(cfg Config) (*Client, error) {
	base, err := parseBaseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	authorize, err := authorization(cfg)
	if err != nil {
		return nil, err
	}
	version := cfg.APIVersion
	if version == "" {
		version = DefaultAPIVersion
	}
	if !apiVersionPattern.MatchString(version) {
		return nil, fmt.Errorf("API version %q: use a number such as %s", version, DefaultAPIVersion)
	}
	transport := cfg.Transport
	if transport == nil {
		if transport, err = newTransport(cfg); err != nil {
			return nil, err
		}
	}
	c := &Client{
		base: base, apiVersion: version, userAgent: cfg.UserAgent,
		authorize: authorize,
		http:      &http.Client{Transport: transport, CheckRedirect: checkRedirect},
		limits:    defaultLimits(),
		tries:     cfg.Tries, maxWait: cfg.MaxWait, onRetry: cfg.OnRetry,
		now: cfg.Now, sleep: cfg.Sleep, rand: cfg.Rand,
	}
	if cfg.Timeout > 0 {
		c.limits.attemptTimeout = cfg.Timeout
	}
	c.fillDefaults()
	return c, nil
}

// bearerToken is what may be sent as one (RFC 6750, section 2.1).
var bearerToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// authorization returns what adds the credentials to a request.
func authorization(cfg Config) (func(*http.Request), error) {
	switch {
	case cfg.Token != "" && cfg.Password != "":
		return nil, errors.New("password and token exclude each other")
	case cfg.Token != "" && !bearerToken.MatchString(cfg.Token):
		return nil, errors.New("the token holds characters that no token has")
	case cfg.Token != "":
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+cfg.Token) }, nil
	case cfg.Username == "" || cfg.Password == "":
		return nil, errors.New("user name and password are required")
	case strings.Contains(cfg.Username, ":"):
		return nil, fmt.Errorf("user name %q: a colon is not allowed in HTTP Basic authentication", cfg.Username)
	}
	return func(r *http.Request) { r.SetBasicAuth(cfg.Username, cfg.Password) }, nil
}

func (c *Client) fillDefaults() {
	if c.userAgent == "" {
		c.userAgent = "vedette"
	}
	if c.tries <= 0 {
		c.tries = MaxTries
	}
	if c.maxWait <= 0 {
		c.maxWait = MaxDelay
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
	if c.rand == nil {
		c.rand = rand.Float64
	}
}

// BaseURL returns the address of the platform without a trailing slash.
func (c *Client) BaseURL() string { return c.base.String() }

func parseBaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		// The error of url.Parse repeats the text, which may hold a password.
		return nil, errors.New("platform URL cannot be read: use https://host or https://host:port")
	}
	if u.User != nil {
		return nil, errors.New("platform URL holds credentials: give user name and password separately")
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return nil, fmt.Errorf("platform URL %q: use https://host, https://host:port or the same with http", s)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("platform URL %q: a query or a fragment is not allowed", s)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}

func newTransport(cfg Config) (*http.Transport, error) {
	roots := cfg.RootCAs
	if roots == nil && cfg.CAFile != "" {
		var err error
		if roots, err = readCAFile(cfg.CAFile); err != nil {
			return nil, err
		}
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   handshakeTimeout,
		MaxIdleConnsPerHost:   idleConnections,
		IdleConnTimeout:       idleTimeout,
		ResponseHeaderTimeout: AttemptTimeout,
	}, nil
}

func readCAFile(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no PEM certificate", path)
	}
	return pool, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
