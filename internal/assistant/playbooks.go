package assistant

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

const argPlaybook = "playbook"

// partText is the part of a playbook that is its text.
const partText = "text"

// playbookSummary is a playbook in a list.
type playbookSummary struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Site        string `json:"site"`
	Description string `json:"description,omitempty"`
	Live        int64  `json:"live,omitempty"` // the version that is started; none of one that nothing starts
	Latest      int64  `json:"latest"`
	Publisher   string `json:"publisher,omitempty"`
}

// playbookDetails are what is to be known of a version before it is started.
type playbookDetails struct {
	playbookSummary
	Version  int64                     `json:"version"`
	Inputs   []qpsclient.PlaybookInput `json:"inputs,omitempty"`
	Triggers []string                  `json:"triggers,omitempty"`
	Steps    []playbookStepSummary     `json:"steps,omitempty"`
	Handlers []playbookStepSummary     `json:"onError,omitempty"` // that run when a step stopped the run
	Text     []string                  `json:"text,omitempty"`    // lines
}

// playbookStepSummary is what a step is for.
type playbookStepSummary struct {
	ID    string   `json:"id"`
	Name  string   `json:"name,omitempty"`
	Uses  string   `json:"uses,omitempty"` // a command or playbook
	Asks  bool     `json:"asksPeople,omitempty"`
	Each  bool     `json:"forEach,omitempty"`
	Needs []string `json:"needs,omitempty"`
}

// playbooksTool lists playbooks.
func (s *Server) playbooksTool() tool {
	schema := object(
		text("site", "Only playbooks of this site, by ID or name."),
		number("offset", "How many to leave out at the beginning.", 0, 0),
		number("limit", fmt.Sprintf("How many to list. %d where it is left out.", defaultRows), 1, maxRows),
	)
	return reader("automation_playbooks", "List Playbooks", "Lists playbooks: procedures of several steps that run commands. Only those with a live version can be started. automation_playbook shows one.", schema,
		func(ctx context.Context, given call) (builder, error) {
			site, offset := given.text("site"), int(given.whole("offset", 0, 0, maxOffset))
			if given.mistake != nil {
				return nil, given.mistake
			}
			list, err := s.options.Platform.Playbooks(ctx, site)
			if err != nil {
				return nil, err
			}
			return func(limit int) *Answer {
				a := &Answer{text: fmt.Sprintf("%d playbooks.", len(list)), Untrusted: &Untrusted{}}
				for _, p := range shownOf(a, "playbooks", list, offset, limit) {
					a.Untrusted.Playbooks = append(a.Untrusted.Playbooks, playbookSummaryOf(p))
				}
				a.sayMore("automation_playbooks", "playbooks", offset+limit)
				return a
			}, nil
		})
}

func playbookSummaryOf(p qpsclient.Playbook) playbookSummary {
	return playbookSummary{ID: p.ID, Name: p.Name, Site: p.Site.Name, Description: p.Description, Live: p.Live, Latest: p.Latest, Publisher: p.Publisher}
}

// playbookTool shows one playbook.
func (s *Server) playbookTool() tool {
	schema := object(
		needed(text(argPlaybook, "The playbook: its ID, its name, or SITE/NAME. automation_playbooks lists them.")),
		word("part", "What to show: a summary of its inputs, triggers and steps, or the text, line by line. The summary where it is left out.", "summary", partText),
		number("offset", "How many steps or lines to leave out at the beginning.", 0, 0),
		number("limit", fmt.Sprintf("How many steps or lines to show. %d where it is left out.", defaultRows), 1, maxRows),
	)
	return reader("automation_playbook", "Show Playbook", "Shows the live version of a playbook, or the newest where none is live: which inputs it takes, what starts it by itself, and what its steps do.", schema, s.showPlaybook)
}

