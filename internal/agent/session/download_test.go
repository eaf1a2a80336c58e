package session

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestADownloadIsWholeOrAnError(t *testing.T) {
	t.Parallel()
	const path = "/agent/v1/document"
	want := bytes.Repeat([]byte("0123456789abcdef"), 3<<10) // three fragments
	served := func(w http.ResponseWriter, r *http.Request, tag string) {
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(want))
	}
	const good, requests = "", 3
	for _, tt := range []struct {
		name  string
		limit int64
		says  string
		serve func(w http.ResponseWriter, r *http.Request, n int) // the nth request
	}{
		{"as it is", 1 << 20, good, func(w http.ResponseWriter, r *http.Request, _ int) { served(w, r, `"one"`) }},
		{"exactly as large as allowed", 48 << 10, good, func(w http.ResponseWriter, r *http.Request, _ int) { served(w, r, `"one"`) }},
		{"without a tag", 1 << 20, good, func(w http.ResponseWriter, r *http.Request, _ int) { served(w, r, "") }},
		{"by something that does not serve ranges", 1 << 20, good, func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write(want) }},
		{"larger than allowed", 48<<10 - 1, "allowed are", func(w http.ResponseWriter, r *http.Request, _ int) { served(w, r, `"one"`) }},
		{"larger than allowed and without ranges", 48<<10 - 1, "more than", func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write(want) }},
		{"changed on the way", 1 << 20, "changed", func(w http.ResponseWriter, r *http.Request, n int) {
			served(w, r, map[bool]string{true: `"one"`, false: `"two"`}[n < requests])
		}},
		{"changed on the way, all at once", 1 << 20, "changed", func(w http.ResponseWriter, r *http.Request, n int) {
			if n == requests {
				r.Header.Del("Range")
				r.Header.Del("If-Match")
			}
			served(w, r, `"one"`)
		}},
		{"another part than asked for", 1 << 20, "asked for were", func(w http.ResponseWriter, r *http.Request, n int) {
			if n == requests {
				r.Header.Set("Range", "bytes=0-99")
			}
			served(w, r, `"one"`)
		}},
		{"a promise and nothing else", 1 << 20, "holds 0 bytes", func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Range", "bytes 0-65535/200000")
			w.WriteHeader(http.StatusPartialContent)
		}},
		{"less than asked for", 1 << 20, "asked for were", func(w http.ResponseWriter, r *http.Request, _ int) {
			r.Header.Set("Range", "bytes=0-99")
			served(w, r, `"one"`)
		}},
		{"a part of nobody knows what", 1 << 20, "Content-Range", func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Range", "bytes 0-5/*")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "012345")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, b *bundle) {
				b.run(time.Minute)
				n := 0
				b.platform.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
					n++
					tt.serve(w, r, n)
					return true
				}
				a, err := Open(b.cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				a.client.setPace(pace{16 << 10, time.Second, b.clock})
				var got bytes.Buffer
				err = a.client.download(t.Context(), path, &got, tt.limit)
				switch {
				case tt.says == good && (err != nil || !bytes.Equal(got.Bytes(), want)):
					t.Errorf("download of %d bytes: %v, want all %d", got.Len(), err, len(want))
				case tt.says != good && (err == nil || !strings.Contains(err.Error(), tt.says)):
					t.Errorf("download: %v, want an error that says %q", err, tt.says)
				}
				if n > requests {
					t.Errorf("%d requests for three fragments", n)
				}
			})
		})
	}
}
