package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// shelf holds connectors in memory.
type shelf struct {
	all     []Connector
	runs    []Run
	deleted []int64
}

func (s *shelf) Connectors(context.Context) ([]Connector, error) { return slices.Clone(s.all), nil }

func (s *shelf) Connector(_ context.Context, id int64) (Connector, error) {
	found := s.these([]int64{id})
	if len(found) == 0 {
		return Connector{}, fault.Newf(fault.NotFound, "There is no connector %d.", id)
	}
	return found[0], nil
}

func (s *shelf) these(ids []int64) []Connector {
	return slices.DeleteFunc(slices.Clone(s.all), func(c Connector) bool { return !slices.Contains(ids, c.ID) })
}

func (s *shelf) CreateConnector(_ context.Context, create func(Subscription) (Connector, error)) (Connector, error) {
	return create(everything)
}

func (s *shelf) UpdateConnectors(_ context.Context, ids []int64, change func(Connector, Subscription) (Connector, error)) ([]Connector, error) {
	var after []Connector
	for _, c := range s.these(ids) {
		c, err := change(c, everything)
		if err != nil {
			return nil, err
		}
		after = append(after, c)
	}
	return after, nil
}

func (s *shelf) DeleteConnectors(_ context.Context, ids []int64) error {
	s.deleted = append(s.deleted, ids...)
	return nil
}

func (s *shelf) QueueRuns(_ context.Context, ids []int64, _ string, _ time.Time, choose func([]Connector) ([]Connector, error)) ([]Connector, error) {
	return choose(s.these(ids))
}

func (s *shelf) ConnectorRuns(_ context.Context, id int64) ([]Run, error) {
	return slices.DeleteFunc(slices.Clone(s.runs), func(r Run) bool { return r.ConnectorID != id }), nil
}

func (s *shelf) FailedRuns(_ context.Context, ids []int64, _ int) ([]Run, error) {
	return slices.DeleteFunc(slices.Clone(s.runs), func(r Run) bool { return r.Error == "" || !slices.Contains(ids, r.ConnectorID) }), nil
}

// safe holds authentication records in memory; it has no accounts.
type safe struct {
	Accounts
	records []AuthRecord
	keys    Keys
}

func (s *safe) AuthRecords(context.Context) ([]AuthRecord, error) { return s.records, nil }

func (s *safe) CreateAuthRecord(_ context.Context, r AuthRecord, k Keys) (AuthRecord, error) {
	s.keys = k
	return r, nil
}

func (s *safe) UpdateAuthRecords(_ context.Context, _ []int64, k Keys, change func(AuthRecord) AuthRecord) ([]AuthRecord, error) {
	s.keys = k
	return []AuthRecord{change(s.records[0])}, nil
}

func (s *safe) SetBaseAccount(_ context.Context, _ BaseAccount, k Keys) error {
	s.keys = k
	return nil
}

func directory() (*Directory, *shelf, *safe) {
	role := Connector{RoleARN: "arn:aws:iam::012345678901:role/r", ExternalID: "x-1", Partition: Commercial, AllRegions: true, RunFrequency: 4 * time.Hour}
	var all []Connector
	for i, state := range []State{FinishedSuccess, FinishedErrors, DisabledState, DisabledState, Incomplete} {
		c := role
		c.ID, c.Name, c.State, c.AccountID = int64(i+1), fmt.Sprintf("edge %d", i+1), state, "012345678901"
		all = append(all, c)
	}
	all[0].LastSync, all[0].Modules, all[0].DefaultTags = noon.Add(-time.Hour), []string{"PC", "VM"}, []qps.TagSimple{{ID: 41, Name: "Edge"}, {ID: 42, Name: "West"}}
	all[1].LastError, all[1].Partition = "eu-west-1: throttled", GovCloud
	all[2].Disabled, all[3].Disabled = true, true
	all[4].RoleARN, all[4].ExternalID, all[4].AccountID = "", "", ""
	s, k := &shelf{all: all}, &safe{records: []AuthRecord{{ID: 9, Name: "keys", Created: noon}}}
	return &Directory{Connectors: s, Accounts: k, Now: func() time.Time { return noon.Add(time.Millisecond) }}, s, k
}

func criterion(field string, op qps.Operator, value string) []qps.Criterion {
	return []qps.Criterion{{Field: field, Operator: op, Value: value}}
}

