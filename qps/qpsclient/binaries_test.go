package qpsclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

// deb is the content of a package.
var deb = bytes.Repeat([]byte("!<arch>\ndebian-binary   "), 10_000)

// hashOf is what a platform announces of deb.
func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return qps.BinaryHash(qps.BinarySHA256, sum[:])
}

func packageBytes(content []byte) http.HandlerFunc {
	return answer(200, string(content), "Content-Type", "application/octet-stream")
}

var ubuntu = BinaryDownload{Platform: "LINUX_UBUNTU", Architecture: "X_64"}

func TestBinaryInformationIsRead(t *testing.T) {
	t.Parallel()
	want := []qps.BinaryPlatform{{Name: "LINUX_UBUNTU/X_64", Version: "2.0.0", Hash: hashOf(deb), Extension: ".deb"}, {Name: "LINUX/X_64", Version: "2.0.0"}}
	p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaBinaryInfo, &qps.AllBinaryInfo{Platforms: want})), countOf(0))
	c, _ := newClient(t, p.URL)
	got, err := c.BinaryInfo(t.Context(), "ALL", "X_64")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if none, err := c.BinaryInfo(t.Context(), "ALL", "ALL"); err != nil || len(none) != 0 {
		t.Errorf("a platform without packages: %v, %v", none, err)
	}
	sent := p.received()[0]
	body := "<data>\n    <BinaryInfo>\n      <platform>ALL</platform>\n      <architecture>X_64</architecture>\n    </BinaryInfo>\n  </data>"
	if sent.method != "POST" || sent.uri != "/qps/rest/1.0/process/ca/binaryinfo" || !strings.Contains(sent.body, body) {
		t.Errorf("sent %s %s with %s", sent.method, sent.uri, sent.body)
	}
}

func TestAPackageIsWrittenAndVerified(t *testing.T) {
	t.Parallel()
	sum384, sum512 := sha512.Sum384(deb), sha512.Sum512(deb)
	for name, hash := range map[string]string{
		"not at all":      "",
		"by SHA-256":      hashOf(deb),
		"in upper case":   "Hash-SHA-256:" + strings.ToUpper(strings.TrimPrefix(hashOf(deb), "Hash-SHA-256: ")),
		"by SHA-384":      qps.BinaryHash(qps.BinarySHA384, sum384[:]),
		"by SHA-512":      qps.BinaryHash(qps.BinarySHA512, sum512[:]),
		"typed as an XML": hashOf(deb), // the media type of packages is not documented
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, packageBytes(deb))
			if strings.HasPrefix(name, "typed") {
				p = newPlatform(t, answer(200, string(deb)))
			}
			c, _ := newClient(t, p.URL)
			var got bytes.Buffer
			d := ubuntu
			d.Hash = hash
			n, err := c.DownloadBinary(t.Context(), d, &got)
			if err != nil || n != int64(len(deb)) || !bytes.Equal(got.Bytes(), deb) {
				t.Errorf("%d bytes of %d: %v", n, len(deb), err)
			}
			sent := p.received()[0]
			if sent.uri != "/qps/rest/1.0/download/ca/downloadbinary" || !strings.Contains(sent.body, "<DownloadBinary>\n      <platform>LINUX_UBUNTU</platform>") || sent.header.Get("Accept") != "*/*" {
				t.Errorf("sent %s %s with %s", sent.uri, sent.header, sent.body)
			}
		})
	}
}

func TestWhatIsNoPackageIsNotWritten(t *testing.T) {
	t.Parallel()
	notFound := func(err error) bool {
		refused, ok := errors.AsType[*qps.ResponseError](err)
		return ok && refused.Code == qps.CodeNotFound
	}
	kind := func(k TransportKind) func(error) bool {
		return func(err error) bool {
			broken, ok := errors.AsType[*TransportError](err)
			return ok && broken.Kind == k && broken.NextStep() != ""
		}
	}
	inJSON := string(qps.AppendResponse(nil, qps.JSON, qps.NewError(qps.SchemaBinaryInfo, qps.CodeNotFound, "m", "r"), nil))
	inXML := string(qps.AppendResponse(nil, qps.XML, qps.NewError(qps.SchemaBinaryInfo, qps.CodeNotFound, "m", "r"), nil))
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		says   func(error) bool
	}{
		"an envelope with status 200":         {refusal(200, qps.CodeNotFound, "m", "r"), notFound},
		"an envelope in JSON":                 {answer(200, inJSON, "Content-Type", "application/json"), notFound},
		"an envelope typed as bytes":          {answer(200, "\xEF\xBB\xBF \r\n"+inXML, "Content-Type", "application/octet-stream"), notFound},
		"an envelope with status 404":         {refusal(404, qps.CodeNotFound, "m", "r"), notFound},
		"an envelope that reports no failure": {countOf(1), kind(KindAnswer)},
		"the page of a proxy":                 {answer(200, "<!DOCTYPE html><html><body>Sign in", "Content-Type", "text/html"), kind(KindAnswer)},
		"nothing":                             {packageBytes(nil), kind(KindAnswer)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tc.answer)
			c, _ := newClient(t, p.URL)
			var got bytes.Buffer
			n, err := c.DownloadBinary(t.Context(), ubuntu, &got)
			if err == nil || !tc.says(err) || n != 0 || got.Len() != 0 || len(p.received()) != 1 {
				t.Errorf("%v after %d requests, with %d bytes written", err, len(p.received()), got.Len())
			}
			mustNotLeak(t, err)
		})
	}
}

