package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

func TestFailuresMapToStatusAndCode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		err       error
		status    int
		qpsStatus int
		qpsCode   qps.ResponseCode
	}{
		{"invalid", fault.Newf(fault.Invalid, "m"), 400, 200, qps.CodeInvalidRequest},
		{"wrong credentials", fault.Newf(fault.Unauthenticated, "m"), 401, 401, qps.CodeInvalidCredentials},
		{"no credentials", server.NoCredentials(), 401, 401, qps.CodeAuthCredentialsNeeded},
		{"no permission", fault.Newf(fault.Forbidden, "m"), 403, 401, qps.CodeUnauthorized},
		{"unknown object, wrapped", fmt.Errorf("get: %w", fault.Newf(fault.NotFound, "m")), 404, 200, qps.CodeNotFound},
		{"conflict", fault.Newf(fault.Conflict, "m"), 409, 200, qps.CodeInvalidRequest},
		{"selection too large", fault.Newf(fault.TooLarge, "m"), 413, 200, qps.CodeInvalidRequest},
		{"body too large", fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 9}), 413, 413, qps.CodeInvalidRequest},
		{"busy", fault.Newf(fault.Busy, "m"), 503, 503, qps.CodeOtherError},
		{"time ran out", fmt.Errorf("search: %w", context.DeadlineExceeded), 500, 500, qps.CodeOtherError},
		{"malformed XML", &qps.RequestError{Code: qps.CodeInvalidXML, Message: "m"}, 400, 200, qps.CodeInvalidXML},
		{"unknown route", server.NoRoute(httptest.NewRequest("GET", "/x", nil)), 404, 404, qps.CodeInvalidURL},
		{"internal", fault.Newf(fault.Internal, "m"), 500, 500, qps.CodeOtherError},
		{"anything else", errors.New("disk on fire"), 500, 500, qps.CodeOtherError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := server.Explain(tc.err)
			type outcome struct {
				Status, QPSStatus int
				QPSCode           qps.ResponseCode
			}
			if diff := cmp.Diff(outcome{tc.status, tc.qpsStatus, tc.qpsCode}, outcome{f.Status, f.QPSStatus, f.QPSCode}); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			if f.Message == "" || f.Resolution == "" {
				t.Errorf("failure %+v lacks a part", f)
			}
		})
	}
}

func TestOversizedDocumentsKeepTheirWords(t *testing.T) {
	t.Parallel()
	_, err := qps.DecodeRequest(strings.NewReader(strings.Repeat(" ", qps.MaxRequestBytes+1)), "")
	f := server.Explain(err)
	if f.QPSStatus != 413 || !strings.Contains(f.Message, fmt.Sprint(qps.MaxRequestBytes)) {
		t.Errorf("failure %+v, want 413 that names the limit", f)
	}
}

func TestInternalFailuresSayNothing(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.New("password of the database is hunter2"),
		&fault.Error{Code: fault.Internal, Message: "hunter2", Resolution: "hunter2", Err: errors.New("hunter2")},
	} {
		if f := server.Explain(err); strings.Contains(f.Message+f.Resolution, "hunter2") {
			t.Errorf("failure %+v gives details away", f)
		}
	}
}
