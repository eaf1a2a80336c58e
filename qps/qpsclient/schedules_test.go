package qpsclient

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSchedulesGoToTheirProfile(t *testing.T) {
	t.Parallel()
	const answered = `{"profileId":4,"profileName":"Edge","schedules":[{"module":"vm","intervalMinutes":480,"delaySeconds":0,"randomizeSeconds":60}]}`
	want := ProfileSchedules{ProfileID: 4, ProfileName: "Edge", Schedules: []Schedule{{Module: "vm", Interval: 480, Randomize: 60}}}
	for _, tt := range []struct {
		name, sent string
		act        func(c *Client) (ProfileSchedules, error)
	}{
		{"get", "GET /automation/v1/profiles/4/schedules ", func(c *Client) (ProfileSchedules, error) { return c.Schedules(t.Context(), 4) }},
		{"update", `PATCH /automation/v1/profiles/4/schedules {"schedules":[{"module":"vm","intervalMinutes":480,"delaySeconds":0},{"module":"pc"}]}`,
			func(c *Client) (ProfileSchedules, error) {
				return c.UpdateSchedules(t.Context(), 4, ScheduleChange{Module: "vm", Interval: new(int64(480)), Delay: new(int64(0))}, ScheduleChange{Module: "pc"})
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, said(200, answered), answer(404, ""))
			c, _ := newClient(t, p.URL)
			got, err := tt.act(c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			sent := p.received()[0]
			if diff := cmp.Diff(tt.sent, fmt.Sprintf("%s %s %s", sent.method, sent.uri, sent.body)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if _, err := tt.act(c); !errors.Is(err, ErrNoAutomationAPI) {
				t.Errorf("a platform without schedules: %v, want ErrNoAutomationAPI", err)
			}
		})
	}
}
