package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

// TestMain makes this test binary the command vedette for scripts.
func TestMain(m *testing.M) {
	testscript.Main(withPostgreSQL{m}, map[string]func(){"vedette": func() { os.Exit(mainExitCode()) }})
}

// withoutAWS keeps from the platforms of tests what the developer's environment
// says of AWS.
func withoutAWS() error {
	var errs []error
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
	} {
		errs = append(errs, os.Setenv(name, value))
	}
	return errors.Join(errs...)
}

// withPostgreSQL stops the PostgreSQL server of the tests that need one after
// all of them.
type withPostgreSQL struct{ m *testing.M }

// Run runs the tests; commands of scripts do not come here.
func (w withPostgreSQL) Run() int {
	if err := withoutAWS(); err != nil {
		panic(err)
	}
	return pgtest.Main(w.m)
}

// TestScripts runs testdata/script/*.txt, the command line as people use it.
// Every script has a platform of its own with four agents: $PLATFORM is its
// address, $TLS the same with a certificate of $CA, and $QUALYS one that does
// not report scan states. User and password are admin and $PW.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"mode":  mode,
		},
	})
}

const scriptPassword = "correct horse"

func setupScript(env *testscript.Env) error {
	platform := httptest.NewServer(newTestPlatform(true))
	encrypted := httptest.NewUnstartedServer(newTestPlatform(true))
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are wanted
	encrypted.StartTLS()
	qualys := httptest.NewServer(newTestPlatform(false))
	env.Defer(platform.Close)
	env.Defer(encrypted.Close)
	env.Defer(qualys.Close)
	ca := filepath.Join(env.WorkDir, "platform-ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encrypted.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		return err
	}
	env.Setenv("PLATFORM", platform.URL)
	env.Setenv("TLS", encrypted.URL)
	env.Setenv("QUALYS", qualys.URL)
	env.Setenv("CA", ca)
	env.Setenv("PW", scriptPassword)
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
	// No keyring: passwords of tests must not reach the developer's own.
	env.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(env.WorkDir, "no-bus"))
	return nil
}

// exits runs a command and checks its exit code: exits 3 vedette scans launch …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [argument…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// mode checks the permissions of a file: mode 0600 file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode permissions file")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}
