package metadata

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
)

const document = `{
  "accountId" : "012345678901", "architecture" : "x86_64", "availabilityZone" : "eu-west-1b", "billingProducts" : null,
  "imageId" : "ami-0c", "instanceId" : "i-0123456789abcdef0", "instanceType" : "t3.micro", "kernelId" : null,
  "pendingTime" : "2031-04-01T06:12:44Z", "privateIp" : "10.0.0.5", "region" : "eu-west-1", "version" : "2017-09-30", "provider": "me"
}`

// imds is a metadata service that enforces version 2: a token by PUT, which no
// proxy has touched, for every document.
type imds struct {
	*httptest.Server
	requests atomic.Int32
	token    string
	document string
	status   int // of the document, when not 200
}

func newIMDS(t *testing.T) *imds {
	t.Helper()
	s := &imds{token: "AQAEAtoken==", document: document}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		ttl := r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds")
		switch {
		case r.Header.Get("X-Forwarded-For") != "":
			w.WriteHeader(http.StatusForbidden)
		case ttl == "" || len(ttl) > 5:
			w.WriteHeader(http.StatusBadRequest)
		default:
			_, _ = w.Write([]byte(s.token))
		}
	})
	mux.HandleFunc("GET /latest/dynamic/instance-identity/document", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-aws-ec2-metadata-token") != s.token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if s.status != 0 {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(s.status)
		}
		_, _ = w.Write([]byte(s.document))
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// machine returns a service as a machine sees it whose sysfs has the files.
func (s *imds) machine(t *testing.T, files map[string]string) *Service {
	t.Helper()
	sys := t.TempDir()
	for name, content := range files {
		path := filepath.Join(sys, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &Service{Endpoint: s.URL, Sys: sys}
}

var nitro = map[string]string{"class/dmi/id/sys_vendor": "Amazon EC2"}

func TestAnInstanceIsToldWhichItIs(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"Nitro":      nitro,
		"bare metal": {"class/dmi/id/bios_vendor": "Amazon EC2"},
		"Xen":        {"class/dmi/id/bios_version": "4.11.amazon", "class/dmi/id/sys_vendor": "Xen"},
		"older Xen":  {"hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newIMDS(t).machine(t, files).Instance(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := agentwire.Cloud{
				Provider: agentwire.CloudAWS, AccountID: "012345678901", Region: "eu-west-1", AvailabilityZone: "eu-west-1b",
				InstanceID: "i-0123456789abcdef0", InstanceType: "t3.micro", ImageID: "ami-0c",
			}
			if *got != want {
				t.Errorf("got %+v, want %+v", *got, want)
			}
		})
	}
}

func TestNoRequestLeavesOtherMachines(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"no firmware": nil,
		"a server":    {"class/dmi/id/sys_vendor": "Dell Inc.", "class/dmi/id/bios_version": "1.2", "hypervisor/uuid": "fec2e191"},
		"a look-alike": {
			"class/dmi/id/sys_vendor": "Amazon EC2 compatible", "class/dmi/id/bios_version": "amazon 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newIMDS(t)
			got, err := s.machine(t, files).Instance(t.Context())
			if got != nil || err != nil || s.requests.Load() != 0 {
				t.Errorf("got %+v, %v after %d requests; want none", got, err, s.requests.Load())
			}
		})
	}
}

func TestTheEnvironmentSwitchesTheServiceOff(t *testing.T) {
	t.Parallel()
	for value, off := range map[string]bool{"true": true, "TRUE": true, "false": false, "": false} {
		if s := New(func(name string) string { return map[string]string{Disabled: value}[name] }); s.Disabled != off || s.Endpoint != "http://169.254.169.254" {
			t.Errorf("%s=%s: %+v, want disabled: %t", Disabled, value, s, off)
		}
	}
	server := newIMDS(t)
	s := server.machine(t, nitro)
	s.Disabled = true
	if got, err := s.Instance(t.Context()); got != nil || err != nil || server.requests.Load() != 0 {
		t.Errorf("got %+v, %v after %d requests", got, err, server.requests.Load())
	}
}

func TestAServiceThatDoesNotAnswerAsItShouldTellsNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *imds){
		"no JSON":             func(s *imds) { s.document = "<html>" },
		"no account":          func(s *imds) { s.document = strings.Replace(document, "012345678901", "", 1) },
		"another id":          func(s *imds) { s.document = strings.Replace(document, "i-0123456789abcdef0", "../x", 1) },
		"a huge document":     func(s *imds) { s.document = strings.Repeat(" ", 1<<20) + document },
		"a redirect":          func(s *imds) { s.status = http.StatusFound },
		"a refusal":           func(s *imds) { s.status = http.StatusForbidden },
		"a token of one line": func(s *imds) { s.token = "a\nb" },
		"nobody there":        func(s *imds) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newIMDS(t)
			machine := s.machine(t, nitro)
			spoil(s)
			if got, err := machine.Instance(t.Context()); got != nil || err == nil {
				t.Errorf("got %+v, %v; want an error", got, err)
			}
		})
	}
}

func TestAProxyIsNotAsked(t *testing.T) {
	t.Parallel()
	transport, ok := newClient().Transport.(*http.Transport)
	if !ok || transport.Proxy != nil {
		t.Error("the client may go through a proxy")
	}
}

func TestAServiceThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	s := (&imds{Server: server}).machine(t, nitro)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := s.Instance(ctx); got != nil || err == nil {
		t.Errorf("got %+v, %v; want an error", got, err)
	}
}
