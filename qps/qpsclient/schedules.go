package qpsclient

import (
	"context"
	"fmt"
	"net/http"
)

// Schedule says when a module is scanned under a configuration profile.
type Schedule struct {
	Module    string `json:"module"`           // inventory, vm, pc, udc, sca or swca
	Interval  int64  `json:"intervalMinutes"`  // from the end of the last good scan to the next
	Delay     int64  `json:"delaySeconds"`     // before the first interval scan
	Randomize int64  `json:"randomizeSeconds"` // each interval scan is put off by a random part of it
}

// ScheduleChange is what to change of the schedule of a module; nil leaves it as
// it is.
type ScheduleChange struct {
	Module    string `json:"module"`
	Interval  *int64 `json:"intervalMinutes,omitempty"`
	Delay     *int64 `json:"delaySeconds,omitempty"`
	Randomize *int64 `json:"randomizeSeconds,omitempty"`
}

// ProfileSchedules are the schedules of all modules under one profile.
type ProfileSchedules struct {
	ProfileID   int64      `json:"profileId"`
	ProfileName string     `json:"profileName"`
	Schedules   []Schedule `json:"schedules"`
}

// Schedules returns when the modules are scanned under a configuration profile.
// Platforms without an automation API, such as Qualys, give ErrNoAutomationAPI,
// here and below.
func (c *Client) Schedules(ctx context.Context, profileID int64) (ProfileSchedules, error) {
	var answer ProfileSchedules
	err := c.automation(ctx, fmt.Sprintf("get schedules of profile %d", profileID), http.MethodGet, schedulesPath(profileID), nil, &answer)
	return answer, err
}

// UpdateSchedules changes when modules are scanned under a configuration profile
// and returns the schedules as they are then.
func (c *Client) UpdateSchedules(ctx context.Context, profileID int64, changes ...ScheduleChange) (ProfileSchedules, error) {
	var answer ProfileSchedules
	body := map[string][]ScheduleChange{"schedules": changes}
	err := c.automation(ctx, fmt.Sprintf("update schedules of profile %d", profileID), http.MethodPatch, schedulesPath(profileID), body, &answer)
	return answer, err
}

func schedulesPath(profileID int64) string {
	return fmt.Sprintf("/automation/v1/profiles/%d/schedules", profileID)
}
