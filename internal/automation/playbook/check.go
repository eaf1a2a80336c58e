package playbook

import (
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// Check compares a definition with what there is, and compiles it. Everything
// that is wrong is reported; then there is no program. The error is one of the
// platform itself.
func Check(d *Definition, around Surroundings) (*Program, Problems, error) {
	c := &checker{
		definition: d, around: around, graph: newGraph(d.Steps),
		program: &Program{Definition: d, starts: map[Place][]Assignment{}},
		results: map[string]expression.Type{}, chains: map[string][]string{},
	}
	c.nodes()
	c.triggers()
	for i := range c.program.Nodes {
		c.step(i)
	}
	c.outputs()
	if c.err != nil {
		return nil, nil, c.err
	}
	if problems := inOrder(c.found, len(d.lines)); problems != nil {
		return nil, problems, nil
	}
	return c.program, nil, nil
}

// checker checks one definition.
type checker struct {
	definition *Definition
	around     Surroundings
	graph      *graph
	program    *Program
	results    map[string]expression.Type // of steps, by id
	chains     map[string][]string        // the longest chain of calls of a playbook
	compiled   int                        // expressions
	found      []Problem
	err        error // of the platform itself
}

func (c *checker) report(at Place, hint, format string, args ...any) {
	c.found = append(c.found, Problem{at, fmt.Sprintf(format, args...), hint})
}

// nodes makes the nodes: what they follow, what their loops go through, and what
// they run.
func (c *checker) nodes() {
	d := c.definition
	for i := range d.Steps {
		c.program.Nodes = append(c.program.Nodes, Node{Step: &d.Steps[i], Needs: c.graph.needs[i], Looks: map[int]bool{}})
	}
	for i := range d.Handlers {
		c.program.Nodes = append(c.program.Nodes, Node{Step: &d.Handlers[i], Handler: true, Looks: map[int]bool{}})
	}
	nodes := c.program.Nodes
	for i := range d.Steps {
		if loop := d.Steps[i].Loop; loop != nil {
			nodes[i].Loop = c.graph.body(c.graph.index[loop.Goto], i)
			for _, n := range nodes[i].Loop {
				nodes[n].Loops = append(nodes[n].Loops, i)
			}
		}
	}
	for i := range nodes {
		slices.SortFunc(nodes[i].Loops, func(a, b int) int { return len(nodes[a].Loop) - len(nodes[b].Loop) })
		c.uses(&nodes[i])
		c.results[nodes[i].Step.ID] = c.result(&nodes[i])
	}
}

// uses finds what a step runs.
func (c *checker) uses(n *Node) {
	s := n.Step
	if s.Uses == "" {
		return
	}
	if name, ok := strings.CutPrefix(s.Uses, PlaybookPrefix); ok {
		n.Playbook = name
		n.Command = Command{Repeats: true, Local: true} // a run of a key is made once
		called, known := c.around.Playbook(name)
		switch {
		case name == c.definition.Name:
			c.report(s.uses, "Use loop: to repeat steps.", "the playbook would call itself")
		case !known:
			c.report(s.uses, c.near(name, c.around.PlaybookNames()), "there is no live playbook %s", quoted(name))
		default:
			n.known = true
			c.nesting(s, name)
			for _, in := range called.Inputs {
				n.Command.Inputs = append(n.Command.Inputs, CommandInput{Name: in.Name, Type: in.Type, Required: in.Required, Check: func(v any) error {
					_, err := in.Take(v)
					return err
				}})
			}
		}
		return
	}
	if n.Command, n.known = CoreCommand(s.Uses); !n.known {
		n.Command, n.known = c.around.Command(s.Uses)
	}
	if !n.known {
		c.report(s.uses, c.near(s.Uses, slices.Concat(c.around.CommandNames(), CoreCommandNames())), "there is no command %s", quoted(s.Uses))
	}
}

// near is the hint that names what was probably meant, or what there is.
func (c *checker) near(given string, names []string) string {
	if near := expression.Nearest(given, names); near != "" {
		return "Did you mean " + near + "?"
	}
	if len(names) == 0 {
		return "There are none."
	}
	slices.Sort(names)
	return "There are " + strings.Join(names[:min(len(names), 20)], ", ") + "."
}

// nesting reports playbooks that call each other in a circle, or too deep.
func (c *checker) nesting(s *Step, name string) {
	longest, circle := c.calls(name, []string{c.definition.Name})
	switch chain := append([]string{c.definition.Name}, longest...); {
	case circle != nil:
		c.report(s.uses, "", "the playbooks call each other in a circle: %s", strings.Join(circle, " → "))
	case len(chain) > MaxDepth:
		c.report(s.uses, "", "playbooks call each other %d deep; there may be %d: %s", len(chain), MaxDepth, strings.Join(chain, " → "))
	}
}

// calls returns the longest chain of calls that begins with a playbook, and a
// circle that it is part of. Each playbook is followed once.
func (c *checker) calls(name string, chain []string) (longest, circle []string) {
	if at := slices.Index(chain, name); at >= 0 {
		return nil, append(slices.Clone(chain), name)
	}
	if known, ok := c.chains[name]; ok {
		return known, nil
	}
	longest = []string{name}
	if len(chain) > 2*MaxDepth {
		return longest, nil // deep enough to be refused
	}
	called, _ := c.around.Playbook(name)
	chain = append(slices.Clone(chain), name)
	for _, next := range called.Calls {
		below, circle := c.calls(next, chain)
		if circle != nil {
			return nil, circle
		}
		if len(below) >= len(longest) {
			longest = append([]string{name}, below...)
		}
	}
	c.chains[name] = longest
	return longest, nil
}

// triggers checks what starts the playbook.
func (c *checker) triggers() {
	t := c.definition.Triggers
	for _, s := range t.Schedules {
		c.start(s.Place, s.With, TriggerSchedule, expression.Any)
	}
	for _, w := range t.Webhooks {
		c.start(w.Place, w.With, TriggerWebhook, expression.Any)
	}
	for _, e := range t.Events {
		c.start(e.Place, e.With, string(e.Kind), e.Kind.Data())
	}
}

// start checks the inputs that a trigger gives.
func (c *checker) start(at Place, with []Argument, kind string, data expression.Type) {
	scope := c.scope(map[string]expression.Type{"trigger": triggerType("Trigger_"+kind, data)}, map[string]string{
		"inputs": "the inputs are what is made here", "steps": "no step has run before the playbook starts", "run": "the run does not exist before the playbook starts",
	})
	inputs := make([]CommandInput, len(c.definition.Inputs))
	for i, in := range c.definition.Inputs {
		inputs[i] = CommandInput{Name: in.Name, Type: in.Type, Required: in.Required, Check: func(v any) error {
			_, err := in.Take(v)
			return err
		}}
	}
	c.program.starts[at] = c.arguments(scope, at, with, inputs, "the playbook")
}

// outputs compiles the outputs of the playbook.
func (c *checker) outputs() {
	scope := c.stepScope(stepScope{all: true})
	for _, a := range c.definition.Outputs {
		c.program.Outputs = append(c.program.Outputs, Assignment{a.Name, c.compile(scope, a.Value)})
	}
}
