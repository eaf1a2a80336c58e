package automationapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

// programme has one playbook, tour (7) of SOC, which takes no inputs but days.
type programme struct{ sites *connection.Directory }

func (p programme) Names(ctx context.Context, who access.Principal) (map[int64]string, error) {
	sites, err := p.sites.MySites(ctx, who)
	if err != nil || len(sites) == 0 {
		return nil, err
	}
	return map[int64]string{7: "tour"}, nil
}

func (p programme) Startable(ctx context.Context, who access.Principal, id int64, inputs map[string]any) (int64, error) {
	if err := p.Visible(ctx, who, id); err != nil {
		return 0, err
	}
	for name := range inputs {
		if name != "days" {
			return 0, fault.Newf(fault.Invalid, "The playbook has no input %s.", name)
		}
	}
	return 1, nil
}

func (p programme) Visible(ctx context.Context, who access.Principal, id int64) error {
	if names, err := p.Names(ctx, who); err != nil || id == 7 && len(names) > 0 {
		return err
	}
	return access.Hidden(library.NoPlaybook(id))
}

func (programme) StartFiring(context.Context, schedule.Schedule, schedule.Firing, error) error {
	return nil
}

func TestAPlaybookIsScheduledByIDOrName(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	for i, ref := range []string{`{"name":"tour"}`, `{"id":7}`} {
		w := s.call("ann", "POST", "/schedules", `{"name":"weekly `+ref[2:3]+`","playbook":`+ref+`,"inputs":{"days":14},"every":"7d"}`)
		var made struct {
			ID                            int64
			Playbook, Connection, Command json.RawMessage
			Inputs                        map[string]any
			Owner                         string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
			t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
		}
		if string(made.Playbook) != `{"id":7,"name":"tour"}` || made.Connection != nil || made.Command != nil || made.Inputs["days"] != 14.0 || made.Owner != "ann" {
			t.Errorf("%d: it is %s", i, w.Body)
		}
	}
	for body, want := range map[string]string{
		`"playbook":{"name":"nowhere"}`:                                       "there is no playbook 'nowhere'",
		`"playbook":{"id":8}`:                                                 "There is no playbook 8",
		`"playbook":{"id":7},"command":"test-connection"`:                     "exclude each other",
		`"playbook":{"id":7},"connection":{"id":1}`:                           "names its connections itself",
		`"playbook":{"id":7},"inputs":{"weeks":1}`:                            "has no input weeks",
		`"playbook":{"id":7},"site":{"name":"Acme"}`:                          "site",
		`"command":"test-connection"`:                                         "has no connection",
		`"playbook":{"id":7},"connection":{"id":1},"command":"search-agents"`: "exclude each other",
	} {
		w := s.call("ann", "POST", "/schedules", `{"name":"another",`+body+`,"every":"7d"}`)
		if w.Code < 400 || w.Code >= 500 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: status %d: %s", body, w.Code, w.Body)
		}
	}
	if w := s.call("bob", "POST", "/schedules", `{"name":"another","playbook":{"id":7},"every":"7d"}`); w.Code != http.StatusNotFound {
		t.Errorf("somebody of no site: status %d: %s", w.Code, w.Body)
	}
}

func TestAScheduleInTheTextOfAPlaybookIsPausedAndNotChanged(t *testing.T) {
	t.Parallel()
	s := newSwitchboard(t)
	spec := schedule.Spec{Every: 3600e9}
	of, err := s.calendar.CreateSchedule(t.Context(), schedule.Schedule{
		Name: "tour", SiteID: 1, Owner: "admin", OwnerID: 1, Target: schedule.Target{PlaybookID: 7, Trigger: 1}, Spec: spec,
	}.Resumed(start))
	if err != nil {
		t.Fatal(err)
	}
	if w := s.call("ann", "GET", "/schedules/1", ""); !strings.Contains(w.Body.String(), `"trigger":1`) {
		t.Errorf("it is shown as %s", w.Body)
	}
	for _, body := range []string{`{"every":"2h"}`, `{"name":"mine"}`, `{"inputs":{}}`} {
		if w := s.call("ann", "PATCH", "/schedules/1", body); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "is in the text of playbook 7") {
			t.Errorf("%s: status %d: %s", body, w.Code, w.Body)
		}
	}
	if w := s.call("ann", "DELETE", "/schedules/1", ""); w.Code != http.StatusConflict {
		t.Errorf("delete: status %d: %s", w.Code, w.Body)
	}
	for _, body := range []string{`{"active":false}`, `{"active":true}`} {
		if w := s.call("ann", "PATCH", "/schedules/1", body); w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", body, w.Code, w.Body)
		}
	}
	if w := s.call("ann", "POST", "/schedules/1/run", ""); w.Code != http.StatusAccepted {
		t.Errorf("run: status %d: %s", w.Code, w.Body)
	}
	if kept, err := s.calendar.Schedule(t.Context(), of.ID); err != nil || kept.Owner != "admin" {
		t.Errorf("its owner is %s: %v", kept.Owner, err)
	}
}
