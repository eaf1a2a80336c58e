package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/server"
)

// patience bounds what must happen soon.
const patience = 30 * time.Second

// sends answers with a download and says how it ended: nil, or what it panicked
// with.
func sends(d func() server.Download, ended chan<- any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			ended <- cause
			if cause != nil {
				panic(cause)
			}
		}()
		d().Send(w, r)
	})
}

func awaitEnd(t *testing.T, ended <-chan any) any {
	t.Helper()
	select {
	case cause := <-ended:
		return cause
	case <-time.After(patience):
		t.Fatal("the download does not end")
		return nil
	}
}

func TestADownloadIsTheBytesOfAFile(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("agent package "), 40_000)
	ended := make(chan any, 2)
	plain, secure, client, _ := serve(t, server.Options{}, server.Route{Path: "/d", Handler: sends(func() server.Download {
		return server.Download{Name: `an "agent".deb`, Size: int64(len(content)), Content: bytes.NewReader(content)}
	}, ended)})
	for _, url := range []string{"http://" + plain, "https://" + secure} {
		request, err := http.NewRequest("POST", url+"/d", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Range", "bytes=0-9") // has no meaning with POST
		request.Header.Set("If-None-Match", "*")
		resp, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, content) || resp.ContentLength != int64(len(content)) {
			t.Errorf("%s: status %d, %d bytes of %d (%v)", resp.Proto, resp.StatusCode, len(got), len(content), err)
		}
		h := resp.Header
		if h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Disposition") != `attachment; filename="an \"agent\".deb"` || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("header %v", h)
		}
		if cause := awaitEnd(t, ended); cause != nil {
			t.Errorf("the download ended with %v", cause)
		}
	}
}

// steady gives one part of a file with every tick.
type steady struct {
	ticks <-chan time.Time
	part  []byte
}

func (s steady) Read(p []byte) (int, error) {
	<-s.ticks
	return copy(p, s.part), nil
}

func TestADownloadThatGoesOnOutlivesTheStall(t *testing.T) {
	t.Parallel()
	// Longer than any pause of a busy machine, and shorter than all parts together.
	const stall = 3 * time.Second
	const every = stall / 30
	const parts, size = 40, 64 << 10
	for _, protocol := range []string{"http", "https"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			ticker := time.NewTicker(every)
			t.Cleanup(ticker.Stop)
			plain, secure, client, _ := serve(t, server.Options{}, server.Route{Path: "/d", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				server.Download{Name: "d", Size: parts * size, Content: steady{ticker.C, make([]byte, size)}, Stall: stall}.Send(w, r)
			})})
			resp, err := client.Get(map[string]string{"http": "http://" + plain, "https": "https://" + secure}[protocol] + "/d")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != parts*size {
				t.Errorf("%s: %d bytes of %d (%v)", resp.Proto, n, parts*size, err)
			}
		})
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAClientThatTakesNothingIsCut(t *testing.T) {
	t.Parallel()
	ended := make(chan any, 1)
	plain, _, _, _ := serve(t, server.Options{}, server.Route{Path: "/d", Timeout: time.Hour, Handler: sends(func() server.Download {
		return server.Download{Name: "d", Size: 1 << 40, Content: zeros{}, Stall: 50 * time.Millisecond}
	}, ended)})
	conn := dial(t, plain)
	fmt.Fprint(conn, "GET /d HTTP/1.1\r\nHost: x\r\n\r\n")
	if cause := awaitEnd(t, ended); cause != http.ErrAbortHandler { //nolint:errorlint // the panic has this very value
		t.Errorf("ended with %v, want the connection cut", cause)
	}
}

func TestADownloadEndsWithItsTime(t *testing.T) {
	t.Parallel()
	ended := make(chan any, 1)
	plain, _, client, _ := serve(t, server.Options{}, server.Route{Path: "/d", Timeout: 100 * time.Millisecond, Handler: sends(func() server.Download {
		return server.Download{Name: "d", Size: 1 << 40, Content: zeros{}}
	}, ended)})
	resp, err := client.Get("http://" + plain + "/d")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("%d bytes passed for a whole file", n)
	}
	if cause := awaitEnd(t, ended); cause != http.ErrAbortHandler { //nolint:errorlint // the panic has this very value
		t.Errorf("ended with %v, want the connection cut", cause)
	}
}

func TestHalfAFileIsNotTakenForTheWhole(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]io.Reader{
		"an error of the disk": io.MultiReader(strings.NewReader(strings.Repeat("x", 200_000)), failing{}),
		"a file that shrank":   strings.NewReader(strings.Repeat("x", 200_000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan any, 1)
			plain, _, client, _ := serve(t, server.Options{}, server.Route{Path: "/d", Handler: sends(func() server.Download {
				return server.Download{Name: "d", Size: 400_000, Content: content}
			}, ended)})
			resp, err := client.Get("http://" + plain + "/d")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d bytes ended with %v, want an unexpected end", n, err)
			}
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "read", Err: errors.New("disk on fire")}
}
