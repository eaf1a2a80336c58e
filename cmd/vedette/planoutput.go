package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/plan"
)

// How the actions are shown.
var (
	actionSigns  = map[plan.Action]string{plan.ActionCreate: "+", plan.ActionChange: "~", plan.ActionDelete: "-"}
	actionColors = map[plan.Action]string{plan.ActionCreate: "\x1b[32m", plan.ActionChange: "\x1b[33m", plan.ActionDelete: "\x1b[31m"}
	doneWords    = map[plan.Action]string{plan.ActionCreate: "created", plan.ActionChange: "changed", plan.ActionDelete: "deleted"}
)

const colorEnd = "\x1b[0m"

// writePlan writes a plan: for people as a list of changes with a last line, and
// in the other formats for programs.
func (a *app) writePlan(format outputFormat, p *plan.Plan, last string) error {
	switch format {
	case formatJSON:
		return writeJSON(a.stdout, p)
	case formatXML, formatCSV:
		return writeRows(a.stdout, format, "plan", "change", planTable(p.Changes))
	}
	var b strings.Builder
	colored := a.colored()
	for _, c := range p.Changes {
		line := actionSigns[c.Action] + " " + changeTitle(c)
		if colored {
			line = actionColors[c.Action] + line + colorEnd
		}
		b.WriteString(line + "\n")
		for _, property := range c.Properties {
			b.WriteString("    " + printable(propertyText(property)) + "\n")
		}
	}
	if len(p.Changes) > 0 {
		b.WriteString("\n")
	}
	for _, k := range p.Kept {
		fmt.Fprintf(&b, "Kept: %s %s (id %d), %s.\n", k.Kind, printable(k.Name), k.ID, printable(k.Reason))
	}
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "Note: %s\n", printable(note))
	}
	b.WriteString(last + "\n")
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func planSummary(p *plan.Plan) string {
	if p.Empty() {
		return "Nothing to change."
	}
	return fmt.Sprintf("Plan: %d to create, %d to change, %d to delete.", p.Summary.Create, p.Summary.Change, p.Summary.Delete)
}

// changeTitle names the object of a change.
func changeTitle(c plan.Change) string {
	title := strings.TrimSpace(string(c.Kind) + " " + printable(c.Name))
	if c.ID != 0 {
		title += fmt.Sprintf(" (id %d)", c.ID)
	}
	return title
}

// propertyText is a property as "name: old -> new", without what is not there.
func propertyText(p plan.Property) string {
	switch {
	case p.New == nil:
		return p.Name + ": " + valueText(p.Old)
	case p.Old == nil || valueText(p.Old) == `""`:
		return p.Name + ": " + valueText(p.New)
	}
	return p.Name + ": " + valueText(p.Old) + " -> " + valueText(p.New)
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if v == "" || v != strings.TrimSpace(v) || strings.ContainsAny(v, "\n\r\t") {
			return strconv.Quote(v)
		}
		return v
	case []string:
		return "[" + strings.Join(v, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// planTable has a row for each property, and one for a change without any.
func planTable(changes []plan.Change) automation.Table {
	t := automation.Table{Columns: []string{"ACTION", "KIND", "NAME", "ID", "PROPERTY", "OLD", "NEW"}}
	for _, c := range changes {
		id := ""
		if c.ID != 0 {
			id = strconv.FormatInt(c.ID, 10)
		}
		row := func(p plan.Property) {
			t.Rows = append(t.Rows, []string{string(c.Action), string(c.Kind), c.Name, id, p.Name, valueText(p.Old), valueText(p.New)})
		}
		for _, p := range c.Properties {
			row(p)
		}
		if len(c.Properties) == 0 {
			row(plan.Property{})
		}
	}
	return t
}

// appliedDocument is what an apply did, for programs.
type appliedDocument struct {
	State automation.State `json:"returnData"`
	*plan.Plan
	plan.Progress
	Errors []automation.Error `json:"errors,omitempty"`
}

func (a *app) writeApplied(format outputFormat, made *plan.Plan, progress plan.Progress, outcome automation.Outcome) error {
	switch format {
	case formatJSON:
		return writeJSON(a.stdout, appliedDocument{outcome.State, made, progress, outcome.Errors})
	case formatXML, formatCSV:
		return writeRows(a.stdout, format, "applied", "change", planTable(progress.Done))
	}
	for _, c := range progress.Pending {
		fmt.Fprintf(a.stdout, "%s: not %s.\n", changeTitle(c), doneWords[c.Action])
	}
	if !made.Empty() {
		fmt.Fprintf(a.stdout, "Applied: %d of %d changes.\n", len(progress.Done), len(made.Changes))
	}
	return nil
}

// writeExported says what was written.
func (a *app) writeExported(format outputFormat, folder string, d *plan.Described) error {
	t := automation.Table{Columns: []string{"FILE", "KIND", "DOCUMENTS"}}
	for _, f := range d.Files {
		t.Rows = append(t.Rows, []string{f.Name, string(f.Kind), strconv.Itoa(f.Count)})
	}
	a.writeLeftOut(d)
	if format == formatJSON {
		return writeJSON(a.stdout, map[string]any{"folder": folder, "files": d.Files, "leftOut": d.KeptOut})
	}
	return writeRows(a.stdout, format, "files", "file", t)
}

// writeLeftOut says what is in no file, and why.
func (a *app) writeLeftOut(d *plan.Described) {
	for _, k := range d.KeptOut {
		what := fmt.Sprintf("%s %s (id %d)", k.Kind, printable(k.Name), k.ID)
		if k.ID == 0 { // all of a kind
			what = string(k.Kind)
		}
		fmt.Fprintf(a.stderr, "Left out: %s, %s.\n", what, printable(k.Reason))
	}
}

// colored reports whether the output is a terminal that takes colours.
func (a *app) colored() bool { return a.colors(a.stdout) }

// colors reports whether what is written to w is seen on a terminal that takes
// colours.
func (a *app) colors(w io.Writer) bool {
	out, ok := w.(*os.File)
	return ok && term.IsTerminal(int(out.Fd())) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// terminalInput is where a person can answer, nil where there is none.
func (a *app) terminalInput() io.Reader {
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return in
}

// confirm asks, and reports whether the answer is yes.
func (a *app) confirm(ctx context.Context, in io.Reader, question string) (bool, error) {
	fmt.Fprint(a.stderr, question)
	answer := make(chan string, 1)
	go func() { // nothing interrupts a read of a terminal but the end of the process
		line, _ := bufio.NewReader(io.LimitReader(in, 1024)).ReadString('\n')
		answer <- line
	}()
	select {
	case line := <-answer:
		return strings.TrimSpace(line) == "yes", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
