package fleet_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/fleet"
)

type contested []fleet.ContestedInstance

func (c *contested) ContestedInstances(context.Context, int) ([]fleet.ContestedInstance, error) {
	return *c, nil
}

func TestAContestedInstanceIsReportedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	claims := contested{{HostID: 7, HolderID: 3, AccountID: "012345678901", InstanceID: "i-0a"}}
	r := &fleet.ClaimReporter{Instances: &claims, Log: slog.New(slog.NewTextHandler(&log, nil))}
	report := func(want int, why string) {
		t.Helper()
		log.Reset()
		if err := r.Report(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "level=WARN"); got != want {
			t.Errorf("%s: %d lines, want %d: %s", why, got, want, log.String())
		}
	}
	report(1, "the first time")
	for _, part := range []string{"asset=7", `"other asset"=3`, "instance=i-0a"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the line does not say %s: %s", part, log.String())
		}
	}
	report(0, "the second time")
	claims = append(claims, fleet.ContestedInstance{HostID: 9, HolderID: 3, InstanceID: "i-0a"})
	report(1, "another agent")
	claims = nil
	report(0, "the agents are gone")
	claims = contested{{HostID: 7, HolderID: 3, AccountID: "012345678901", InstanceID: "i-0a"}}
	report(1, "one came back")
}
