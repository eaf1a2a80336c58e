package assistant

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"vedette.dev/vedette/qps/qpsclient"
)

// fakePlatform has two integrations, the connections lab and vault, and answers runs as
// a test says. What it was asked for is kept.
type fakePlatform struct {
	ended     qpsclient.CommandRun // as every run ends
	looks     int                  // how often a run is looked at before it has ended
	refuses   error                // what every run is refused with
	schedules []qpsclient.AutomationSchedule
	text      string                // of every playbook
	played    qpsclient.PlaybookRun // as every run of a playbook is when it is looked at
	questions []qpsclient.Question

	mu    sync.Mutex
	asked []string // connection, command and request
	seen  int
	waits []time.Duration
	held  chan struct{} // looks wait for it, unless it is nil
}

func (p *fakePlatform) Integrations(context.Context, string) ([]qpsclient.IntegrationSummary, error) {
	return []qpsclient.IntegrationSummary{{Name: "qualys-cloud-agent"}, {Name: "openbao"}}, nil
}

func (p *fakePlatform) Integration(_ context.Context, name string) (qpsclient.Integration, error) {
	test := qpsclient.Command{Name: "test-connection", DisplayName: "Test Connection", Description: "Tests.", Indicator: "Test Connection failed.", ReadOnly: true, Repeat: "safe", Integration: name}
	list := qpsclient.Command{Name: "list-keys", DisplayName: "List Keys", Description: "Lists.", Indicator: "List Keys failed.", ReadOnly: true, Repeat: "safe", Integration: name}
	if name == "openbao" {
		list.Inputs = []qpsclient.CommandInput{{Name: "path", DisplayName: "Path", Type: "text", Required: true}}
		return qpsclient.Integration{Name: name, Commands: []qpsclient.Command{test, list}}, nil
	}
	return qpsclient.Integration{Name: name, Commands: []qpsclient.Command{test, list, searching(), launching(), {
		Integration: name, Name: "delete-key", DisplayName: "Delete Key", Description: "Deletes.", Indicator: "Delete Key failed.", Repeat: "safe",
	}, {
		Integration: name, Name: "set-password", DisplayName: "Set Password", Description: "Sets.", Indicator: "Set Password failed.", Repeat: "never",
		Inputs: []qpsclient.CommandInput{{Name: "password", DisplayName: "Password", Type: "secret", Required: true}},
	}}}, nil
}

func searching() qpsclient.Command {
	return qpsclient.Command{
		Integration: "qualys-cloud-agent", Name: "search-cloud-agents", DisplayName: "Search Cloud Agents", Description: "Finds agents.", Indicator: "Search Cloud Agents failed.", ReadOnly: true, Repeat: "safe",
		Inputs: []qpsclient.CommandInput{
			{Name: "lastCheckedInTo", DisplayName: "Last Checked In Time To", Description: "Before this time.", Type: "datetime", UTC: true, Example: "01/02/2025 08:00 PM"},
			{Name: "os", DisplayName: "OS", Description: "This system.", Type: "text", Max: new(int64(255)), Example: "Windows"},
			{Name: "maxRecords", DisplayName: "Maximum Records", Description: "How many.", Type: "integer", Min: new(int64(1)), Max: new(int64(10000)), Default: json.RawMessage("10000")},
			{Name: "pin", DisplayName: "PIN", Description: "A secret.", Type: "secret"},
		},
		KeyFields: []qpsclient.CommandOutput{{Name: "cloudAgentIds", Description: "The IDs found."}},
	}
}

func launching() qpsclient.Command {
	return qpsclient.Command{
		Integration: "qualys-cloud-agent", Name: "launch-on-demand-scans", DisplayName: "Launch On Demand Scans", Description: "Asks agents to scan.", Indicator: "Launch On Demand Scans failed.", Additive: true, Repeat: "keyed", Waits: true,
		Inputs: []qpsclient.CommandInput{
			{Name: "cloudAgentIds", DisplayName: "Cloud Agent IDs", Description: "The agents.", Type: "ids", Required: true, Max: new(int64(1000)), Example: `["7003001"]`},
			{Name: "scanType", DisplayName: "Scan Type", Description: "The kind.", Type: "choice", Choices: []string{"Inventory Scan", "SCA Scan"}, Default: json.RawMessage(`"Inventory Scan"`), Example: "SCA Scan"},
			{Name: "override", DisplayName: "Override", Description: "Whether.", Type: "boolean", Default: json.RawMessage("false")},
			{Name: "modules", DisplayName: "Modules", Description: "Which.", Type: "texts", Max: new(int64(20))},
			{Name: "every", DisplayName: "Every", Description: "How often.", Type: "duration", Example: "4h"},
			{Name: "extra", DisplayName: "Extra", Description: "More.", Type: "object"},
		},
	}
}