func TestConnectorsAreFoundByEveryDocumentedCriterion(t *testing.T) {
	t.Parallel()
	d, _, _ := directory()
	for _, tc := range []struct {
		field string
		op    qps.Operator
		value string
		want  []int64
	}{
		{"id", qps.OpIn, "1,3", []int64{1, 3}},
		{"id", qps.OpGreater, "3", []int64{4, 5}},
		{"name", qps.OpContains, "edge", []int64{1, 2, 3, 4, 5}},
		{"name", qps.OpEquals, "edge 2", []int64{2}},
		{"awsAccountId", qps.OpEquals, "012345678901", []int64{1, 2, 3, 4}},
		{"connectorState", qps.OpEquals, "DISABLED", []int64{3, 4}},
		{"connectorState", qps.OpIn, "SUCCESS,INCOMPLETE", []int64{5}},
		{"lastSync", qps.OpLesser, "2031-04-01T12:00:00Z", []int64{1}},
		{"lastSync", qps.OpNotEquals, "2031-04-01", []int64{2, 3, 4, 5}},
		{"lastError", qps.OpContains, "throttled", []int64{2}},
		{"type", qps.OpEquals, "AZURE", nil},
		{"type", qps.OpEquals, "AWS", []int64{1, 2, 3, 4, 5}},
		{"disabled", qps.OpEquals, "true", []int64{3, 4}},
		{"activation", qps.OpEquals, "VM", []int64{1}},
		{"activation", qps.OpNotEquals, "VM", []int64{2, 3, 4, 5}},
		{"defaultTags.id", qps.OpEquals, "42", []int64{1}},
		{"defaultTags.name", qps.OpContains, "We", []int64{1}},
		{"isGovCloudConfigured", qps.OpEquals, "true", []int64{2}},
		{"runFrequency", qps.OpEquals, "240", []int64{1, 2, 3, 4, 5}},
	} {
		found, err := d.Search(t.Context(), fleet.WholeFleet(), criterion(tc.field, tc.op, tc.value))
		if got := ids(found); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s %s %s: found %v, %v; want %v", tc.field, tc.op, tc.value, got, err, tc.want)
		}
	}
	if _, err := d.Search(t.Context(), fleet.WholeFleet(), criterion("cloudviewUuid", qps.OpEquals, "x")); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown criterion gives %v", err)
	}
}

func TestDisabledConnectorsDoNotRun(t *testing.T) {
	t.Parallel()
	d, _, _ := directory()
	ctx, all := t.Context(), fleet.WholeFleet()
	for id, want := range map[int64]string{3: "Connector 3 is disabled.", 5: "Connector 5 has no way to authenticate."} {
		_, err := d.Run(ctx, all, id, "ana")
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), want) {
			t.Errorf("running %d gives %v", id, err)
		}
	}
	if _, err := d.RunMatching(ctx, all, criterion("disabled", qps.OpEquals, "true"), "ana"); !fault.Is(err, fault.Conflict) {
		t.Errorf("several that are all disabled: %v", err)
	}
	ran, err := d.RunMatching(ctx, all, criterion("name", qps.OpContains, "edge"), "ana")
	if err != nil || !slices.Equal(ids(ran), []int64{1, 2}) {
		t.Errorf("several of which some are disabled: ran %v, %v", ids(ran), err)
	}
	if ran, err := d.RunMatching(ctx, all, criterion("name", qps.OpEquals, "nobody"), "ana"); err != nil || ran != nil {
		t.Errorf("none: ran %v, %v", ran, err)
	}
}

func TestNothingIsChangedByAccident(t *testing.T) {
	t.Parallel()
	d, s, _ := directory()
	ctx, all := t.Context(), fleet.WholeFleet()
	for _, criteria := range [][]qps.Criterion{nil, criterion("name", qps.OpNotEquals, "edge 1")} {
		_, updated := d.UpdateMatching(ctx, all, criteria, change{})
		_, deleted := d.DeleteMatching(ctx, all, criteria)
		_, ran := d.RunMatching(ctx, all, criteria, "ana")
		_, records := d.DeleteAuthRecordsMatching(ctx, all, criteria)
		_, keys := d.UpdateAuthRecordsMatching(ctx, all, criteria, qps.AwsAuthRecordChange{})
		for what, err := range map[string]error{"update": updated, "delete": deleted, "run": ran, "delete records": records, "update records": keys} {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s with criteria %v: %v", what, criteria, err)
			}
		}
	}
	if s.deleted != nil {
		t.Errorf("deleted %v", s.deleted)
	}
	gone, err := d.DeleteMatching(ctx, all, criterion("disabled", qps.OpEquals, "true"))
	if err != nil || !slices.Equal(ids(gone), []int64{3, 4}) || !slices.Equal(s.deleted, []int64{3, 4}) {
		t.Errorf("deleted %v of %v, %v", s.deleted, ids(gone), err)
	}
}

