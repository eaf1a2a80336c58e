package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store/sqlite"
	"vedette.dev/vedette/internal/store/storetest"
)

// crashDatabase names, in a child of this test binary, the database to write
// until the child is killed.
const crashDatabase = "VEDETTE_TEST_CRASH_DATABASE"

// acknowledged is how many enrolments the parent waits for before it kills.
const acknowledged = 25

func TestMain(m *testing.M) {
	if path := os.Getenv(crashDatabase); path != "" {
		if err := enrolUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// enrolUntilKilled prints each agent after its enrolment was acknowledged.
func enrolUntilKilled(path string) error {
	s, err := sqlite.Open(context.Background(), path, time.Now)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		enrolled, err := s.EnrolAgent(context.Background(), fleet.Enrolment{
			ActivationKey: storetest.ActivationKey, PublicKey: storetest.PublicKey(n), AgentID: storetest.AgentID(n), Host: agentwire.Host{Name: fmt.Sprint("host-", n)}, At: storetest.Start,
		})
		if err != nil {
			return err
		}
		fmt.Println(enrolled.HostID, enrolled.AgentID)
	}
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	s := open(t, path, time.Now)
	storetest.Bootstrap(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	told := killWhileWriting(t, path)

	s = open(t, path, time.Now)
	for _, line := range told {
		id, agentID, _ := strings.Cut(line, " ")
		state, err := s.AgentState(t.Context(), agentID)
		if err != nil || strconv.FormatInt(state.HostID, 10) != id {
			t.Errorf("agent %s was acknowledged as host %s: got %d, %v", agentID, id, state.HostID, err)
		}
	}
	// Nor is anything there by halves: each host has its agent, its tag and its
	// unit of the key, and its name can be found.
	hosts, err := s.SearchHosts(t.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts.Hosts {
		if h.AgentInfo == nil || len(h.Tags) != 1 {
			t.Errorf("host %d is incomplete: %+v", h.ID, h)
		}
	}
	keys, err := s.ActivationKeys(t.Context())
	if err != nil || keys[0].CountUsed != len(hosts.Hosts) || len(hosts.Hosts) < len(told) {
		t.Errorf("%d hosts, %d told, keys %+v, %v", len(hosts.Hosts), len(told), keys, err)
	}
}

func killWhileWriting(t *testing.T, path string) []string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), crashDatabase+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var told []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		// The last line may be cut off by the kill: only whole ones count.
		told = append(told, lines.Text())
		if len(told) == acknowledged {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	if len(told) < acknowledged {
		t.Fatalf("the child told of %d enrolments, want %d", len(told), acknowledged)
	}
	return told[:acknowledged]
}
