package automation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// summary is what the tests of a launch look at.
type summary struct {
	State    State
	Launched []int64
	Errors   []string // status, indicator
	Calls    []string
}

func launchOn(p *fakePlatform, in LaunchInput) (Outcome, summary) {
	o := NewCommands(p, testNow).LaunchOnDemandScans(context.Background(), in)
	s := summary{State: o.State, Launched: o.KeyFields[KeyAgentIDs], Calls: p.calls}
	for _, e := range o.Errors {
		s.Errors = append(s.Errors, fmt.Sprintf("%d %s", e.StatusCode, e.Indicator))
	}
	return o, s
}

// idTexts returns the numbers from first to last as input.
func idTexts(first, last int) []string {
	var texts []string
	for i := first; i <= last; i++ {
		texts = append(texts, strconv.Itoa(i))
	}
	return texts
}

func idRange(first, last int64) []int64 {
	var ids []int64
	for i := first; i <= last; i++ {
		ids = append(ids, i)
	}
	return ids
}

func TestLaunchHasThreeResults(t *testing.T) {
	t.Parallel()
	const failedFor = "Launch On Demand Scans failed. Failed to launch the Inventory Scan of Cloud Agent ID %d."
	tests := []struct {
		name     string
		platform *fakePlatform
		ids      []string
		want     summary
	}{
		{"every agent is launched", platformWith(1, 2), []string{"1", "2"},
			summary{Successful, []int64{1, 2}, nil, []string{"launch 1", "launch 2"}}},
		{"repeated ids count once and keep their order", platformWith(1, 2), []string{"2", "1", " 2 ", "2"},
			summary{Successful, []int64{2, 1}, nil, []string{"launch 2", "launch 1"}}},
		{"an unknown id fails alone", platformWith(1, 3), []string{"1", "2", "3"},
			summary{PartiallySuccessful, []int64{1, 3}, []string{"404 " + fmt.Sprintf(failedFor, 2)}, []string{"launch 1", "launch 2", "launch 3"}}},
		{"only unknown ids", platformWith(), []string{"8", "9"},
			summary{Failed, nil, []string{"404 " + fmt.Sprintf(failedFor, 8), "404 " + fmt.Sprintf(failedFor, 9)}, []string{"launch 8", "launch 9"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, got := launchOn(tt.platform, LaunchInput{CloudAgentIDs: tt.ids})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("launch (-want +got):\n%s", diff)
			}
		})
	}
}

// Platforms answer to an unknown id in different ways; the user sees one.
func TestUnknownIDIsA404WhateverThePlatformSays(t *testing.T) {
	t.Parallel()
	refuse := func(qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
		return qpsclient.ScanLaunched{}, &qps.ResponseError{Code: qps.CodeInvalidRequest, Message: "Module AGENT_PC is not activated", HTTPStatus: 200}
	}
	p := platformWith(1)
	p.launch = refuse
	o, _ := launchOn(p, LaunchInput{CloudAgentIDs: []string{"1", "99"}})
	var got []string
	for _, e := range o.Errors {
		got = append(got, fmt.Sprintf("%d %s", e.StatusCode, e.Message))
	}
	want := []string{"400 Module AGENT_PC is not activated.", "404 There is no Cloud Agent with ID 99."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}

	p.search = func(qpsclient.HostAssetSearch) ([]qpsclient.HostAssetPage, error) { return nil, bareStatus(500) }
	if o, _ := launchOn(p, LaunchInput{CloudAgentIDs: []string{"99"}}); o.Errors[0].StatusCode != 400 {
		t.Errorf("status = %d, want the platform's own where it cannot be asked", o.Errors[0].StatusCode)
	}
}