func (s *Server) showPlaybook(ctx context.Context, given call) (builder, error) {
	name, part, offset := given.text(argPlaybook), given.word("part", "summary", partText), int(given.whole("offset", 0, 0, maxOffset))
	if given.mistake != nil {
		return nil, given.mistake
	}
	p, err := s.findPlaybook(ctx, name)
	if err != nil {
		return nil, err
	}
	v, err := s.options.Platform.PlaybookVersion(ctx, p.ID, p.Live) // of 0 the newest
	if err != nil {
		return nil, err
	}
	return shownPlaybook(p, v, part, offset), nil
}

// shownPlaybook returns what builds the answer about a version. The text of a platform
// that knows more of the notation is shown as it is.
func shownPlaybook(p qpsclient.Playbook, v qpsclient.PlaybookVersion, part string, offset int) builder {
	lines := strings.Split(strings.TrimRight(v.Text, "\n"), "\n")
	definition, problems := playbook.Parse([]byte(v.Text))
	asText := part == partText || len(problems) > 0
	return func(limit int) *Answer {
		a := &Answer{text: fmt.Sprintf("Version %d of playbook %d.", v.Number, p.ID)}
		if p.Live == 0 {
			a.text += " It is not live: nothing starts it."
		}
		shown, member := playbookDetails{playbookSummary: playbookSummaryOf(p), Version: v.Number}, "steps"
		if asText {
			member = partText
			shown.Text = shownOf(a, member, lines, offset, limit)
		} else {
			shown.Inputs = shownOf(a, "inputs", v.Inputs, 0, limit)
			shown.Triggers = shownOf(a, "triggers", triggerTexts(definition), 0, limit)
			shown.Steps = shownOf(a, member, stepSummaries(definition.Steps), offset, limit)
			shown.Handlers = shownOf(a, "onError", stepSummaries(definition.Handlers), 0, limit)
		}
		if a.LeftOut[member] > 0 {
			a.Next = fmt.Sprintf("automation_playbook with the same part and offset %d goes on.", offset+limit)
		}
		a.Untrusted = &Untrusted{Playbook: &shown}
		return a
	}
}

func stepSummaries(steps []playbook.Step) []playbookStepSummary {
	all := make([]playbookStepSummary, len(steps))
	for i := range steps {
		step := &steps[i]
		all[i] = playbookStepSummary{ID: step.ID, Name: step.Name, Uses: step.Uses, Asks: step.Approval != nil, Each: step.ForEach != nil, Needs: step.Needs}
	}
	return all
}

// triggerTexts say what starts a playbook.
func triggerTexts(d *playbook.Definition) []string {
	var texts []string
	if d.Triggers.Manual {
		texts = append(texts, "people and the API")
	}
	for i := range d.Triggers.Schedules {
		texts = append(texts, "schedule: "+d.Triggers.Schedules[i].Spec.Describe())
	}
	for range d.Triggers.Webhooks {
		texts = append(texts, "a signed webhook")
	}
	for i := range d.Triggers.Events {
		texts = append(texts, "event: "+string(d.Triggers.Events[i].Kind))
	}
	return texts
}

// findPlaybook returns the playbook that a text names: by its ID, its name, or its site
// and its name with a slash in between.
func (s *Server) findPlaybook(ctx context.Context, text string) (qpsclient.Playbook, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return s.options.Platform.Playbook(ctx, id)
	}
	list, err := s.options.Platform.Playbooks(ctx, "")
	if err != nil {
		return qpsclient.Playbook{}, err
	}
	list = slices.DeleteFunc(list, func(p qpsclient.Playbook) bool { return !isPlaybook(p, text) })
	switch len(list) {
	case 0:
		return qpsclient.Playbook{}, fault.New(fault.NotFound, fmt.Sprintf("There is no playbook '%s'.", automation.Echo(text)), "automation_playbooks lists the playbooks there are.")
	case 1:
		return list[0], nil
	}
	return qpsclient.Playbook{}, fault.New(fault.Conflict, fmt.Sprintf("There are %d playbooks '%s'.", len(list), automation.Echo(text)), "Use the ID, or SITE/NAME: automation_playbooks lists them.")
}

// isPlaybook reports whether a text is the name of a playbook, with or without its site.
func isPlaybook(p qpsclient.Playbook, text string) bool {
	return p.Name == text || p.Site.Name+"/"+p.Name == text
}
