package fleet_test

import (
	"context"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// enrolments takes every enrolment, and remembers the last.
type enrolments struct{ last *fleet.Enrolment }

func (e *enrolments) EnrolAgent(_ context.Context, enrolment fleet.Enrolment) (fleet.Enrolled, error) {
	e.last = &enrolment
	return fleet.Enrolled{HostID: 1, AgentID: enrolment.AgentID}, nil
}

func (e *enrolments) CustomerID(context.Context) (string, error) { return "customer", nil }

func TestAnInstanceThatCannotBeIsRefusedAtEnrolment(t *testing.T) {
	t.Parallel()
	instance := agentwire.Cloud{Provider: agentwire.CloudAWS, AccountID: "012345678901", Region: "us-east-1", InstanceID: "i-0a"}
	for name, test := range map[string]struct {
		spoil func(c *agentwire.Cloud)
		want  fault.Code
	}{
		"as it is":        {func(*agentwire.Cloud) {}, ""},
		"another cloud":   {func(c *agentwire.Cloud) { c.Provider = "MOON" }, fault.Invalid},
		"half an account": {func(c *agentwire.Cloud) { c.AccountID = "012345" }, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, cloud := &enrolments{}, instance
			test.spoil(&cloud)
			_, err := (&fleet.Enroller{Enrolments: store, Now: time.Now}).Enrol(t.Context(), agentwire.ProvisionRequest{
				CustomerID: "customer", PublicKey: make([]byte, 32), Host: agentwire.Host{Name: "edge", Cloud: &cloud},
			}, "192.0.2.1")
			if fault.CodeOf(err) != test.want && (err != nil || test.want != "") {
				t.Errorf("got %v, want code %q", err, test.want)
			}
			if (store.last != nil) != (test.want == "") {
				t.Errorf("enrolled: %t", store.last != nil)
			}
		})
	}
}
