package resident

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"
	"time"

	"vedette.dev/vedette/internal/agent/session"
)

// status prints what the state folder says, whether or not the agent runs.
func status(o *options, sys System) error {
	report, err := session.ReadReport(o.stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no agent in %s: provision this host, or give the folder with StateDir=", o.stateDir)
	}
	if err != nil {
		return err
	}
	if o.json {
		out := json.NewEncoder(sys.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	w := tabwriter.NewWriter(sys.Stdout, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	agentID := report.AgentID
	if agentID == "" {
		agentID = "not provisioned"
	}
	line("Agent", agentID)
	line("Own identity since", stamp(report.Separated))
	line("Uninstalled", stamp(report.Uninstalled))
	line("Running", map[bool]string{true: "yes", false: "no"}[report.Running])
	line("Server", report.Server)
	line("Last event", report.Event)
	line("Last contact", stamp(report.LastContact))
	line("Next status", stamp(report.NextStatus))
	line("Clock", clock(report.AheadSeconds))
	line("Profile", versioned(report.Profile, report.ProfileVersion))
	line("Manifest", versioned(report.Manifest, report.ManifestVersion))
	line("Last scan", stamp(report.LastScan))
	line("Confirmed snapshot", report.Confirmed)
	if report.PendingBytes > 0 {
		line("Pending upload", fmt.Sprintf("%d bytes", report.PendingBytes))
	}
	for _, q := range report.Queue {
		line(fmt.Sprintf("Request %d", q.ID), fmt.Sprintf("%s %s %s", q.Type, q.State, q.Reason))
	}
	return w.Flush()
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// clock says how the host's clock differs from the platform's, if it does.
func clock(ahead int64) string {
	skew := time.Duration(ahead) * time.Second
	switch {
	case skew > 0:
		return fmt.Sprintf("%s ahead of the platform's: set it right, requests are signed with the platform's time meanwhile", skew)
	case skew < 0:
		return fmt.Sprintf("%s behind the platform's: set it right, requests are signed with the platform's time meanwhile", -skew)
	}
	return ""
}

func versioned(name string, version int64) string {
	if version == 0 {
		return ""
	}
	return fmt.Sprintf("%s (version %d)", name, version)
}
