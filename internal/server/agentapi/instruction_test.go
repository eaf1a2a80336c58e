package agentapi

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/ondemand"
)

func TestInstructionsAreSignedForOneAgent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.state.DemandVersion = 9
	b.demands = []ondemand.Request{{ID: 8, Type: agentwire.InventoryScan}, {ID: 9, Type: agentwire.InventoryScan, OverrideCPU: true}}
	for _, test := range []struct {
		path    string
		kind    agentwire.InstructionKind
		version int64
		want    string
	}{
		{agentwire.PathConfig, agentwire.KindProfile, 3, `"name":"Normal"`},
		{agentwire.PathManifest, agentwire.KindManifest, 1, `"software"`},
		{agentwire.PathDemands, agentwire.KindDemands, 9, `{"id":9,"type":"Inventory_Scan","overrideCpu":true}`},
	} {
		_, body := send(t, b.request(t, http.MethodGet, test.path, nil))
		var signed agentwire.SignedInstruction
		if err := json.Unmarshal([]byte(body), &signed); err != nil {
			t.Fatalf("%s: %v in %s", test.path, err, body)
		}
		in, err := signed.Open(b.gateway.Signer.Root, agentID, test.kind)
		if err != nil {
			t.Fatalf("%s: %v", test.path, err)
		}
		if in.Version != test.version || !strings.Contains(string(in.Body), test.want) {
			t.Errorf("%s: version %d of %s, want %d with %s", test.path, in.Version, in.Body, test.version, test.want)
		}
		if _, err := signed.Open(b.gateway.Signer.Root, "somebody else", test.kind); err == nil {
			t.Errorf("%s: another agent would follow it", test.path)
		}
	}
}

func TestAnInstructionCanBeFetchedInParts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	part := func(span, tag string) (*http.Response, string) {
		t.Helper()
		r := b.request(t, http.MethodGet, agentwire.PathConfig, nil)
		r.Header.Set("Range", span)
		if tag != "" {
			r.Header.Set("If-Match", tag)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
	first, head := part("bytes=0-99", "")
	b.now = b.now.Add(30 * time.Second) // it is signed anew for each part
	second, tail := part("bytes=100-1000000", first.Header.Get("ETag"))
	if first.StatusCode != http.StatusPartialContent || second.StatusCode != http.StatusPartialContent || len(head) != 100 {
		t.Fatalf("parts are answered with %d and %d, the first with %d bytes", first.StatusCode, second.StatusCode, len(head))
	}
	var signed agentwire.SignedInstruction
	if err := json.Unmarshal([]byte(head+tail), &signed); err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Open(b.gateway.Signer.Root, agentID, agentwire.KindProfile); err != nil {
		t.Errorf("the parts together: %v", err)
	}
	b.now = b.now.Add(2 * time.Minute) // now it says that it was issued later
	if third, _ := part("bytes=100-1000000", first.Header.Get("ETag")); third.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("a part of what has changed is answered with %d, want 412", third.StatusCode)
	}
}