// Instances that a connector found are host assets and cannot scan themselves.
func TestAnAssetWithoutAnAgentFailsAloneWithTheNextStep(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][]string{"one by one": idTexts(1, 2), "in a batch": idTexts(1, 8)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := platformWith(idRange(1, 8)...)
			p.assets[2].AgentInfo = nil
			p.launch = func(l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
				if l.AssetID == 2 {
					return qpsclient.ScanLaunched{}, &qps.ResponseError{Code: qps.CodeInvalidRequest, Message: "Host asset 2 has no agent", HTTPStatus: 200}
				}
				return qpsclient.ScanLaunched{}, nil
			}
			o, got := launchOn(p, LaunchInput{CloudAgentIDs: ids})
			if got.State != PartiallySuccessful || len(got.Launched) != len(ids)-1 || len(o.Errors) != 1 {
				t.Fatalf("outcome %+v, want one of them failed", got)
			}
			if e := o.Errors[0]; e.AgentIDs[0] != 2 || !strings.Contains(e.Message, "has no Cloud Agent") || !strings.Contains(e.Resolution, "vedette keys install-line KEY") {
				t.Errorf("error %+v, want one that names the asset, the reason and the line to install an agent", e)
			}
		})
	}
}

func TestLaunchOfManyUsesBatches(t *testing.T) {
	t.Parallel()

	t.Run("of 100 ids", func(t *testing.T) {
		t.Parallel()
		p := platformWith(idRange(1, 250)...)
		_, got := launchOn(p, LaunchInput{CloudAgentIDs: idTexts(1, 250)})
		if got.State != Successful || len(got.Launched) != 250 || len(got.Calls) != 6 {
			t.Errorf("%s, %d launched, %d calls; want Successful, 250, and three searches and launches", got.State, len(got.Launched), len(got.Calls))
		}
	})

	t.Run("with a 404 for every unknown id", func(t *testing.T) {
		t.Parallel()
		p := platformWith(idRange(1, 6)...)
		o, got := launchOn(p, LaunchInput{CloudAgentIDs: idTexts(1, 8)})
		if diff := cmp.Diff([]string{"search", "launch 1,2,3,4,5,6"}, got.Calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if got.State != PartiallySuccessful || len(o.Errors) != 2 || o.Errors[0].AgentIDs[0] != 7 || o.Errors[1].StatusCode != 404 {
			t.Errorf("outcome = %+v, want 404 for 7 and 8", got)
		}
	})

	t.Run("and asks one by one when the platform refuses a batch", func(t *testing.T) {
		t.Parallel()
		p := platformWith(idRange(1, 7)...)
		p.launch = func(l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
			if l.AssetID == 0 || l.AssetID == 5 {
				return qpsclient.ScanLaunched{}, &qps.ResponseError{Code: qps.CodeInvalidRequest, Message: "Module AGENT_VM is not activated", HTTPStatus: 200}
			}
			return qpsclient.ScanLaunched{Count: 1, HasCount: true}, nil
		}
		o, got := launchOn(p, LaunchInput{CloudAgentIDs: idTexts(1, 7), ScanType: "Vulnerability Scan"})
		want := summary{PartiallySuccessful, []int64{1, 2, 3, 4, 6, 7},
			[]string{"400 Launch On Demand Scans failed. Failed to launch the Vulnerability Scan of Cloud Agent ID 5."},
			[]string{"search", "launch 1,2,3,4,5,6,7", "launch 1", "launch 2", "launch 3", "launch 4", "launch 5", "launch 6", "launch 7"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("launch (-want +got):\n%s", diff)
		}
		if o.Errors[0].Message != "Module AGENT_VM is not activated." {
			t.Errorf("message = %q, want the platform's reason", o.Errors[0].Message)
		}
	})

	t.Run("and asks for those that the answer leaves out", func(t *testing.T) {
		t.Parallel()
		p := platformWith(idRange(1, 6)...)
		p.launch = func(l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
			if l.AssetID != 0 {
				return qpsclient.ScanLaunched{}, notFound()
			}
			return qpsclient.ScanLaunched{Count: 5, HasCount: true, AssetIDs: []int64{1, 2, 3, 4, 5}}, nil
		}
		_, got := launchOn(p, LaunchInput{CloudAgentIDs: idTexts(1, 6)})
		if got.State != PartiallySuccessful || got.Calls[len(got.Calls)-1] != "launch 6" || len(got.Launched) != 5 {
			t.Errorf("launch = %+v, want 6 asked for alone and failed", got)
		}
	})

	t.Run("and asks one by one when the count does not fit and no ids are given", func(t *testing.T) {
		t.Parallel()
		p := platformWith(idRange(1, 6)...)
		p.launch = func(l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
			return qpsclient.ScanLaunched{Count: 1, HasCount: true}, nil
		}
		_, got := launchOn(p, LaunchInput{CloudAgentIDs: idTexts(1, 6)})
		if got.State != Successful || len(got.Calls) != 8 {
			t.Errorf("launch = %+v, want six single launches after the batch", got)
		}
	})

	t.Run("and does without a search where the account may not", func(t *testing.T) {
		t.Parallel()
		p := platformWith(idRange(1, 6)...)
		p.search = func(qpsclient.HostAssetSearch) ([]qpsclient.HostAssetPage, error) {
			return nil, &qps.ResponseError{Code: qps.CodeUnauthorized, HTTPStatus: 200}
		}
		_, got := launchOn(p, LaunchInput{CloudAgentIDs: idTexts(1, 6)})
		if got.State != Successful || len(got.Launched) != 6 {
			t.Errorf("launch = %+v, want six launched", got)
		}
	})
}

func TestLaunchStopsWhenEveryAgentWouldFailAlike(t *testing.T) {
	t.Parallel()
	after := func(good int64, err error) *fakePlatform {
		p := platformWith(idRange(1, 5)...)
		p.launch = func(l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
			if l.AssetID > good {
				return qpsclient.ScanLaunched{}, err
			}
			return qpsclient.ScanLaunched{}, nil
		}
		return p
	}
	tests := []struct {
		name     string
		platform *fakePlatform
		want     summary
	}{
		{"wrong credentials at once", after(0, wrongCredentials()),
			summary{Failed, nil, []string{"401 Launch On Demand Scans failed."}, []string{"launch 1"}}},
		{"a rate limit in between", after(2, bareStatus(429)),
			summary{PartiallySuccessful, []int64{1, 2}, []string{"429 Launch On Demand Scans failed. Not launched: Cloud Agent ID 3, 4, 5."},
				[]string{"launch 1", "launch 2", "launch 3"}}},
		{"a lost connection in between", after(4, unreachableHost(qpsclient.KindConnect)),
			summary{PartiallySuccessful, []int64{1, 2, 3, 4}, []string{"502 Launch On Demand Scans failed. Not launched: Cloud Agent ID 5."},
				[]string{"launch 1", "launch 2", "launch 3", "launch 4", "launch 5"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, got := launchOn(tt.platform, LaunchInput{CloudAgentIDs: idTexts(1, 5)})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("launch (-want +got):\n%s", diff)
			}
		})
	}

	t.Run("an unanswered launch may have been accepted", func(t *testing.T) {
		t.Parallel()
		o, _ := launchOn(after(0, unreachableHost(qpsclient.KindTimeout)), LaunchInput{CloudAgentIDs: []string{"1"}})
		if o.Errors[0].StatusCode != 504 || !strings.Contains(o.Errors[0].Resolution, "may have accepted") {
			t.Errorf("error = %+v, want 504 that says so", o.Errors[0])
		}
	})
}

func TestLaunchRefusesBadInputBeforeAnyCall(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   LaunchInput
		want []string
	}{
		{"no ids", LaunchInput{}, []string{"Cloud Agent IDs parameter is required."}},
		{"a UUID", LaunchInput{CloudAgentIDs: []string{"1", "0f7c1c52-0000-4000-8000-00000000a004"}}, []string{"0f7c1c52", "positive integer"}},
		{"zero", LaunchInput{CloudAgentIDs: []string{"0"}}, []string{`"0"`, "positive integer"}},
		{"an empty id", LaunchInput{CloudAgentIDs: []string{""}}, []string{`""`, "positive integer"}},
		{"an id beyond 64 bits", LaunchInput{CloudAgentIDs: []string{"9223372036854775808"}}, []string{"9223372036854775808"}},
		{"more ids than allowed", LaunchInput{CloudAgentIDs: idTexts(1, 1001)}, []string{"1001", "1000"}},
		{"an unknown scan type", LaunchInput{CloudAgentIDs: []string{"1"}, ScanType: "Full Scan"}, []string{`"Full Scan"`, "SWCA Scan", "policy-compliance"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := platformWith(1)
			o, got := launchOn(p, tt.in)
			if got.State != Failed || len(o.Errors) != 1 || o.Errors[0].StatusCode != 400 || len(got.Calls) != 0 {
				t.Fatalf("launch = %+v, want Failed with 400 and no call", got)
			}
			for _, part := range tt.want {
				if !strings.Contains(o.Errors[0].Message, part) {
					t.Errorf("message %q does not contain %q", o.Errors[0].Message, part)
				}
			}
		})
	}
}

func TestLaunchAcceptsAThousandIDs(t *testing.T) {
	t.Parallel()
	if ids, err := ParseAgentIDs(idTexts(1, MaxLaunchIDs)); err != nil || len(ids) != MaxLaunchIDs {
		t.Errorf("ParseAgentIDs = %d ids, %v; want %d", len(ids), err, MaxLaunchIDs)
	}
}

func TestLaunchPassesTypeAndOverrideOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in       string
		override bool
		want     qpsclient.ScanType
	}{
		{"", false, "Inventory_Scan"},
		{"Inventory Scan", true, "Inventory_Scan"},
		{"Vulnerability Scan", false, "Vulnerability_Scan"},
		{"Policy Compliance Scan", false, "PolicyCompliance_Scan"},
		{"UDC Scan", false, "UDC_Scan"},
		{"SCA Scan", false, "SCA_Scan"},
		{"SWCA Scan", true, "SWCA_Scan"},
		{"policy-compliance", false, "PolicyCompliance_Scan"},
		{"swca_scan", false, "SWCA_Scan"},
	}
	for _, tt := range tests {
		t.Run("type "+strconv.Quote(tt.in), func(t *testing.T) {
			t.Parallel()
			p := platformWith(1)
			var got qpsclient.ScanLaunch
			p.launch = func(l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
				got = l
				return qpsclient.ScanLaunched{}, nil
			}
			launchOn(p, LaunchInput{CloudAgentIDs: []string{"1"}, ScanType: tt.in, OverrideCPUThrottleLimits: tt.override})
			want := qpsclient.ScanLaunch{AssetID: 1, Type: tt.want, OverrideConfigCPU: tt.override}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("launch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLaunchRawDataNamesTheAgents(t *testing.T) {
	t.Parallel()
	o, _ := launchOn(platformWith(1, 3), LaunchInput{CloudAgentIDs: []string{"1", "2", "3"}})
	want := `{"ServiceResponse":{"responseCode":"SUCCESS","count":2,"data":{"AgentAsset":[{"id":1},{"id":3}]}}}`
	if string(o.RawData) != want {
		t.Errorf("raw data = %s\nwant       %s", o.RawData, want)
	}
	wantTable := Table{Columns: []string{"ID", "SCAN TYPE", "RESULT"}, Rows: [][]string{
		{"1", "Inventory Scan", "launched"}, {"2", "Inventory Scan", "failed"}, {"3", "Inventory Scan", "launched"}}}
	if diff := cmp.Diff(wantTable, o.Result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// Without this rule a wrong id would be tried with six attempts a thousand times.
func TestOnlyErrorsOfTheConnectionStopALaunch(t *testing.T) {
	t.Parallel()
	for _, err := range []error{notFound(), bareStatus(500), bareStatus(404), errors.New("bug")} {
		if concernsConnection(err) {
			t.Errorf("%v is taken for an error of the connection", err)
		}
	}
	for _, err := range []error{wrongCredentials(), bareStatus(403), bareStatus(503), unreachableHost(qpsclient.KindTLS), context.Canceled} {
		if !concernsConnection(err) {
			t.Errorf("%v is not taken for an error of the connection", err)
		}
	}
}
