package qpsclient

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

// writes makes one write of each kind.
func writes(ctx context.Context, c *Client) map[string]error {
	name := "x"
	failed := make(map[string]error)
	_, failed["launch"] = c.LaunchOnDemandScan(ctx, ScanLaunch{AssetID: 7, Type: InventoryScan})
	_, failed["activate"] = c.ActivateModules(ctx, AgentSelection{AssetID: 7}, []Module{ModuleVM})
	_, failed["uninstall"] = c.UninstallAgents(ctx, AgentSelection{AssetID: 7})
	_, failed["tag"] = c.AssignTags(ctx, []int64{7}, qps.TagAssignment{Add: []int64{1}})
	_, failed["create key"] = c.CreateActivationKey(ctx, qps.AgentActKeyChange{Title: &name})
	failed["update key"] = c.UpdateActivationKey(ctx, 3, qps.AgentActKeyChange{Title: &name})
	failed["delete key"] = c.DeleteActivationKey(ctx, 3)
	_, failed["create profile"] = c.CreateAgentConfig(ctx, qps.AgentConfigChange{Name: &name})
	failed["update profile"] = c.UpdateAgentConfig(ctx, 3, qps.AgentConfigChange{Name: &name})
	failed["delete profile"] = c.DeleteAgentConfig(ctx, 3)
	_, failed["create connector"] = c.CreateAWSConnector(ctx, qps.AwsAssetDataConnectorChange{})
	failed["update connector"] = c.UpdateAWSConnector(ctx, 3, qps.AwsAssetDataConnectorChange{})
	failed["delete connector"] = c.DeleteConnector(ctx, 3)
	_, failed["run connectors"] = c.RunAWSConnectors(ctx, 3, 4)
	return failed
}

func TestARehearsalSendsNoWrites(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, countOf(12))
	c, _ := newClient(t, p.URL)
	var recorded []Request
	rehearsing := c.Rehearse(Rehearsal{Record: func(r Request) { recorded = append(recorded, r) }})
	all := writes(t.Context(), rehearsing)
	for name, err := range all {
		if !errors.Is(err, ErrRehearsed) {
			t.Errorf("%s: error = %v, want ErrRehearsed", name, err)
		}
	}
	if len(recorded) != len(all) || len(p.received()) != 0 {
		t.Errorf("%d of %d writes recorded, %d requests sent, want all and none", len(recorded), len(all), len(p.received()))
	}
	want := Request{
		Method: http.MethodPost, Path: "/qps/rest/1.0/ods/ca/agentasset/7", Query: "scan=Inventory_Scan&overrideConfigCpu=false",
		Body: string(qps.EncodeRequest(qps.XML, &qps.Request{})),
	}
	if diff := cmp.Diff(want, recorded[0]); diff != "" {
		t.Errorf("first recorded request (-want +got):\n%s", diff)
	}
	if n, err := rehearsing.CountHostAssets(t.Context(), nil); n != 12 || err != nil {
		t.Errorf("a read while rehearsing = %d, %v, want 12", n, err)
	}
	reading := c.Rehearse(Rehearsal{Record: func(r Request) { recorded = append(recorded, r) }, Reads: true})
	if _, err := reading.CountHostAssets(t.Context(), nil); !errors.Is(err, ErrRehearsed) || recorded[len(recorded)-1].Path != "/qps/rest/2.0/count/am/hostasset" {
		t.Errorf("a read that is rehearsed = %v, recorded %v", err, recorded[len(recorded)-1])
	}
	if _, err := c.UninstallAgents(t.Context(), AgentSelection{AssetID: 7}); errors.Is(err, ErrRehearsed) {
		t.Error("the client that Rehearse was called on rehearses, too")
	}
}

func TestWritesUnderAKeyCarryItAndReadsDoNot(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(429, "", "Retry-After", "1"), countOf(1))
	c, _ := newClient(t, p.URL)
	ctx := WithIdempotencyKey(t.Context(), "run-17/scan")
	for _, launch := range []ScanLaunch{{AssetID: 7, Type: InventoryScan}, {AssetID: 8, Type: InventoryScan}, {AssetID: 7, Type: InventoryScan}} {
		if _, err := c.LaunchOnDemandScan(ctx, launch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CountHostAssets(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UninstallAgents(WithIdempotencyKey(t.Context(), ""), AgentSelection{AssetID: 7}); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, r := range p.received() {
		keys = append(keys, r.header.Get("Idempotency-Key"))
	}
	// The first two are a refusal and its repetition.
	if len(keys) != 6 || keys[0] != keys[1] || keys[1] != keys[3] || keys[1] == keys[2] || keys[4] != "" || keys[5] != "" {
		t.Fatalf("keys = %q, want the same for 0, 1 and 3, another one for 2, none for 4 and 5", keys)
	}
	if !strings.HasPrefix(keys[0], "run-17/scan/") || len(keys[0]) != len("run-17/scan/")+16 {
		t.Errorf("key = %q, want run-17/scan/ and 16 digits", keys[0])
	}
}

func TestEveryWriteCarriesItsKey(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(500, ""))
	c, _ := newClient(t, p.URL)
	all := writes(WithIdempotencyKey(t.Context(), "k"), c)
	seen := make(map[string]bool)
	for _, r := range p.received() {
		seen[r.header.Get("Idempotency-Key")] = true
	}
	if len(seen) != len(all) || seen[""] {
		t.Errorf("%d writes had the keys %v, want a key of its own for each", len(all), seen)
	}
}

func TestAKeyThatIsNoHeaderValueIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, countOf(1))
	c, _ := newClient(t, p.URL)
	for _, key := range []string{"a b", "a\r\nX-Evil: 1", "ü", strings.Repeat("k", 201)} {
		if _, err := c.UninstallAgents(WithIdempotencyKey(t.Context(), key), AgentSelection{AssetID: 7}); err == nil {
			t.Errorf("key %q was accepted", key)
		}
	}
	if n := len(p.received()); n != 0 {
		t.Errorf("%d requests were sent, want none", n)
	}
}

func TestAWriteWithAKeyIsNotRepeatedWhenAnOldConnectionBreaks(t *testing.T) {
	t.Parallel()
	reset := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	p := newPlatform(t, countOf(12), reset, countOf(1))
	c, _ := newClient(t, p.URL)
	ctx := WithIdempotencyKey(t.Context(), "run-17/scan")
	if _, err := c.CountHostAssets(ctx, nil); err != nil {
		t.Fatal(err)
	}
	_, err := c.LaunchOnDemandScan(ctx, ScanLaunch{AssetID: 7, Type: InventoryScan})
	if broken, ok := errors.AsType[*TransportError](err); !ok || broken.Kind != KindConnect {
		t.Errorf("error = %v, want that of the connection", err)
	}
	if n := len(p.received()); n != 2 {
		t.Errorf("%d requests, want 2: the write must not be sent twice", n)
	}
}
