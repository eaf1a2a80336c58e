package agentapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

func TestASmallUploadIsTakenWithItsStart(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("ab", 32)
	for _, tt := range []struct {
		name  string
		start agentwire.UploadStart
		calls string
		state agentwire.UploadState
	}{
		{"whole", agentwire.UploadStart{Size: 4, Data: []byte("data")}, "start fragment commit", agentwire.UploadCommitted},
		{"not all of it", agentwire.UploadStart{Size: 5, Data: []byte("data")}, "start", agentwire.UploadOpen},
		{"nothing", agentwire.UploadStart{Size: 4}, "start", agentwire.UploadOpen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			status, body := send(t, b.request(t, http.MethodPost, agentwire.PathUploads+digest, tt.start))
			var answer agentwire.UploadAnswer
			if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || answer.State != tt.state {
				t.Errorf("got %d %s, want %s", status, body, tt.state)
			}
			if calls := strings.ReplaceAll(strings.Join(b.uploads, " "), " "+digest, ""); calls != tt.calls {
				t.Errorf("the intake was called for %q, want %q", calls, tt.calls)
			}
		})
	}
	b := setup(t)
	large := agentwire.UploadStart{Size: agentwire.MaxStartData + 1, Data: make([]byte, agentwire.MaxStartData+1)}
	if status, body := send(t, b.request(t, http.MethodPost, agentwire.PathUploads+digest, large)); status != http.StatusRequestEntityTooLarge || len(b.uploads) > 0 {
		t.Errorf("got %d %s for too much data, want 413", status, body)
	}
}

func TestUploadsReachTheIntake(t *testing.T) {
	t.Parallel()
	b := setup(t)
	digest := strings.Repeat("ab", 32)
	for _, r := range []*http.Request{
		b.request(t, http.MethodPost, agentwire.PathUploads+digest, agentwire.UploadStart{Module: agentwire.ModuleInventory}),
		b.request(t, http.MethodPut, agentwire.PathUploads+digest+"/fragments?offset=5", []byte("data")),
		b.request(t, http.MethodPost, agentwire.PathUploads+digest+"/commit", nil),
	} {
		if status, body := send(t, r); status != http.StatusOK {
			t.Errorf("%s: %d %s", r.URL.Path, status, body)
		}
	}
	if len(b.uploads) != 3 {
		t.Errorf("got %v", b.uploads)
	}
	b.failing = fault.Newf(fault.Conflict, "offset 5 is beyond what is stored")
	status, body := send(t, b.request(t, http.MethodPut, agentwire.PathUploads+digest+"/fragments?offset=5", []byte("data")))
	if status != http.StatusConflict || problemCode(t, body) != agentwire.ProblemOffsetMismatch {
		t.Errorf("got %d %s", status, body)
	}
	b.failing = context.DeadlineExceeded
	status, body = send(t, b.request(t, http.MethodPost, agentwire.PathUploads+digest+"/commit", nil))
	if status < 500 || strings.Contains(body, "deadline") {
		t.Errorf("got %d %s, want a bland failure of ours", status, body)
	}
}
