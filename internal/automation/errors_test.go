package automation

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// threeLines returns the part of an error that the published samples show.
func threeLines(e Error) string {
	lines := strings.SplitAfter(e.Text(), "\n")
	return strings.Join(lines[:3], "")
}

// The samples are those of the published integration, word for word.
func TestErrorSamples(t *testing.T) {
	t.Parallel()
	refusing := func(err error) *Commands {
		p := platformWith(1)
		p.count = func([]qps.Criterion) (int64, error) { return 0, err }
		p.launch = func(qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) { return qpsclient.ScanLaunched{}, err }
		return NewCommands(p, testNow)
	}
	const (
		launchSample = "Launch On Demand Scans failed.\nStatus Code: 401.\nMessage: Authentication failed.\n"
		testSample   = "Test Connection failed. Failed to check the connector.\nStatus Code: 401.\nMessage: Authentication failed.\n"
		searchSample = "Search Cloud Agents failed.\nStatus Code: 400.\n" +
			"Message: Last Checked In Time From parameter should not be bigger than Last Checked In Time To parameter.\n"
	)
	launch := LaunchInput{CloudAgentIDs: []string{"1"}}
	backwards := SearchInput{LastCheckedInFrom: "01/02/2025 08:00 PM", LastCheckedInTo: "12/29/2024 09:00 AM"}
	search := func(in SearchInput) Outcome {
		o, _ := NewCommands(platformWith(), testNow).SearchCloudAgents(context.Background(), in)
		return o
	}
	tests := []struct {
		name string
		got  Outcome
		want string
	}{
		{"launch with wrong credentials reported with status 200", refusing(wrongCredentials()).LaunchOnDemandScans(context.Background(), launch), launchSample},
		{"launch with wrong credentials reported with status 401", refusing(bareStatus(401)).LaunchOnDemandScans(context.Background(), launch), launchSample},
		{"test with wrong credentials reported with status 200", refusing(wrongCredentials()).TestConnection(context.Background()), testSample},
		{"test with wrong credentials reported with status 401", refusing(bareStatus(401)).TestConnection(context.Background()), testSample},
		{"search with times that are the wrong way round", search(backwards), searchSample},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.got.State != Failed || len(tt.got.Errors) != 1 {
				t.Fatalf("state %q with %d errors, want Failed with one", tt.got.State, len(tt.got.Errors))
			}
			if diff := cmp.Diff(tt.want, threeLines(tt.got.Errors[0])); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestA401TellsToCheckCredentialsAndPermissions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		command command
		err     error
	}{
		{"wrong credentials", launchScans, wrongCredentials()},
		{"no envelope", searchAgents, bareStatus(401)},
		{"missing permission", testConnection, &qps.ResponseError{Code: qps.CodeUnauthorized, Message: "Not allowed", HTTPStatus: 200}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := tt.command.failure(tt.err)
			if e.StatusCode != 401 {
				t.Errorf("status = %d, want 401", e.StatusCode)
			}
			for _, part := range []string{"user name and password", "permission settings", tt.command.permission} {
				if !strings.Contains(e.Resolution, part) {
					t.Errorf("resolution %q does not mention %q", e.Resolution, part)
				}
			}
			if lines := strings.Count(e.Text(), "\n"); lines != 4 {
				t.Errorf("text has %d lines, want the resolution on a fourth:\n%s", lines, e.Text())
			}
		})
	}
}

