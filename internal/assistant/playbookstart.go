package assistant

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// startPlaybookTool starts a playbook. Its steps may run any command, so leave to run
// single commands is no leave for it: playbooks are allowed by their own names.
func (s *Server) startPlaybookTool() tool {
	const title = "Start Playbook"
	which := "any playbook"
	if !s.options.Allow.All {
		which = "one of the playbooks that are allowed here (" + strings.Join(s.options.Allow.playbooks(), ", ") + ")"
	}
	description := "Starts the live version of " + which + " with the rights of " + s.options.Caller + ", which runs all its steps by itself: commands that write among them, also such as are no tools here, and other playbooks. " +
		"There is no dry run of a playbook: read it with automation_playbook, show the person what its steps would do with these inputs, and start it only when they agree."
	t := tool{
		definition: mcp.Tool{
			Name: "automation_start_playbook", Title: title, Description: description,
			InputSchema: object(
				needed(text(argPlaybook, "The playbook: its ID, its name, or SITE/NAME. automation_playbooks lists them.")),
				property{name: "inputs", schema: &jsonschema.Schema{Type: "object", Description: "Its inputs by name, as automation_playbook shows them. Times are RFC 3339."}},
				text(argKey, "A text of yours for this one act. A call that repeats it, as after a timeout, gets the run there is in place of another."),
			),
			Annotations: &mcp.ToolAnnotations{Title: title, DestructiveHint: new(true), OpenWorldHint: new(true)},
		},
		indicator: title + " failed.", writes: true, call: s.startPlaybook,
	}
	if !s.options.Allow.All && len(s.startable) == 0 {
		t.withheld, t.remedy = "it writes", "Who starts the server allows a playbook with --allow "+playbookPrefix+"NAME, or all, and all commands, with --allow-write."
	}
	return t
}

func (s *Server) startPlaybook(ctx context.Context, given call) (builder, error) {
	request := qpsclient.PlaybookRequest{Key: given.key(s.options.NewKey)}
	if value := given.values["inputs"]; value != nil {
		inputs, ok := value.(map[string]any)
		if !ok {
			given.wrong("inputs", "an object of the inputs by name")
		}
		request.Inputs = inputs // the platform says what is wrong with them
	}
	name := given.text(argPlaybook)
	if given.mistake != nil {
		return nil, given.mistake
	}
	p, err := s.findPlaybook(ctx, name)
	if err != nil {
		return nil, err
	}
	if !s.options.Allow.All && !slices.Contains(s.startable, p.ID) {
		return nil, fault.New(fault.Forbidden, fmt.Sprintf("Playbook %d is not among those that are allowed here.", p.ID), "Who starts the server allows it with --allow "+playbookPrefix+"NAME.")
	}
	queued, err := s.options.Platform.StartPlaybook(ctx, p.ID, request)
	if err != nil {
		return nil, err
	}
	r, err := s.followPlaybook(ctx, queued, s.options.Patience, given.tell)
	if err != nil {
		return nil, err
	}
	return shownPlaybookRun(r, 0), nil
}