func (p *fakePlatform) Connections(_ context.Context, q qpsclient.ConnectionQuery) ([]qpsclient.Connection, error) {
	soc, ops := qpsclient.Reference{ID: 1, Name: "SOC"}, qpsclient.Reference{ID: 2, Name: "OPS"}
	all := []qpsclient.Connection{
		{ID: 3, Name: "lab", Site: &soc, Integration: "qualys-cloud-agent", Active: true, Parameters: map[string]string{"username": "acme_ab1"}, Health: qpsclient.ConnectionHealth{Status: "failed", Failures: 4}},
		{ID: 4, Name: "vault", Site: &soc, Integration: "openbao", Health: qpsclient.ConnectionHealth{Status: "healthy"}},
		{ID: 5, Name: "twin", Site: &soc, Integration: "openbao"},
		{ID: 6, Name: "twin", Site: &ops, Integration: "openbao"},
	}
	var found []qpsclient.Connection
	for _, c := range all {
		if strings.Contains(c.Name, q.Name) {
			found = append(found, c)
		}
	}
	return found, nil
}

func (p *fakePlatform) Connection(ctx context.Context, id int64) (qpsclient.Connection, error) {
	all, err := p.Connections(ctx, qpsclient.ConnectionQuery{})
	for _, c := range all {
		if c.ID == id {
			return c, err
		}
	}
	return qpsclient.Connection{}, &qpsclient.StatusError{StatusCode: http.StatusNotFound, Code: "not_found", Message: fmt.Sprintf("There is no connection %d.", id), Resolution: "List them."}
}

func (p *fakePlatform) RunCommand(_ context.Context, connection int64, command string, req qpsclient.CommandRequest) (qpsclient.CommandRun, error) {
	doc, err := json.Marshal(req)
	if err != nil {
		return qpsclient.CommandRun{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf("%d %s %s %s", connection, command, doc, req.Key))
	return qpsclient.CommandRun{ID: 12, Command: command, State: qpsclient.RunQueued, DryRun: req.DryRun}, p.refuses
}

func (p *fakePlatform) WaitForCommandRun(ctx context.Context, id int64, wait time.Duration) (qpsclient.CommandRun, error) {
	p.mu.Lock()
	p.waits = append(p.waits, wait)
	p.seen++
	r, held := p.ended, p.held
	if p.seen <= p.looks {
		r = qpsclient.CommandRun{State: qpsclient.RunRunning, Command: r.Command}
	}
	p.mu.Unlock()
	r.ID = id
	if held == nil {
		return r, nil
	}
	select {
	case <-held:
		return r, nil
	case <-ctx.Done():
		return r, ctx.Err()
	}
}

func (p *fakePlatform) CommandRuns(_ context.Context, q qpsclient.CommandRunQuery) ([]qpsclient.CommandRun, error) {
	r := p.ended
	r.ID = 11
	return []qpsclient.CommandRun{r, r, r}[:min(3, q.Limit)], nil
}

func (p *fakePlatform) AutomationSchedules(context.Context, qpsclient.AutomationScheduleQuery) ([]qpsclient.AutomationSchedule, error) {
	return p.schedules, nil
}

func (p *fakePlatform) AutomationSchedule(context.Context, int64) (qpsclient.AutomationSchedule, error) {
	return p.schedules[0], nil
}

func (p *fakePlatform) Firings(_ context.Context, _ int64, limit int) ([]qpsclient.Firing, error) {
	return make([]qpsclient.Firing, limit), nil
}

func (p *fakePlatform) Playbooks(context.Context, string) ([]qpsclient.Playbook, error) {
	soc, ops := qpsclient.Reference{ID: 1, Name: "SOC"}, qpsclient.Reference{ID: 2, Name: "OPS"}
	return []qpsclient.Playbook{
		{ID: 21, Name: "rescan", Site: soc, Description: "Scans again.", Live: 2, Latest: 3}, {ID: 22, Name: "twin", Site: soc, Live: 1, Latest: 1},
		{ID: 23, Name: "twin", Site: ops, Live: 1, Latest: 1}, {ID: 24, Name: "draft", Site: ops, Latest: 1},
	}, nil
}

func (p *fakePlatform) Playbook(ctx context.Context, id int64) (qpsclient.Playbook, error) {
	all, err := p.Playbooks(ctx, "")
	for _, found := range all {
		if found.ID == id {
			return found, err
		}
	}
	return qpsclient.Playbook{}, &qpsclient.StatusError{StatusCode: http.StatusNotFound, Code: "not_found", Message: fmt.Sprintf("There is no playbook %d.", id), Resolution: "List them."}
}

func (p *fakePlatform) PlaybookVersion(_ context.Context, _, number int64) (qpsclient.PlaybookVersion, error) {
	return qpsclient.PlaybookVersion{Number: number, Text: p.text, Inputs: []qpsclient.PlaybookInput{{Name: "days", Type: "integer", Required: true}}}, nil
}

func (p *fakePlatform) StartPlaybook(_ context.Context, id int64, req qpsclient.PlaybookRequest) (qpsclient.PlaybookRun, error) {
	doc, err := json.Marshal(req)
	if err != nil {
		return qpsclient.PlaybookRun{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf("start %d %s %s", id, doc, req.Key))
	return qpsclient.PlaybookRun{ID: 31, State: qpsclient.PlaybookRunQueued}, p.refuses
}

func (p *fakePlatform) PlaybookRuns(_ context.Context, q qpsclient.PlaybookRunQuery) ([]qpsclient.PlaybookRun, error) {
	r := p.played
	r.ID = 30
	return []qpsclient.PlaybookRun{r, r, r}[:min(3, q.Limit)], nil
}

func (p *fakePlatform) WaitForPlaybookRun(_ context.Context, id int64, wait time.Duration) (qpsclient.PlaybookRun, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = append(p.waits, wait)
	p.seen++
	r := p.played
	if p.seen <= p.looks {
		r = qpsclient.PlaybookRun{State: qpsclient.PlaybookRunRunning}
	}
	r.ID = id
	return r, nil
}

func (p *fakePlatform) Questions(_ context.Context, q qpsclient.QuestionQuery) ([]qpsclient.Question, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf("questions of %d, open %t, mine %t, at most %d", q.RunID, q.Open, q.Mine, q.Limit))
	return p.questions, nil
}

// requests are what was asked for so far.
func (p *fakePlatform) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.asked...)
}

