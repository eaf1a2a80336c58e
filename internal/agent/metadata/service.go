package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

const (
	// endpoint is link-local: routers do not pass it on.
	endpoint = "http://169.254.169.254"
	// timeout bounds all of it. The service answers within milliseconds, or is
	// switched off for the instance and never does.
	timeout = 2 * time.Second
	// tokenSeconds is how long the session token is good for.
	tokenSeconds = "30"
	// maxBytes bounds an answer; a document has half a kilobyte.
	maxBytes = 16 << 10
)

// Disabled is the environment variable that switches the service off when it is
// true, of the AWS SDKs.
const Disabled = "AWS_EC2_METADATA_DISABLED"

// Service is the metadata service as one machine sees it. It is safe for
// concurrent use.
type Service struct {
	Endpoint string // URL without a path
	Sys      string // where sysfs is mounted
	Disabled bool
}

// New returns the service of this machine.
func New(getenv func(string) string) *Service {
	return &Service{Endpoint: endpoint, Sys: "/sys", Disabled: getenv != nil && strings.EqualFold(getenv(Disabled), "true")}
}

// Instance returns which instance this machine is, nil when it is none or may not
// be asked. It takes two seconds at most. An error says that the service did not
// answer as it should.
func (s *Service) Instance(ctx context.Context) (*agentwire.Cloud, error) {
	if s.Disabled || !s.ofAmazon() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := newClient()
	defer client.CloseIdleConnections()
	token, err := s.ask(ctx, client, http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", tokenSeconds)
	if err != nil {
		return nil, fmt.Errorf("get a token of the metadata service: %w", err)
	}
	doc, err := s.ask(ctx, client, http.MethodGet, "/latest/dynamic/instance-identity/document", "X-aws-ec2-metadata-token", string(token))
	if err != nil {
		return nil, fmt.Errorf("read the identity document: %w", err)
	}
	return parse(doc)
}

// newClient returns a client that knows no proxy and follows nothing.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: timeout / 2}).DialContext, MaxIdleConns: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

func (s *Service) ask(ctx context.Context, client *http.Client, method, path, header, value string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.Endpoint+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set(header, value)
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBytes+1))
	if err == nil && len(body) > maxBytes {
		err = fmt.Errorf("the answer is larger than %d bytes", maxBytes)
	}
	return body, err
}

func parse(doc []byte) (*agentwire.Cloud, error) {
	// The names are those of agentwire.Cloud; a document names no provider.
	c := agentwire.Cloud{}
	if err := json.Unmarshal(doc, &c); err != nil {
		return nil, errors.New("the identity document is not JSON")
	}
	c.Provider = agentwire.CloudAWS
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("the identity document: %w", err)
	}
	return &c, nil
}

// ofAmazon reports whether firmware or hypervisor say that the machine is one of
// EC2 (AWS, "Detect whether a host is an EC2 instance"). Everybody may read the
// files.
func (s *Service) ofAmazon() bool {
	for _, fact := range []struct {
		file string
		says func(text string) bool
	}{
		{"class/dmi/id/sys_vendor", isAmazon},
		{"class/dmi/id/bios_vendor", isAmazon},
		{"class/dmi/id/bios_version", func(text string) bool { return strings.HasSuffix(text, ".amazon") }}, // Xen
		{"hypervisor/uuid", func(text string) bool { return strings.HasPrefix(text, "ec2") }},               // Xen
	} {
		content, err := os.ReadFile(filepath.Join(s.Sys, filepath.FromSlash(fact.file)))
		if err == nil && fact.says(strings.ToLower(strings.TrimSpace(string(content)))) {
			return true
		}
	}
	return false
}

func isAmazon(vendor string) bool { return vendor == "amazon ec2" }
