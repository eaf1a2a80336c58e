package resident

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/session"
)

func TestStatusAsTextHasWhatComesNextAndWhatDidNotHappen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before, soon := now.Add(-90*time.Second), now.Add(time.Minute)
	report := &session.Report{
		Running: true, LastContact: &before, Replaced: 2, Profile: "Low\x1b[2J",
		Next: []session.Next{
			{Event: "wake-up", Reason: "held"},
			{Event: "status", At: &soon, Reason: "every 40m0s (INTERVAL_EVENT_STATUS)"},
		},
		Settings:  []session.Setting{{Key: "CPU_LIMIT", Value: "5", Unit: "%", From: "default"}},
		Incidents: []session.Incident{{Effect: session.Refused, What: "on-demand request 7", Why: "not activated\nreally", Last: before, Times: 3}},
	}
	var out bytes.Buffer
	if err := writeReport(&out, report, now); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"Last contact 2026-03-01T11:58:30Z, 1m30s ago", "Dropped uploads 2", "wake-up - held", "status 2026-03-01T12:01:00Z every 40m0s (INTERVAL_EVENT_STATUS)",
		"refused on-demand request 7 3x not activated?really", "CPU_LIMIT 5 % default",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("status does not have %q:\n%s", want, &out)
		}
	}
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Error("what the platform called the profile reaches the terminal as it is")
	}
}

func TestTheFormatIsGivenAsOnThePlatform(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"status", "-o", "json"}, {"status", "-o=json"}, {"status", "--output", "json"}, {"status", "Format=json"}} {
		if _, o, err := parse(args); err != nil || !o.json {
			t.Errorf("%v: %+v, %v; want JSON", args, o, err)
		}
	}
	if _, _, err := parse([]string{"status", "-o"}); err == nil || !strings.Contains(err.Error(), "Format has no value") {
		t.Errorf("-o without a format: %v", err)
	}
}

func TestStatusAsJSONHasNoSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := writeJSON(&out, &session.Report{CA: []byte("authority")}); err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(out.Bytes(), &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CA", "ca", "key"} {
		if _, ok := members[name]; ok {
			t.Errorf("status has a member %q", name)
		}
	}
}
