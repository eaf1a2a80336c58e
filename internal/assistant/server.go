package assistant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

const (
	// MaxPatience is the longest that one call waits for the end of a run: assistants
	// give up on calls that take much longer.
	MaxPatience = 10 * time.Minute

	// maxCalls is how many calls are at work at once; the platform answers 24 of one
	// user, and others use it, too.
	maxCalls = 8

	// maxLine bounds a message of the assistant in bytes. A thousand ids have 20 KB.
	maxLine = 1 << 20
)

// Platform is what assistants get of the automation API; *qpsclient.Client has it.
type Platform interface {
	Integrations(ctx context.Context, text string) ([]qpsclient.IntegrationSummary, error)
	Integration(ctx context.Context, name string) (qpsclient.Integration, error)
	Connections(ctx context.Context, q qpsclient.ConnectionQuery) ([]qpsclient.Connection, error)
	Connection(ctx context.Context, id int64) (qpsclient.Connection, error)
	RunCommand(ctx context.Context, connectionID int64, command string, req qpsclient.CommandRequest) (qpsclient.CommandRun, error)
	WaitForCommandRun(ctx context.Context, id int64, wait time.Duration) (qpsclient.CommandRun, error)
	CommandRuns(ctx context.Context, q qpsclient.CommandRunQuery) ([]qpsclient.CommandRun, error)
	AutomationSchedules(ctx context.Context, q qpsclient.AutomationScheduleQuery) ([]qpsclient.AutomationSchedule, error)
	AutomationSchedule(ctx context.Context, id int64) (qpsclient.AutomationSchedule, error)
	Firings(ctx context.Context, id int64, limit int) ([]qpsclient.Firing, error)
	Playbooks(ctx context.Context, site string) ([]qpsclient.Playbook, error)
	Playbook(ctx context.Context, id int64) (qpsclient.Playbook, error)
	PlaybookVersion(ctx context.Context, id, number int64) (qpsclient.PlaybookVersion, error)
	StartPlaybook(ctx context.Context, playbookID int64, req qpsclient.PlaybookRequest) (qpsclient.PlaybookRun, error)
	PlaybookRuns(ctx context.Context, q qpsclient.PlaybookRunQuery) ([]qpsclient.PlaybookRun, error)
	WaitForPlaybookRun(ctx context.Context, id int64, wait time.Duration) (qpsclient.PlaybookRun, error)
	Questions(ctx context.Context, q qpsclient.QuestionQuery) ([]qpsclient.Question, error)
}

// Options say what assistants get, and of whom.
type Options struct {
	Platform Platform
	URL      string // of the platform, for the assistant to name
	Caller   string // as whom it is called
	Allow    Allowance
	// Patience is how long a call waits for the end of a run, at most MaxPatience.
	// What has not ended then is answered with its ID.
	Patience time.Duration
	// ShortText leaves the structured content out of the text of answers. It is there
	// as well for assistants that do not read structured content.
	ShortText bool
	Version   string
	NewKey    func() string // a text that no other call returns
}

// Server answers assistants. It is safe for concurrent use.
type Server struct {
	options Options
	tools   []tool
	slots   chan struct{} // one for each call at work
	// startable are the IDs of the playbooks that can be started, beside all of an
	// Allowance of everything.
	startable []int64
}

// Load reads the manifests of the platform and returns a server that offers their
// commands. The error is fault.Invalid for an allowance that names no command or playbook.
func Load(ctx context.Context, o Options) (*Server, error) {
	if o.Patience < 0 || o.Patience > MaxPatience {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("patience: invalid value '%s'.", o.Patience), fmt.Sprintf("Use a duration of at most %s.", MaxPatience))
	}
	s := &Server{options: o, slots: make(chan struct{}, maxCalls)}
	commands, err := s.commandTools(ctx)
	if err != nil {
		return nil, err
	}
	if s.startable, err = o.Allow.startable(ctx, o.Platform); err != nil {
		return nil, err
	}
	s.tools = append(s.standingTools(), commands...)
	return s, nil
}

// standingTools are those that every platform has.
func (s *Server) standingTools() []tool {
	return []tool{
		s.connectionsTool(), s.healthTool(), s.runsTool(), s.runTool(), s.schedulesTool(),
		s.playbooksTool(), s.playbookTool(), s.startPlaybookTool(), s.playbookRunsTool(), s.playbookRunTool(), s.questionsTool(),
	}
}

// Serve answers the assistant at the other end of two streams, a line of JSON for each
// message, until it closes them or ctx ends.
func (s *Server) Serve(ctx context.Context, in io.ReadCloser, out io.WriteCloser) error {
	return s.serve(ctx, &mcp.IOTransport{Reader: in, Writer: out, MaxLineLength: maxLine})
}

func (s *Server) serve(ctx context.Context, transport mcp.Transport) error {
	server := mcp.NewServer(&mcp.Implementation{Name: "vedette", Title: "Vedette automation", Version: s.options.Version}, &mcp.ServerOptions{
		Instructions: s.instructions(),
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}, // the tools stay the same
	})
	for i := range s.tools {
		if t := &s.tools[i]; t.withheld == "" {
			server.AddTool(&t.definition, s.handler(ctx, t))
		}
	}
	server.AddReceivingMiddleware(s.explainWithheld)
	err := server.Run(ctx, transport)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// handler answers calls of a tool. They end when the assistant takes them back, and
// when ctx, that of the session, ends.
func (s *Server) handler(ctx context.Context, t *tool) mcp.ToolHandler {
	return func(asked context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		asked, cancel := context.WithCancel(asked)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-asked.Done():
			return nil, asked.Err()
		}
		return s.answer(asked, t, req), nil
	}
}

// answer calls a tool.
func (s *Server) answer(ctx context.Context, t *tool, req *mcp.CallToolRequest) *mcp.CallToolResult {
	given, err := readArguments(req.Params.Arguments, t.schema())
	if err != nil {
		return s.refusal(t, err)
	}
	limit := given.whole("limit", defaultRows, 1, maxRows)
	build, err := t.call(ctx, call{arguments: given, tell: teller(ctx, req)})
	if err == nil {
		err = given.mistake
	}
	if err != nil {
		return s.refusal(t, err)
	}
	return s.result(int(limit), build)
}

// teller returns what tells the assistant how far a call is, if it wants to know.
func teller(ctx context.Context, req *mcp.CallToolRequest) func(string, time.Duration) {
	token := req.Params.GetProgressToken()
	if token == nil {
		return func(string, time.Duration) {}
	}
	return func(message string, spent time.Duration) {
		// An assistant that cannot be told is told the result all the same.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Message: message, Progress: spent.Seconds()})
	}
}

// explainWithheld tells why a tool that exists is not offered, in place of saying that
// it is unknown.
func (s *Server) explainWithheld(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if asked, ok := req.(*mcp.CallToolRequest); ok {
			for i := range s.tools {
				if t := &s.tools[i]; t.withheld != "" && t.definition.Name == asked.Params.Name {
					return s.refusal(t, fault.New(fault.Forbidden, "This tool is not offered: "+t.withheld+".", t.remedy)), nil
				}
			}
		}
		return next(ctx, method, req)
	}
}
