package main

import (
	"net/http/httptest"
	"slices"
	"testing"
)

// TestCleaningUpLeavesHostsThatOnlyContainThePrefix has a platform find more than
// the hosts of the run, as CONTAINS does, on several pages.
func TestCleaningUpLeavesHostsThatOnlyContainThePrefix(t *testing.T) {
	t.Parallel()
	platform := newTestPlatform(true)
	for i, name := range []string{"swarm-1f9a3c-00000", "old-swarm-1f9a3c-00000", "swarm-1f9a3c-00001", "lab.swarm-1f9a3c-"} {
		platform.assets[i].Name = name
	}
	server := httptest.NewServer(platform)
	t.Cleanup(server.Close)
	term := newTerminal(t, map[string]string{"VEDETTE_URL": server.URL, "VEDETTE_USERNAME": "admin", "VEDETTE_PASSWORD": scriptPassword})
	if code := term.run(t.Context(), []string{"swarm", "clean", "swarm-1f9a3c-"}); code != exitDone {
		t.Fatalf("exit code %d: %s", code, term.err)
	}
	var left []string
	for _, asset := range platform.assets {
		left = append(left, asset.Name)
	}
	if want := []string{"old-swarm-1f9a3c-00000", "lab.swarm-1f9a3c-"}; !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
}
