package playbook

import (
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// step checks and compiles a step.
func (c *checker) step(i int) {
	n := &c.program.Nodes[i]
	s := n.Step
	base := stepScope{step: i, handler: n.Handler, led: c.led(s.ID)}
	plain := c.stepScope(base)
	each := base
	switch {
	case s.ForEach != nil:
		n.Each = c.compile(plain, s.ForEach.In)
		if t := n.Each.Type(); !t.IsList() {
			c.report(s.ForEach.In.Place, "", "forEach takes a list, and this is a value of the type %s", t)
		}
		each.item = new(n.Each.Type().Elem())
	case s.Join == JoinAnyEach:
		each.item = new(expression.Text)
	}
	n.If = c.condition(plain, s.If)
	if s.Until != nil {
		answered := each
		answered.self = c.single(n)
		n.Until = c.condition(c.stepScope(answered), s.Until)
	}
	if s.Loop != nil {
		looped := base
		looped.self = new(c.results[s.ID])
		n.While = c.condition(c.stepScope(looped), &s.Loop.While)
	}
	if s.Approval != nil {
		n.Message = c.typed(plain, s.Approval.Message, expression.Text)
		for _, to := range s.Approval.To {
			n.To = append(n.To, c.typed(plain, to, expression.Text))
		}
	}
	if s.Wait != nil && s.Wait.For.Given() {
		n.For = c.compile(plain, s.Wait.For)
		if t := n.For.Type(); !t.Fits(expression.Duration) && !t.Fits(expression.DateTime) {
			c.report(s.Wait.For.Place, `Write duration("24h") for a text.`, "wait.for takes a duration or a datetime, and this is a value of the type %s", t)
		}
	}
	if s.Uses != "" {
		c.command(n, c.stepScope(each))
	}
	n.If.References(func(r expression.Reference) {
		if at, ok := c.graph.index[r.Name]; ok && r.Variable == "steps" && (r.Field == "state" || r.Field == "") {
			n.Looks[at] = true
		}
	})
}

// command checks what a step runs, and what has a meaning for some commands
// only.
func (c *checker) command(n *Node, scope *expression.Scope) {
	s := n.Step
	n.Connection = c.typed(scope, s.Connection, expression.Text)
	if !n.known {
		for _, a := range s.With {
			c.compile(scope, a.Value)
		}
		return
	}
	n.With = c.arguments(scope, s.Place, s.With, n.Command.Inputs, s.Uses)
	switch {
	case s.Until != nil && !n.Command.ReadOnly:
		c.report(s.Until.Place, "Put the until on a step that reads how far it is.", "%s would be carried out again before each look, because it does not only read", s.Uses)
	case s.Wait != nil && s.Until == nil && !s.Wait.For.Given() && !n.Command.Waits:
		c.report(s.Wait.Place, "Add until: ${{ … }}.", "%s has nothing to wait for by itself", s.Uses)
	}
	if !n.Command.Local && !s.Connection.Given() {
		c.report(s.uses, "Add connection: NAME here or below defaults.", "%s needs a connection", s.Uses)
	}
}

// led returns the steps whose branch leads to a step.
func (c *checker) led(id string) bool {
	return slices.ContainsFunc(c.definition.Steps, func(s Step) bool {
		return s.OnError.Branch == id || s.OnPartial.Branch == id
	})
}

// arguments checks and compiles what a command, or a playbook, is given.
func (c *checker) arguments(scope *expression.Scope, at Place, with []Argument, inputs []CommandInput, who string) []Assignment {
	names := make([]string, len(inputs))
	for i, in := range inputs {
		names[i] = in.Name
	}
	given := map[string]bool{}
	var list []Assignment
	for _, a := range with {
		given[a.Name] = true
		i := slices.Index(names, a.Name)
		if i < 0 {
			hint := "It has no inputs."
			if len(names) > 0 {
				hint = "Inputs are " + strings.Join(names, ", ") + "."
			}
			if near := expression.Nearest(a.Name, names); near != "" {
				hint = "Did you mean " + near + "?"
			}
			c.report(a.Place, hint, "%s has no input %s", who, quoted(a.Name))
			continue
		}
		list = append(list, Assignment{a.Name, c.argument(scope, a, inputs[i])})
	}
	for _, in := range inputs {
		if in.Required && !given[in.Name] {
			c.report(at, "Add it below with.", "%s needs the input %s, of the type %s", who, in.Name, in.Type)
		}
	}
	return list
}

// argument checks and compiles one.
func (c *checker) argument(scope *expression.Scope, a Argument, in CommandInput) Expression {
	e := c.compile(scope, a.Value)
	wanted := in.Type.Expression()
	if constant, ok := a.Value.Constant(); ok {
		check := in.Check
		if check == nil {
			check = func(v any) error { _, err := wanted.Take(v); return err }
		}
		if err := check(constant); err != nil {
			c.report(a.Value.Place, "", "%v", err)
		}
		return e
	}
	if t := e.Type(); !t.Fits(wanted) {
		c.report(a.Value.Place, "", "the value is of the type %s, and %s takes %s", t, a.Name, in.Type)
		return e
	}
	for _, item := range e.items {
		if t := item.Type(); !t.Fits(wanted.Elem()) {
			c.report(item.value.Place, "", "the item is of the type %s, and %s takes %s", t, a.Name, in.Type)
		}
	}
	return e
}

// condition compiles a value that must be true or false.
func (c *checker) condition(scope *expression.Scope, v *Value) Expression {
	if v == nil {
		return Expression{}
	}
	return c.typed(scope, *v, expression.Boolean)
}

// typed compiles a value of a type.
func (c *checker) typed(scope *expression.Scope, v Value, wanted expression.Type) Expression {
	if !v.Given() {
		return Expression{}
	}
	e := c.compile(scope, v)
	if t := e.Type(); !t.Fits(wanted) {
		c.report(v.Place, "", "the value is of the type %s, and %s is expected", t, wanted)
	}
	return e
}

// compile compiles a value.
func (c *checker) compile(scope *expression.Scope, v Value) Expression {
	e := Expression{value: v, constant: v.constant}
	switch {
	case scope == nil: // an error of the platform is on its way
	case v.text != "" && c.compiled > maxExpressions: // which was reported
	case v.text != "":
		e.constant = nil
		if c.compiled += strings.Count(v.text, expression.Open); c.compiled > maxExpressions {
			c.report(v.Place, "Move steps into playbooks of their own.", "there are more than %d expressions", maxExpressions)
			break
		}
		template, issues := scope.Template(v.text)
		for _, i := range issues {
			at := v.Place
			if i.Expression >= 0 {
				at = within(c.definition.lines, v, locate(c.definition.lines, v, i.Expression), i.Line, i.Column)
			}
			c.report(at, i.Hint, "%s", i.Message)
		}
		if template == nil {
			break
		}
		e.template = template
		for nth := range template.Expressions() {
			e.places = append(e.places, locate(c.definition.lines, v, nth))
		}
	case v.items != nil:
		e.items = []Expression{}
		for _, item := range v.items {
			e.items = append(e.items, c.compile(scope, item))
		}
	case v.members != nil:
		e.members = []Assignment{}
		for _, m := range v.members {
			e.members = append(e.members, Assignment{m.Name, c.compile(scope, m.Value)})
		}
	}
	return e
}
