package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestFailureScripts runs testdata/failures/*.txt: platforms that are started by
// the command line, and what programs that call them meet.
func TestFailureScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/failures",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "signin": signIn, "call": call},
	})
}

// signIn waits for the platform of a data folder and makes its admin.env the
// environment: signin data.
func signIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signin folder")
	}
	path := filepath.Join(ts.MkAbs(args[0]), adminEnvFile)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(30 * time.Second)
	for {
		content, err := os.ReadFile(path)
		if err == nil {
			for line := range strings.Lines(string(content)) {
				if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
					ts.Setenv(name, value)
				}
			}
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
		}
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("the platform never wrote %s", path)
		}
	}
}

// call sends one request as the user who is signed in, and prints status, header
// and body, or why there is none: call POST /path 'Name: value'…
func call(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: call method path ['Name: value'…]")
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ts.ReadFile(ts.Getenv("VEDETTE_CA_FILE"))))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(args[0], ts.Getenv("VEDETTE_URL")+args[1], http.NoBody)
	ts.Check(err)
	r.SetBasicAuth(ts.Getenv("VEDETTE_USERNAME"), ts.Getenv("VEDETTE_PASSWORD"))
	for _, field := range args[2:] {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		fmt.Fprintf(ts.Stdout(), "no answer: %v\n", err)
		return
	}
	defer resp.Body.Close()
	fmt.Fprintln(ts.Stdout(), resp.Status)
	var fields []string
	for name, values := range resp.Header {
		fields = append(fields, name+": "+values[0])
	}
	slices.Sort(fields)
	fmt.Fprintln(ts.Stdout(), strings.Join(fields, "\n"))
	body, err := io.ReadAll(resp.Body)
	fmt.Fprintf(ts.Stdout(), "\n%s\n", body)
	if err != nil {
		fmt.Fprintf(ts.Stdout(), "the body ends early: %v\n", err)
	}
}
