package webhook_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/outbound/egress"
	"vedette.dev/vedette/internal/outbound/webhook"
)

// now is when every message of these tests is sent.
var now = time.Date(2025, 1, 22, 8, 5, 0, 0, time.UTC)

const document = `{"type":"test","data":{}}`

// receiver is a server of a test, with TLS, and the target that leads to it.
func receiver(t *testing.T, handler http.HandlerFunc) notice.Target {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return notice.Target{URL: server.URL + "/hooks/planted-token?key=planted-key", CA: string(ca)}
}

func client() *webhook.Client {
	return &webhook.Client{UserAgent: "Vedette 1.2.3", Now: func() time.Time { return now }, Timeout: 20 * time.Second}
}

// failure returns how a message failed, or fails the test. Whatever it says, it has
// nothing of the URL but its host.
func failure(t *testing.T, err error) *notice.SendError {
	t.Helper()
	failed, ok := errors.AsType[*notice.SendError](err)
	if !ok {
		t.Fatalf("error %v, want one of sending", err)
	}
	if shown := fmt.Sprintf("%v %+v %v", failed, *failed, failed.Err); strings.Contains(shown, "planted") {
		t.Errorf("shown: %s", shown)
	}
	return failed
}

func TestADocumentArrivesSigned(t *testing.T) {
	t.Parallel()
	secret := signature.NewSecret()
	got := make(chan error, 1)
	to := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = signature.Verify(signature.Of(r.Header), body, now.Add(time.Minute), secret)
		}
		if string(body) != document || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("User-Agent") != "Vedette 1.2.3" || r.Header.Get("Webhook-Id") != "msg_7" || r.URL.Query().Get("key") != "planted-key" {
			err = fmt.Errorf("%s %s %v: %s", r.Method, r.URL, r.Header, body)
		}
		got <- err
		w.WriteHeader(http.StatusAccepted)
	})
	status, err := client().Send(t.Context(), to, secret, "msg_7", []byte(document))
	if status != http.StatusAccepted || err != nil {
		t.Fatalf("%d, %v", status, err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestAnAnswerSaysWhetherAnotherTryHelps(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		temporary  bool
		resolution string
	}{
		301: {false, "redirects to"}, 307: {false, "redirects to"}, 410: {false, "wants no more"},
		400: {true, "log of the receiver"}, 401: {true, "secret of this webhook"}, 403: {true, "secret of this webhook"}, 404: {true, "URL"}, 405: {true, "POST"},
		429: {true, "log"}, 500: {true, "log"}, 503: {true, "log"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			calls := 0
			to := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.Header().Set("Location", "https://127.0.0.1:1/planted")
				w.Header().Set("Retry-After", "90")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "planted answer of an inner service")
			})
			got, err := client().Send(t.Context(), to, signature.NewSecret(), "msg_7", []byte(document))
			f := failure(t, err)
			if got != status || calls != 1 || f.Temporary != want.temporary || !strings.Contains(f.Resolution, want.resolution) || !strings.Contains(f.Message, fmt.Sprint(status)) {
				t.Errorf("%d after %d calls: %+v", got, calls, f)
			}
			if want.temporary != (f.Wait == 90*time.Second) {
				t.Errorf("wait %s", f.Wait)
			}
		})
	}
}

func TestAReceiverMayAskToWaitUntilATimeAndNotForGood(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		now.Add(time.Hour).Format(http.TimeFormat): time.Hour, now.Add(-time.Hour).Format(http.TimeFormat): 0, "999999999": 24 * time.Hour, "-5": 0, "soon": 0, "": 0,
	} {
		to := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		_, err := client().Send(t.Context(), to, signature.Secret{}, "msg_7", []byte(document))
		if f := failure(t, err); f.Wait != want {
			t.Errorf("%q: wait %s, want %s", header, f.Wait, want)
		}
	}
}

func TestAReceiverThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	to := receiver(t, func(http.ResponseWriter, *http.Request) { <-released })
	t.Cleanup(func() { close(released) }) // before the server is closed
	c := client()
	c.Timeout = 200 * time.Millisecond
	_, err := c.Send(t.Context(), to, signature.Secret{}, "msg_7", []byte(document))
	if f := failure(t, err); !f.Temporary || !errors.Is(f, context.DeadlineExceeded) || !strings.Contains(f.Message, "200ms") {
		t.Errorf("%+v", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client().Send(ctx, to, signature.Secret{}, "msg_7", []byte(document))
	if f := failure(t, err); !f.Temporary || !errors.Is(f, context.Canceled) {
		t.Errorf("cancelled: %+v", f)
	}
}

func TestAnAnswerThatNeverEndsIsNotRead(t *testing.T) {
	t.Parallel()
	to := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	if status, err := client().Send(t.Context(), to, signature.Secret{}, "msg_7", []byte(document)); status != http.StatusOK || err != nil {
		t.Errorf("%d, %v", status, err)
	}
	to = receiver(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 128<<10)) })
	_, err := client().Send(t.Context(), to, signature.Secret{}, "msg_7", []byte(document))
	if f := failure(t, err); !f.Temporary {
		t.Errorf("a header without end: %+v", f)
	}
}

func TestAReceiverThatIsNotTrustedGetsNothing(t *testing.T) {
	t.Parallel()
	to := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("the receiver got a message") })
	to.CA = ""
	_, err := client().Send(t.Context(), to, signature.NewSecret(), "msg_7", []byte(document))
	if f := failure(t, err); f.Temporary || !strings.Contains(f.Message, "TLS") || !strings.Contains(f.Resolution, "CA") {
		t.Errorf("%+v", f)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	_, err = client().Send(t.Context(), notice.Target{URL: strings.Replace(plain.URL, "http:", "https:", 1)}, signature.NewSecret(), "msg_7", []byte(document))
	if f := failure(t, err); f.Temporary || !strings.Contains(f.Message, "TLS") {
		t.Errorf("a receiver without TLS: %+v", f)
	}
}

func TestAURLLeadsToNoInnerService(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/", "https://100.100.100.200:443/"} {
		_, err := client().Send(t.Context(), notice.Target{URL: url}, signature.Secret{}, "msg_7", []byte(document))
		if f := failure(t, err); f.Temporary || !strings.Contains(f.Message, "not connected to") {
			t.Errorf("%s: %+v", url, f)
		}
	}
	to := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("the receiver got a message") })
	c := client()
	c.Policy = egress.Policy{NoPrivate: true}
	_, err := c.Send(t.Context(), to, signature.Secret{}, "msg_7", []byte(document))
	if f := failure(t, err); f.Temporary || !strings.Contains(f.Message, "public Internet") {
		t.Errorf("an address of this machine: %+v", f)
	}
}

func TestWhatAnswersIsNotQuoted(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(connection, "SSH-2.0-planted\r\n\r\n")
			_ = connection.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	_, err = client().Send(t.Context(), notice.Target{URL: "http://" + listener.Addr().String()}, signature.Secret{}, "msg_7", []byte(document))
	if f := failure(t, err); !f.Temporary {
		t.Errorf("%+v", f)
	}
}

func TestNobodyThereIsTemporary(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	_, err := client().Send(t.Context(), notice.Target{URL: server.URL}, signature.Secret{}, "msg_7", []byte(document))
	if f := failure(t, err); !f.Temporary || !strings.Contains(f.Message, "refused") {
		t.Errorf("%+v", f)
	}
}

func TestWhatMustNotBeSentIsRefusedBeforeAnythingIs(t *testing.T) {
	t.Parallel()
	to := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("the receiver got a message") })
	if _, err := client().Send(t.Context(), to, signature.Secret{}, "a.b", []byte(document)); failure(t, err).Temporary {
		t.Error("an id with a full stop")
	}
	if _, err := client().Send(t.Context(), to, signature.Secret{}, "msg_7", make([]byte, 256<<10+1)); failure(t, err).Temporary {
		t.Error("a document that is too long")
	}
	for _, url := range []string{
		"", "soc.example.org", "https://", "ftp://soc.example.org", "http://soc.example.org/", "https://planted:planted@soc.example.org/", "https://soc.example.org/#planted",
		"https://a b/", "https://soc.example.org/\r\nplanted", "https://soc.example.org/" + strings.Repeat("planted", 300), "https://so,c.example.org/",
	} {
		if _, err := client().Send(t.Context(), notice.Target{URL: url}, signature.Secret{}, "msg_7", []byte(document)); failure(t, err).Temporary || !strings.Contains(err.Error(), "URL") {
			t.Errorf("%s: %v", url, err)
		}
	}
	to.CA = "-----BEGIN"
	if _, err := client().Send(t.Context(), to, signature.Secret{}, "msg_7", []byte(document)); !strings.Contains(failure(t, err).Message, "CA") {
		t.Errorf("a CA without a certificate: %v", err)
	}
}
