package resident

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/agent/session"
)

// status prints what the agent says that runs on the state folder, or what the
// folder says where none does.
func status(ctx context.Context, o *options, sys System) error {
	report, err := o.report(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no agent in %s: provision this host, or give the folder with StateDir=", o.stateDir)
	}
	if err != nil {
		return err
	}
	if o.json {
		return writeJSON(sys.Stdout, report)
	}
	return writeReport(sys.Stdout, report, time.Now())
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

func writeReport(out io.Writer, r *session.Report, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	writeState(w, r, now)
	if len(r.Next) > 0 {
		fmt.Fprint(w, "\nNext\n")
		for _, n := range r.Next {
			at := "-"
			if n.At != nil {
				at = stamp(n.At)
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", n.Event, at, plain(n.Reason))
		}
	}
	if len(r.Queue) > 0 {
		fmt.Fprint(w, "\nOn-demand requests\n")
		for _, q := range r.Queue {
			fmt.Fprintf(w, "  %d\t%s\t%s\t%s\n", q.ID, plain(string(q.Type)), q.State, plain(q.Reason))
		}
	}
	if len(r.Incidents) > 0 {
		fmt.Fprint(w, "\nFailed, throttled, refused, dropped or denied, the latest last\n")
		for _, i := range r.Incidents {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%dx\t%s\n", stamp(&i.Last), i.Effect, plain(i.What), i.Times, plain(i.Why))
		}
	}
	if len(r.Settings) > 0 {
		fmt.Fprintf(w, "\nProfile %s\n", plain(r.Profile))
		for _, s := range r.Settings {
			fmt.Fprintf(w, "  %s\t%s %s\t%s\n", s.Key, plain(s.Value), s.Unit, s.From)
		}
	}
	return w.Flush()
}

// writeState writes one line for each thing that is known.
func writeState(w io.Writer, r *session.Report, now time.Time) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, plain(value))
		}
	}
	agentID := r.AgentID
	if agentID == "" {
		agentID = "not provisioned"
	}
	line("Agent", agentID)
	line("Own identity since", stamp(r.Separated))
	line("Uninstalled", stamp(r.Uninstalled))
	line("Running", map[bool]string{true: "yes", false: "no"}[r.Running])
	if h := r.Handling; h != nil {
		line("In the middle of", fmt.Sprintf("%s, since %s: what follows is what was saved before", h.Event, stamp(&h.Since)))
	}
	line("Version", r.Version)
	line("Server", r.Server)
	line("Last event", r.Event)
	if r.LastContact != nil {
		line("Last contact", fmt.Sprintf("%s, %s ago", stamp(r.LastContact), now.Sub(*r.LastContact).Round(time.Second)))
	} else {
		line("Last contact", "never")
	}
	line("Next status", stamp(r.NextStatus))
	line("Blackout until", stamp(r.BlackoutUntil))
	line("Clock", clock(r.AheadSeconds))
	line("Profile", versioned(r.Profile, r.ProfileVersion))
	line("Manifest", versioned(r.Manifest, r.ManifestVersion))
	line("Last scan", scanned(r))
	line("Confirmed snapshot", r.Confirmed)
	if r.PendingBytes > 0 {
		line("Pending upload", fmt.Sprintf("%d bytes", r.PendingBytes))
	}
	if r.Replaced > 0 {
		line("Dropped uploads", fmt.Sprintf("%d, each replaced by a newer one before it was committed", r.Replaced))
	}
}

// scanned says when the last good scan ended and how it was held back.
func scanned(r *session.Report) string {
	if r.LastScan == nil || r.Paced == nil {
		return stamp(r.LastScan)
	}
	p := r.Paced
	return fmt.Sprintf("%s, took %.1f s and %.2f s of a processor; held below %d %% of a core, with pauses of %d ms",
		stamp(r.LastScan), p.Seconds, p.CPUSeconds, p.CPULimit, p.ThrottleMS)
}

// plain keeps what others wrote, such as the platform, from steering a terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
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
