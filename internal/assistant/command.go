package assistant

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// The arguments of commands that are no inputs.
const (
	argConnection = "connection"
	argDryRun     = "dryRun"
	argWait       = "wait"
	argKey        = "idempotencyKey"
)

// keyPrefix begins the idempotency keys of runs that an assistant asked for, which the
// record of a run shows.
const keyPrefix = "mcp-"

// maxKeyBytes bounds a key of the assistant's: with the prefix it is one of the
// platform's.
const maxKeyBytes = 200

// repeatSafe is the word of commands that may be repeated without further effect.
const repeatSafe = "safe"

// offered is a command that is a tool, and the integrations that have it.
type offered struct {
	qpsclient.Command
	tool         string // its name
	integrations []string
}

// commandTools makes a tool of each command of each integration.
func (s *Server) commandTools(ctx context.Context) ([]tool, error) {
	summaries, err := s.options.Platform.Integrations(ctx, "")
	if err != nil {
		return nil, err
	}
	var commands []qpsclient.Command
	for _, summary := range summaries {
		of, err := s.options.Platform.Integration(ctx, summary.Name)
		if err != nil {
			return nil, err
		}
		commands = append(commands, of.Commands...)
	}
	if err := s.options.Allow.check(commands); err != nil {
		return nil, err
	}
	var tools []tool
	for _, c := range gathered(commands) {
		tools = append(tools, s.commandTool(c))
	}
	return tools, nil
}

// gathered returns commands by names of their own. What several integrations have under
// one name and with the same inputs, such as Test Connection, is one tool, and the
// connection says which is meant; where the inputs differ, the name of the integration
// comes first.
func gathered(commands []qpsclient.Command) []offered {
	var all []offered
	uses := map[string]int{}
	for _, c := range commands {
		at := slices.IndexFunc(all, func(o offered) bool { return o.Name == c.Name && alike(o.Command, c) })
		if at >= 0 {
			all[at].integrations = append(all[at].integrations, c.Integration)
			continue
		}
		all = append(all, offered{Command: c, tool: c.Name, integrations: []string{c.Integration}})
		uses[c.Name]++
	}
	for i := range all {
		if o := &all[i]; uses[o.Name] > 1 {
			o.tool = o.Integration + "_" + o.Name
		}
	}
	return all
}

// alike reports whether commands differ in their words at most.
func alike(a, b qpsclient.Command) bool {
	return a.ReadOnly == b.ReadOnly && a.Additive == b.Additive && a.Repeat == b.Repeat && a.Waits == b.Waits && len(a.Inputs) == len(b.Inputs) &&
		(len(a.Inputs) == 0 || reflect.DeepEqual(a.Inputs, b.Inputs))
}

// commandTool makes the tool of a command.
func (s *Server) commandTool(c offered) tool {
	t := tool{
		definition: mcp.Tool{
			Name: c.tool, Title: c.DisplayName, Description: describe(c), InputSchema: object(arguable(c)...),
			Annotations: &mcp.ToolAnnotations{
				Title: c.DisplayName, ReadOnlyHint: c.ReadOnly, IdempotentHint: c.Repeat == repeatSafe,
				DestructiveHint: new(!c.ReadOnly && !c.Additive), OpenWorldHint: new(true),
			},
		},
		indicator: c.Indicator, writes: !c.ReadOnly,
		call: func(ctx context.Context, given call) (builder, error) { return s.run(ctx, c, given) },
	}
	switch secret := secretInput(c); {
	case secret != "":
		t.withheld, t.remedy = "its input "+secret+" is a secret, which no assistant is asked for", "A person runs it: vedette automation run CONNECTION "+c.Name+" --inputs-file FILE."
	case t.writes && !s.options.Allow.allows(c.Command):
		t.withheld, t.remedy = "it writes", "Who starts the server allows it with --allow "+c.Name+", or all of them with --allow-write."
	}
	return t
}

// secretInput names an input that is secret and needed, if there is one.
func secretInput(c offered) string {
	for _, in := range c.Inputs {
		if in.Type == typeSecret && in.Required {
			return in.Name
		}
	}
	return ""
}

// describe is what an assistant reads of a command.
func describe(c offered) string {
	text := c.Description
	if len(c.integrations) > 1 {
		text = "For connections of any of " + strings.Join(c.integrations, ", ") + ": " + text
	}
	if !c.ReadOnly {
		text += " This writes: call it with dryRun first, and show the person what it would do."
	}
	for _, k := range c.KeyFields {
		text += fmt.Sprintf(" Key field %s: %s", k.Name, k.Description)
	}
	return text
}

// arguable are the arguments of a command: its inputs, but for secret ones, and how to
// run it.
func arguable(c offered) []property {
	properties := []property{needed(text(argConnection, "The connection to run it with: its ID, its name, or SITE/NAME. automation_connections lists them."))}
	for _, in := range c.Inputs {
		if in.Type != typeSecret {
			properties = append(properties, inputProperty(in))
		}
	}
	if !c.ReadOnly {
		properties = append(properties,
			yes(argDryRun, "Say what would be sent, and send nothing that writes."),
			text(argKey, "A text of yours for this one act. A call that repeats it, as after a timeout, gets the run there is in place of another."))
	}
	if c.Waits {
		properties = append(properties, text(argWait, "Let the run go on until what it began has ended, at most this long, such as 30m. The call may return before."))
	}
	return properties
}

// run asks for a run of a command and waits for its end with patience.
func (s *Server) run(ctx context.Context, c offered, given call) (builder, error) {
	connection := given.text(argConnection)
	request, err := s.request(c, given)
	if err != nil {
		return nil, err
	}
	at, err := s.findConnection(ctx, connection)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(c.integrations, at.Integration) {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: connection %d is one of the integration %s, which has no %s of this kind.", argConnection, at.ID, at.Integration, c.Name),
			"Use a connection of "+strings.Join(c.integrations, " or ")+".")
	}
	queued, err := s.options.Platform.RunCommand(ctx, at.ID, c.Name, request)
	if err != nil {
		return nil, err
	}
	r, err := s.follow(ctx, queued, s.options.Patience, given.tell)
	if err != nil {
		return nil, err
	}
	return shownRun(r, partResult, 0), nil
}

// key returns the idempotency key of a run: the assistant's own, or else one that no
// other call has.
func (a *arguments) key(another func() string) string {
	key := a.text(argKey)
	switch {
	case key == "":
		key = another()
	case len(key) > maxKeyBytes:
		a.wrong(argKey, fmt.Sprintf("a text of at most %d characters", maxKeyBytes))
	}
	return keyPrefix + key
}

// request reads the arguments of a command.
func (s *Server) request(c offered, given call) (qpsclient.CommandRequest, error) {
	request := qpsclient.CommandRequest{Inputs: map[string]any{}, DryRun: given.yes(argDryRun), Key: given.key(s.options.NewKey)}
	if wait := given.text(argWait); wait != "" {
		request.Wait = &qpsclient.CommandWait{Timeout: wait}
	}
	for _, in := range c.Inputs {
		if value := given.values[in.Name]; value != nil {
			request.Inputs[in.Name] = value // the platform says what is wrong with it
		}
	}
	return request, given.mistake
}