func TestAnUpdateOfSeveralSaysWhichOneIsRefused(t *testing.T) {
	t.Parallel()
	d, _, _ := directory()
	c := change{}
	c.IsGovCloudConfigured = new(false)
	_, err := d.UpdateMatching(t.Context(), fleet.WholeFleet(), criterion("id", qps.OpIn, "1,2"), change{AllRegions: new(true)})
	if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "Connector 2: allRegions: value 'true' is not allowed") {
		t.Errorf("got %v", err)
	}
	updated, err := d.UpdateMatching(t.Context(), fleet.WholeFleet(), criterion("id", qps.OpIn, "1,2"), c)
	if err != nil || len(updated) != 2 || updated[1].Partition != Commercial || !updated[1].Modified.Equal(noon) {
		t.Errorf("updated %+v, %v", updated, err)
	}
}

func TestConnectorsAreForManagers(t *testing.T) {
	t.Parallel()
	d, _, _ := directory()
	ctx, scope, id := t.Context(), fleet.Scope{TagIDs: []int64{41}}, criterion("id", qps.OpEquals, "1")
	keys := Keys{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretKey: "s"}
	for what, call := range map[string]func() error{
		"search":         func() error { _, err := d.Search(ctx, scope, nil); return err },
		"get":            func() error { _, err := d.Get(ctx, scope, 1); return err },
		"create":         func() error { _, err := d.Create(ctx, scope, commercial()); return err },
		"update":         func() error { _, err := d.Update(ctx, scope, 1, change{}); return err },
		"update several": func() error { _, err := d.UpdateMatching(ctx, scope, id, change{}); return err },
		"delete":         func() error { return d.Delete(ctx, scope, 1) },
		"delete several": func() error { _, err := d.DeleteMatching(ctx, scope, id); return err },
		"run":            func() error { _, err := d.Run(ctx, scope, 1, "ana"); return err },
		"run several":    func() error { _, err := d.RunMatching(ctx, scope, id, "ana"); return err },
		"errors":         func() error { _, err := d.Errors(ctx, scope, id); return err },
		"runs":           func() error { _, err := d.Runs(ctx, scope, 1); return err },
		"search records": func() error { _, err := d.SearchAuthRecords(ctx, scope, nil); return err },
		"get record":     func() error { _, err := d.AuthRecord(ctx, scope, 9); return err },
		"create record":  func() error { _, err := d.CreateAuthRecord(ctx, scope, qps.AwsAuthRecordChange{}); return err },
		"update record":  func() error { _, err := d.UpdateAuthRecord(ctx, scope, 9, qps.AwsAuthRecordChange{}); return err },
		"update records": func() error {
			_, err := d.UpdateAuthRecordsMatching(ctx, scope, id, qps.AwsAuthRecordChange{})
			return err
		},
		"delete record":      func() error { return d.DeleteAuthRecord(ctx, scope, 9) },
		"delete records":     func() error { _, err := d.DeleteAuthRecordsMatching(ctx, scope, id); return err },
		"base accounts":      func() error { _, err := d.BaseAccounts(ctx, scope); return err },
		"set base account":   func() error { return d.SetBaseAccount(ctx, scope, China, "012345678901", keys) },
		"drop base account":  func() error { return d.DeleteBaseAccount(ctx, scope, China) },
		"options":            func() error { _, err := d.Options(ctx, scope); return err },
		"switch an option":   func() error { return d.SetOption(ctx, scope, GovCloud, true) },
		"not even no option": func() error { return d.SetOption(ctx, fleet.Scope{}, GovCloud, false) },
	} {
		if err := call(); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestErrorsAreThoseOfTheRegionsAndOfTheRunWithoutAny(t *testing.T) {
	t.Parallel()
	d, s, _ := directory()
	s.runs = []Run{
		{ID: 12, ConnectorID: 2, Ended: noon, Error: "2 regions failed", Regions: []RegionResult{{Region: "eu-west-1", Error: "throttled"}, {Region: "us-east-1"}, {Region: "us-west-2", Error: "denied"}}},
		{ID: 11, ConnectorID: 1, Ended: noon.Add(time.Hour), Error: "sts:AssumeRole in us-east-1: AccessDenied"},
		{ID: 10, ConnectorID: 2, Ended: noon.Add(-time.Hour)},
	}
	got, err := d.Errors(t.Context(), fleet.WholeFleet(), nil)
	want := []RunError{
		{1, 11, "", "sts:AssumeRole in us-east-1: AccessDenied", noon.Add(time.Hour)}, {2, 12, "eu-west-1", "throttled", noon}, {2, 12, "us-west-2", "denied", noon},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := d.Errors(t.Context(), fleet.WholeFleet(), criterion("id", qps.OpEquals, "1")); err != nil || len(got) != 1 {
		t.Errorf("of connector 1: %v, %v", got, err)
	}
	if _, err := d.Errors(t.Context(), fleet.WholeFleet(), criterion("name", qps.OpEquals, "x")); !fault.Is(err, fault.Invalid) {
		t.Errorf("by name: %v", err)
	}
}

func TestKeysComeInPairsOfTheirForm(t *testing.T) {
	t.Parallel()
	d, _, k := directory()
	ctx, all := t.Context(), fleet.WholeFleet()
	good := qps.AwsAuthRecordChange{Name: new(" keys "), AccessKeyID: new("AKIAIOSFODNN7EXAMPLE"), SecretKey: new("wJalrXUtnFEMI/K7MDENG")}
	made, err := d.CreateAuthRecord(ctx, all, good)
	if err != nil || made.Name != "keys" || !made.Created.Equal(noon) || k.keys != (Keys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG"}) {
		t.Errorf("made %+v, %v", made, err)
	}
	for _, tc := range []struct {
		change qps.AwsAuthRecordChange
		want   string
	}{
		{qps.AwsAuthRecordChange{AccessKeyID: new("AKIAIOSFODNN7EXAMPLE")}, "secretKey: the element is missing."},
		{qps.AwsAuthRecordChange{SecretKey: new("hunter2")}, "accessKeyId: the element is missing."},
		{qps.AwsAuthRecordChange{AccessKeyID: new("AKIA hunter2 xxxxx"), SecretKey: new("hunter2")}, "accessKeyId: the value is not that of an access key."},
		{qps.AwsAuthRecordChange{AccessKeyID: new("AKIAIOSFODNN7EXAMPLE"), SecretKey: new("hunter2 hunter2")}, "secretKey: the value is not that of a secret access key."},
		{qps.AwsAuthRecordChange{Name: new("")}, "name: the element is missing or empty."},
	} {
		_, updated := d.UpdateAuthRecord(ctx, all, 9, tc.change)
		if tc.change.Name == nil {
			tc.change.Name = new("n")
		}
		_, created := d.CreateAuthRecord(ctx, all, tc.change)
		for _, err := range []error{created, updated} {
			if !fault.Is(err, fault.Invalid) || err.Error() != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		}
	}
	k.keys = Keys{}
	renamed, err := d.UpdateAuthRecord(ctx, all, 9, qps.AwsAuthRecordChange{Name: new("other")})
	if err != nil || renamed.Name != "other" || k.keys.Given() {
		t.Errorf("renamed %+v, %v; the keys were given: %v", renamed, err, k.keys.Given())
	}
	pair := Keys{"AKIAIOSFODNN7EXAMPLE", "s"}
	if err := d.SetBaseAccount(ctx, all, China, "012345678901", pair); err != nil || k.keys != pair {
		t.Errorf("set base account: %v", err)
	}
	for _, err := range []error{
		d.SetBaseAccount(ctx, all, "aws-iso", "012345678901", pair), d.SetBaseAccount(ctx, all, China, "12345678901", pair),
		d.SetBaseAccount(ctx, all, China, "012345678901", Keys{AccessKeyID: "AKIAIOSFODNN7EXAMPLE"}), d.SetOption(ctx, all, Commercial, true),
	} {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("got %v, want a refusal", err)
		}
	}
}

func TestKeysAreNeverShown(t *testing.T) {
	t.Parallel()
	keys := Keys{"AKIAIOSFODNN7EXAMPLE", "hunter2"}
	credentials := Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretKey: "hunter2", RoleARN: "arn:aws:iam::012345678901:role/r", ExternalID: "outside"}
	var log bytes.Buffer
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))} {
		logger.Info("keys", "keys", keys, "pointer", &keys, "credentials", credentials, "list", []any{keys, credentials})
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+verb+verb+verb, keys, &keys, credentials, struct{ Inner Credentials }{credentials})
	}
	if _, err := json.Marshal(keys); err == nil {
		t.Error("keys became JSON")
	}
	if _, err := json.Marshal(credentials); err == nil {
		t.Error("credentials became JSON")
	}
	for _, part := range []string{"AKIA", "hunter2", "outside", fmt.Sprintf("%x", "hunter2")} {
		if strings.Contains(log.String(), part) {
			t.Errorf("%q is shown:\n%s", part, log.String())
		}
	}
}
