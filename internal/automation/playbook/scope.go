package playbook

import (
	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// The states of a step, as expressions and people see them.
const (
	Pending             = "Pending" // what it needs is not finished
	Ready               = "Ready"   // its command is to be sent
	Running             = "Running" // its command was sent
	Waiting             = "Waiting" // for a time, a condition, or the next try
	Asked               = "Asked"   // a person, to approve
	Approved            = "Approved"
	Rejected            = "Rejected"
	Successful          = "Successful"
	PartiallySuccessful = "Partially Successful"
	Failed              = "Failed"
	Skipped             = "Skipped" // by its if, or because nothing led to it
	Cancelled           = "Cancelled"
	Unknown             = "Unknown" // sent, never answered, and not to be sent twice: a person says what became of it
)

// States are all states of a step.
func States() []string {
	return []string{Pending, Ready, Running, Waiting, Asked, Approved, Rejected, Successful, PartiallySuccessful, Failed, Skipped, Cancelled, Unknown}
}

// stepScope is what an expression of a step may name.
type stepScope struct {
	step    int
	all     bool // every step, not only those before
	handler bool
	led     bool // by a branch
	item    *expression.Type
	self    *expression.Type
}

// stepScope makes the scope of expressions of a step.
func (c *checker) stepScope(s stepScope) *expression.Scope {
	variables := map[string]expression.Type{
		"inputs":  c.inputsType(),
		"run":     runType(),
		"trigger": triggerType("Trigger", expression.Any),
	}
	absent := map[string]string{
		"connection": "what a connection holds is out of reach of expressions", "connections": "what a connection holds is out of reach of expressions",
		"secrets": "secrets are out of reach of expressions", "vault": "secrets are out of reach of expressions", "env": "the environment is out of reach of expressions",
		"self":  "self is there in until and loop.while only",
		"item":  "item is there only in a step with forEach or join: any-each, and not in its if",
		"error": "error is there only in steps of onError, and in steps that a branch leads to",
	}
	variables["steps"] = expression.Namespace("Steps", c.visible(s, absent))
	if s.item != nil {
		variables["item"] = *s.item
	}
	if s.self != nil {
		variables["self"] = *s.self
	}
	if s.handler || s.led {
		variables["error"] = errorType()
	}
	for name := range variables {
		delete(absent, name)
	}
	return c.scope(variables, absent)
}

// visible returns the steps that can be named, and notes why others cannot.
func (c *checker) visible(s stepScope, absent map[string]string) map[string]expression.Type {
	visible := map[string]expression.Type{}
	here := ""
	if !s.all {
		here = c.program.Nodes[s.step].Step.ID
	}
	for i := range c.program.Nodes {
		n := &c.program.Nodes[i]
		earlier := !n.Handler && (s.all || s.handler || c.graph.before[s.step][i]) || n.Handler && s.handler && i < s.step
		switch id := n.Step.ID; {
		case earlier:
			visible[id] = c.results[id]
		case id == here:
			absent["steps."+id] = "a step cannot read itself; in until and loop.while it is self"
		case n.Handler:
			absent["steps."+id] = "step " + id + " belongs to onError and runs later, if at all"
		default:
			absent["steps."+id] = "step " + id + " does not come before this one: add it to needs"
		}
	}
	return visible
}

// scope makes a scope; when the platform itself fails it returns nil.
func (c *checker) scope(variables map[string]expression.Type, absent map[string]string) *expression.Scope {
	s, err := expression.NewScope(variables, absent)
	if err != nil {
		c.err = err
		return nil
	}
	return s
}

func (c *checker) inputsType() expression.Type {
	fields := map[string]expression.Type{}
	for _, in := range c.definition.Inputs {
		fields[in.Name] = in.Type.Expression()
		if in.Type == TypeChoice {
			fields[in.Name] = expression.Word(in.Choices...)
		}
	}
	return expression.Object("Inputs", fields)
}

func runType() expression.Type {
	return expression.Object("Run", map[string]expression.Type{
		"id": expression.Text, "name": expression.Text, "startedAt": expression.DateTime, "startedBy": expression.Text,
	})
}

func triggerType(name string, data expression.Type) expression.Type {
	return expression.Object(name, map[string]expression.Type{"kind": expression.Word(triggerKinds()...), "at": expression.DateTime, "data": data})
}

func errorType() expression.Type {
	return expression.Object("Error", map[string]expression.Type{
		"step": expression.Text, "failureIndicator": expression.Text, "statusCode": expression.Integer, "message": expression.Text, "resolution": expression.Text,
	})
}

// entryType is that of an entry of a step's errors.
func entryType() expression.Type {
	return expression.Object("Entry", map[string]expression.Type{
		"failureIndicator": expression.Text, "statusCode": expression.Integer, "message": expression.Text, "resolution": expression.Text,
		"responseCode": expression.Text, "cloudAgentIds": expression.List(expression.Integer),
	})
}

// result returns the type of what a step leaves.
func (c *checker) result(n *Node) expression.Type {
	id := n.Step.ID
	fields := map[string]expression.Type{"state": expression.Word(States()...)}
	if n.Step.Approval != nil {
		fields["by"], fields["comment"] = expression.Text, expression.Text
	}
	if n.Step.Uses != "" {
		c.addOutputs(id, n, fields)
		if n.Step.ForEach != nil || n.Step.Join == JoinAnyEach {
			fields["items"] = expression.List(*c.single(n))
		}
	}
	return expression.Object("Step_"+id, fields)
}

// single returns the type of what one execution of a step leaves.
func (c *checker) single(n *Node) *expression.Type {
	fields := map[string]expression.Type{"state": expression.Word(States()...)}
	c.addOutputs(n.Step.ID, n, fields)
	t := expression.Object("One_"+n.Step.ID, fields)
	return &t
}

func (c *checker) addOutputs(id string, n *Node, fields map[string]expression.Type) {
	fields["returnData"] = expression.Word(Successful, PartiallySuccessful, Failed)
	fields["rawData"], fields["contextData"] = expression.Any, expression.Any
	fields["result"] = expression.Object("Table", map[string]expression.Type{
		"columns": expression.List(expression.Text), "rows": expression.List(expression.List(expression.Text)),
	})
	fields["errors"] = expression.List(entryType())
	keys := map[string]expression.Type{}
	for _, name := range n.Command.KeyFields {
		keys[name] = expression.List(expression.Integer)
	}
	fields["keyFields"] = expression.Object("KeyFields_"+id, keys)
	if n.Playbook != "" {
		signature, _ := c.around.Playbook(n.Playbook)
		fields["outputs"] = expression.Object("Outputs_"+id, signature.Outputs)
	}
}