func TestADamagedPackageIsAnError(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, packageBytes(deb))
	c, _ := newClient(t, p.URL)
	d := ubuntu
	d.Hash = hashOf(deb[1:])
	_, err := c.DownloadBinary(t.Context(), d, io.Discard)
	broken, ok := errors.AsType[*TransportError](err)
	if !ok || broken.Kind != KindDamaged || !strings.Contains(err.Error(), "is damaged") || !strings.Contains(broken.NextStep(), "Try again") {
		t.Errorf("error %v, want one that says damaged", err)
	}
	if n := len(p.received()); n != 1 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestAHashOfAnUnknownFormIsRefusedBeforeTheDownload(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, packageBytes(deb))
	c, _ := newClient(t, p.URL)
	for _, hash := range []string{"Hash-MD5: 0f", "0fa0", "Hash-SHA-256: zz", ":", "Hash-SHA-256: "} {
		d := ubuntu
		d.Hash = hash
		if _, err := c.DownloadBinary(t.Context(), d, io.Discard); err == nil {
			t.Errorf("hash %q was accepted", hash)
		}
	}
	if n := len(p.received()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestADownloadIsRepeatedUntilItHasBegun(t *testing.T) {
	t.Parallel()
	reset := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	p := newPlatform(t, answer(503, "", "Retry-After", "1"), reset, packageBytes(deb))
	c, w := newClient(t, p.URL)
	var got bytes.Buffer
	d := ubuntu
	d.Hash = hashOf(deb)
	if _, err := c.DownloadBinary(t.Context(), d, &got); err != nil || !bytes.Equal(got.Bytes(), deb) || len(w.list) != 2 {
		t.Errorf("%v after %d waits", err, len(w.list))
	}
}

func TestADownloadThatBreaksOffIsAnErrorAndNotRepeated(t *testing.T) {
	t.Parallel()
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(deb)))
		_, _ = w.Write(deb[:len(deb)/2])
	}
	p := newPlatform(t, half)
	c, _ := newClient(t, p.URL)
	var got bytes.Buffer
	n, err := c.DownloadBinary(t.Context(), ubuntu, &got)
	broken, ok := errors.AsType[*TransportError](err)
	if !ok || broken.Kind != KindConnect || n != int64(got.Len()) || n == 0 || len(p.received()) != 1 {
		t.Errorf("%v after %d bytes and %d requests", err, n, len(p.received()))
	}
}

// full is a disk without space.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestAFullDiskIsNotBlamedOnThePlatform(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, packageBytes(deb))
	c, _ := newClient(t, p.URL)
	_, err := c.DownloadBinary(t.Context(), ubuntu, full{})
	if _, broken := errors.AsType[*TransportError](err); !errors.Is(err, errFull) || broken || len(p.received()) != 1 {
		t.Errorf("%v after %d requests, want the error of the disk", err, len(p.received()))
	}
}

func TestADownloadThatStallsIsCut(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	p := newPlatform(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(deb)))
		_, _ = w.Write(deb[:100_000])
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-released:
		}
	})
	t.Cleanup(func() { close(released) })
	c, _ := newClient(t, p.URL)
	c.limits.downloadStall = 50 * time.Millisecond
	_, err := c.DownloadBinary(t.Context(), ubuntu, io.Discard)
	if broken, ok := errors.AsType[*TransportError](err); !ok || broken.Kind != KindTimeout {
		t.Errorf("error %v, want a time-out", err)
	}
}

func TestDownloadsHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, packageBytes(deb))
	c, _ := newClient(t, p.URL)
	c.limits.responseBytes = 1000 // of envelopes
	if _, err := c.DownloadBinary(t.Context(), ubuntu, io.Discard); err != nil {
		t.Errorf("a package larger than an envelope may be: %v", err)
	}
	c.limits.downloadBytes = 1000
	if _, err := c.DownloadBinary(t.Context(), ubuntu, io.Discard); !errors.Is(err, qps.ErrTooLarge) {
		t.Errorf("a package beyond the limit: %v", err)
	}
}

func TestADownloadEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := newPlatform(t, packageBytes(deb))
	c, _ := newClient(t, p.URL)
	_, err := c.DownloadBinary(ctx, ubuntu, writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil }))
	// The package may have arrived as a whole by then.
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the end of the context", err)
	}
	if _, err := c.DownloadBinary(ctx, ubuntu, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the end of the context", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
