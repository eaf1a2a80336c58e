package playbook

import (
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// wire finds out which step follows which, and reports what cannot be.
func (d *Definition) wire(r *reader) {
	if !d.uniqueIDs(r) {
		return
	}
	before := len(r.found)
	d.resolveNeeds(r)
	if len(r.found) > before {
		return
	}
	g := newGraph(d.Steps)
	if cycle := g.cycle(); cycle != nil {
		names := make([]string, len(cycle))
		for i, n := range cycle {
			names[i] = d.Steps[n].ID
		}
		first := d.Steps[cycle[0]]
		r.report(first.Place, "Go back with loop: {goto: …, while: …, max: …} only.", "the steps wait for each other: %s", strings.Join(names, " → "))
		return
	}
	d.checkLoops(r, g)
}

// uniqueIDs reports steps that share an id.
func (d *Definition) uniqueIDs(r *reader) bool {
	good := true
	seen := map[string]Place{}
	for _, s := range slices.Concat(d.Steps, d.Handlers) {
		if first, ok := seen[s.ID]; ok {
			r.report(s.Place, "Rename one of them.", "the id %s is taken by %s in line %d", quoted(s.ID), first.Path, first.Line)
			good = false
		}
		seen[s.ID] = s.Place
	}
	return good
}

// resolveNeeds fills Step.Needs: what the text says, or the step above, or for a
// step that a branch leads to those that lead there.
func (d *Definition) resolveNeeds(r *reader) {
	led := map[string][]string{}
	for i := range d.Steps {
		s := &d.Steps[i]
		for _, reaction := range []Reaction{s.OnPartial, s.OnError} {
			if reaction.Act != Branch {
				continue
			}
			if d.known(r, reference{reaction.Place, reaction.Branch}, s.ID) && !slices.Contains(led[reaction.Branch], s.ID) {
				led[reaction.Branch] = append(led[reaction.Branch], s.ID)
			}
		}
	}
	for i := range d.Steps {
		s := &d.Steps[i]
		if s.Loop != nil {
			d.known(r, s.Loop.target, "")
		}
		switch from := led[s.ID]; {
		case from != nil && (s.needsGiven || s.Join != JoinAll):
			r.report(s.Place, "Leave out needs and join.", "step %s is where the branch of %s leads, and runs only then", s.ID, strings.Join(from, ", "))
		case from != nil:
			s.Needs, s.Join = from, JoinAnyOnce
		case s.needsGiven:
			for _, n := range s.needs {
				switch {
				case !d.known(r, n, s.ID):
				case slices.Contains(s.Needs, n.id):
					r.report(n.Place, "Name it once.", "step %s is needed twice", n.id)
				default:
					s.Needs = append(s.Needs, n.id)
				}
			}
		case i > 0:
			s.Needs = []string{d.Steps[i-1].ID}
		}
	}
}

// known reports a reference to a step that there is not, or to the step self.
func (d *Definition) known(r *reader, ref reference, self string) bool {
	ids := make([]string, len(d.Steps))
	for i := range d.Steps {
		ids[i] = d.Steps[i].ID
	}
	switch {
	case ref.id == self:
		r.report(ref.Place, "", "a step cannot follow itself")
	case !slices.Contains(ids, ref.id):
		hint := "Steps are " + strings.Join(ids[:min(len(ids), 20)], ", ") + "."
		if near := expression.Nearest(ref.id, ids); near != "" {
			hint = "Did you mean " + near + "?"
		}
		r.report(ref.Place, hint, "there is no step %s", quoted(ref.id))
	default:
		return true
	}
	return false
}

// checkLoops reports loops that lead nowhere or cross each other.
func (d *Definition) checkLoops(r *reader, g *graph) {
	type ring struct {
		step int
		body []int
	}
	var rings []ring
	for i := range d.Steps {
		s := &d.Steps[i]
		if s.Loop == nil {
			continue
		}
		target := g.index[s.Loop.Goto]
		if target != i && !g.before[i][target] {
			r.report(s.Loop.target.Place, "Name a step that this one needs, directly or by way of others, or this step itself.", "step %s does not come before step %s", s.Loop.Goto, s.ID)
			continue
		}
		rings = append(rings, ring{i, g.body(target, i)})
	}
	for i, a := range rings {
		for _, b := range rings[i+1:] {
			common := 0
			for _, n := range a.body {
				if slices.Contains(b.body, n) {
					common++
				}
			}
			if common > 0 && common < min(len(a.body), len(b.body)) {
				r.report(d.Steps[b.step].Loop.Place, "Let one contain the other, or neither.", "the loops of %s and %s cross each other", d.Steps[a.step].ID, d.Steps[b.step].ID)
			}
		}
	}
}

// graph is which step follows which.
type graph struct {
	index  map[string]int
	needs  [][]int
	order  []int          // every step after what it needs
	before []map[int]bool // what comes before a step, directly or not
}

// newGraph makes the graph of steps whose needs are known.
func newGraph(steps []Step) *graph {
	g := &graph{index: map[string]int{}, needs: make([][]int, len(steps)), before: make([]map[int]bool, len(steps))}
	for i := range steps {
		g.index[steps[i].ID] = i
	}
	for i := range steps {
		for _, id := range steps[i].Needs {
			g.needs[i] = append(g.needs[i], g.index[id])
		}
	}
	for len(g.order) < len(steps) {
		ready := len(g.order)
		for i := range steps {
			if g.before[i] == nil && !slices.ContainsFunc(g.needs[i], func(n int) bool { return g.before[n] == nil }) {
				g.before[i] = map[int]bool{}
				for _, n := range g.needs[i] {
					g.before[i][n] = true
					for earlier := range g.before[n] {
						g.before[i][earlier] = true
					}
				}
				g.order = append(g.order, i)
			}
		}
		if len(g.order) == ready {
			break // what is left is in a cycle, or follows one
		}
	}
	return g
}

// cycle returns steps that wait for each other in a circle, or nil.
func (g *graph) cycle() []int {
	start := slices.IndexFunc(g.before, func(b map[int]bool) bool { return b == nil })
	if start < 0 {
		return nil
	}
	// Every step that has no order needs another one that has none: follow them
	// until one comes again.
	var path []int
	for at := start; ; {
		if first := slices.Index(path, at); first >= 0 {
			return append(path[first:], at)
		}
		path = append(path, at)
		for _, n := range g.needs[at] {
			if g.before[n] == nil {
				at = n
				break
			}
		}
	}
}

// body returns the steps of a loop that leads from the step last to the step
// first: these two and all between.
func (g *graph) body(first, last int) []int {
	var body []int
	for _, n := range g.order {
		if (n == first || g.before[n][first]) && (n == last || g.before[last][n]) {
			body = append(body, n)
		}
	}
	return body
}