func TestA401OfOtherCommandsNamesNoPermissionOfItsOwn(t *testing.T) {
	t.Parallel()
	const ask = "Ask a manager to check the permission settings of this account."
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"the platform says what is missing", &qps.ResponseError{Code: qps.CodeUnauthorized, Message: "It needs View Activation Key.", Resolution: ask, HTTPStatus: 401}, ask},
		{"wrong credentials", wrongCredentials(), "Check the user name and password, or the token, of the connection, and the permission settings of the account."},
		{"no envelope", bareStatus(401), "Check the user name and password, or the token, of the connection, and the permission settings of the account."},
		{"forbidden without a word", bareStatus(403), "Check the permission settings of the account."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Failure("List Activation Keys failed.", tt.err).Errors[0].Resolution; got != tt.want {
				t.Errorf("resolution = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	code := func(c qps.ResponseCode) error {
		return fmt.Errorf("search: %w", &qps.ResponseError{Code: c, HTTPStatus: 200})
	}
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"invalid request", code(qps.CodeInvalidRequest), 400},
		{"invalid XML", code(qps.CodeInvalidXML), 400},
		{"unsupported operation", code(qps.CodeOperationNotSupported), 400},
		{"no credentials", code(qps.CodeAuthCredentialsNeeded), 401},
		{"no permission", code(qps.CodeUnauthorized), 401},
		{"expired evaluation", code(qps.CodeEvaluationExpired), 403},
		{"no permission on this platform", fmt.Errorf("run: %w", fault.New(fault.Forbidden, "No.", "")), 403},
		{"unknown object", code(qps.CodeUnknownObject), 404},
		{"still processing", code(qps.CodeStillProcessing), 409},
		{"internal error", code(qps.CodeOtherError), 500},
		{"a code of the future", code("SOMETHING_NEW"), 500},
		{"a server behind that is down", code(qps.CodeJMSServerDown), 503},
		{"rate limit", bareStatus(429), 429},
		{"page not found", bareStatus(404), 404},
		{"unknown host", unreachableHost(qpsclient.KindDNS), 502},
		{"refused connection", unreachableHost(qpsclient.KindConnect), 502},
		{"untrusted certificate", unreachableHost(qpsclient.KindTLS), 502},
		{"garbage", unreachableHost(qpsclient.KindAnswer), 502},
		{"no answer in time", unreachableHost(qpsclient.KindTimeout), 504},
		{"deadline", context.DeadlineExceeded, 504},
		{"cancelled", context.Canceled, 499},
		{"wrong input", fault.New(fault.Invalid, "x", ""), 400},
		{"a bug", http.ErrNotSupported, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := StatusOf(tt.err); got != tt.want {
				t.Errorf("StatusOf(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}

func TestMessagesAreSentences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want Error
	}{
		{"the platform's message gets one full stop, its resolution stays",
			&qps.ResponseError{Code: qps.CodeInvalidRequest, Message: "Criteria: Invalid value.\n", Resolution: "Specify Long.", HTTPStatus: 200},
			Error{Indicator: "Search Cloud Agents failed.", StatusCode: 400, Message: "Criteria: Invalid value.", Resolution: "Specify Long.", ResponseCode: "INVALID_REQUEST"}},
		{"a platform without a message gives its code",
			&qps.ResponseError{Code: qps.CodeOtherError, HTTPStatus: 200},
			Error{Indicator: "Search Cloud Agents failed.", StatusCode: 500, Message: "OTHER_ERROR.", ResponseCode: "OTHER_ERROR"}},
		{"a limit names the wait",
			&qpsclient.StatusError{StatusCode: 429, Wait: 50 * time.Minute},
			Error{Indicator: "Search Cloud Agents failed.", StatusCode: 429,
				Message: "HTTP status 429 Too Many Requests (the platform asks to wait 50m0s).", Resolution: "Try again in 50m0s."}},
		{"a broken connection comes with its next step",
			fmt.Errorf("count host assets: %w", unreachableHost(qpsclient.KindDNS)),
			Error{Indicator: "Search Cloud Agents failed.", StatusCode: 502,
				Message: "Host name of platform.example cannot be resolved: http: Server closed.", Resolution: "Check the host name in the platform URL."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, searchAgents.failure(tt.err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARelayThatIsOfflineIs503AndNamed(t *testing.T) {
	t.Parallel()
	through := func(err error) error {
		return &qpsclient.TransportError{Kind: qpsclient.KindConnect, Host: "qualysapi.qualys.com", Err: &net.OpError{Op: "dial", Err: err}}
	}
	for _, tc := range []struct {
		err    error
		status int
		want   string
	}{
		{&relay.OfflineError{Name: "plant"}, http.StatusServiceUnavailable, "Message: Relay plant is offline: it has never been connected.\nStart 'vedette relay' in the network of the target"},
		{&relay.RefusedError{Name: "plant", Target: "db.example:5432"}, http.StatusForbidden, "Message: The target db.example:5432 is not on the allow-list of the connection, which uses relay plant.\nIf the target is meant, "},
		{&relay.RefusedError{Name: "plant", Target: "db.example:5432", ByRelay: true}, http.StatusForbidden, "Message: Relay plant refuses the target db.example:5432.\nIf the target is meant, add --allow db.example:5432"},
	} {
		p := platformWith(1)
		p.count = func([]qps.Criterion) (int64, error) { return 0, through(tc.err) }
		p.launch = func(qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error) {
			return qpsclient.ScanLaunched{}, through(tc.err)
		}
		commands := NewCommands(p, testNow)
		for _, o := range []Outcome{commands.TestConnection(t.Context()), commands.LaunchOnDemandScans(t.Context(), LaunchInput{CloudAgentIDs: []string{"1", "2"}})} {
			if o.State != Failed || len(o.Errors) != 1 || o.Errors[0].StatusCode != tc.status || !strings.Contains(o.Errors[0].Text(), tc.want) {
				t.Errorf("%v: %s %+v", tc.err, o.State, o.Errors)
			}
		}
	}
}