// session is an assistant that is connected to a server.
type session struct {
	*mcp.ClientSession
	told chan *mcp.ProgressNotificationParams
	stop func() // ends the server
}

// connect serves an assistant of a platform until the test ends.
func connect(t *testing.T, p *fakePlatform, change func(*Options)) session {
	t.Helper()
	options := Options{Platform: p, URL: "https://p.example", Caller: "ann", Patience: 45 * time.Second, Version: "1.2", NewKey: func() string { return "key" }}
	if change != nil {
		change(&options)
	}
	server, err := Load(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	here, there := mcp.NewInMemoryTransports()
	ended := make(chan error, 1)
	go func() { ended <- server.serve(ctx, there) }()
	s := session{told: make(chan *mcp.ProgressNotificationParams, 100), stop: stop}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) { s.told <- req.Params },
	})
	if s.ClientSession, err = client.Connect(t.Context(), here, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s
}

// call calls a tool and returns the structured content with the texts.
func (s session) call(t *testing.T, name string, arguments any) (*mcp.CallToolResult, Answer) {
	t.Helper()
	result, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	doc, err := json.Marshal(result.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	var a Answer
	if err := json.Unmarshal(doc, &a); err != nil {
		t.Fatalf("%s: %v of %s", name, err, doc)
	}
	if a.Untrusted == nil {
		a.Untrusted = &Untrusted{}
	}
	a.text = result.Content[0].(*mcp.TextContent).Text
	a.failed = result.IsError
	return result, a
}

type arg = map[string]any

// refusedCall is a call with something wrong, and what its one error says.
type refusedCall struct {
	name      string
	arguments any
	status    int
	want      string // how the message begins
}

// wantRefused fails unless all calls are refused and none of them runs anything.
func wantRefused(t *testing.T, calls []refusedCall) {
	t.Helper()
	p := &fakePlatform{}
	s := connect(t, p, func(o *Options) { o.Allow.All = true })
	for _, tt := range calls {
		_, a := s.call(t, tt.name, tt.arguments)
		if !a.failed || len(a.Untrusted.Errors) != 1 || a.Untrusted.Errors[0].StatusCode != tt.status || !strings.HasPrefix(a.Untrusted.Errors[0].Message, tt.want) {
			t.Errorf("%s %v: %+v, want %d %s", tt.name, tt.arguments, a.Untrusted.Errors, tt.status, tt.want)
		}
	}
	if asked := p.requests(); len(asked) != 0 {
		t.Errorf("the platform was asked for %v", asked)
	}
}
