package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
)

// script is the text of a playbook that calls another one, none for the empty name.
func script(name, description, calls string) string {
	text := "kind: Playbook\nname: " + name + "\ndescription: " + description + "\nsteps:\n  - {id: a, wait: {for: 1s}}\n"
	if calls != "" {
		text += "  - {id: b, uses: playbook/" + calls + "}\n"
	}
	return text
}

// playbookDocument describes a playbook of the site Main.
func playbookDocument(name, text, more string) string {
	return "kind: Playbook\nname: " + name + "\nsite: Main\ntext: |\n  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n" + more
}

func TestPlaybooksAreSavedAndPublishedAsFilesSay(t *testing.T) {
	t.Parallel()
	o := newOffice()
	for _, step := range []struct {
		give string
		did  []string
		live int64
	}{
		{playbookDocument("p", script("p", "one", ""), ""), []string{"create playbook p"}, 0},
		{playbookDocument("p", script("p", "one", ""), "live: true\n"), []string{"publish playbook p"}, 1},
		{playbookDocument("p", script("p", "two", ""), ""), []string{"save playbook p"}, 1},
		{playbookDocument("p", script("p", "two", ""), "live: true\n"), []string{"publish playbook p"}, 2},
		{playbookDocument("p", script("p", "four", ""), "liveText: |\n  "+strings.ReplaceAll(script("p", "three", ""), "\n", "\n  ")), []string{"save playbook p", "publish playbook p", "save playbook p"}, 3},
		{playbookDocument("p", script("p", "four", ""), "live: false\n"), []string{"withdraw playbook p"}, 0},
		{"kind: Playbook\nname: p\nsite: Main\n", []string{}, 0},
	} {
		p, err := o.plan(t, step.give, false)
		if err != nil {
			t.Fatal(err)
		}
		o.did = []string{}
		if _, err := p.Apply(t.Context(), layerOnly{LayerWriter: o}, func(Change) {}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(o.did, step.did) || o.playbooks[0].Live != step.live {
			t.Errorf("did %v, live is %d, want %v and %d, of\n%s", o.did, o.playbooks[0].Live, step.did, step.live, step.give)
		}
		if again, err := o.plan(t, step.give, false); err != nil || !again.Empty() {
			t.Errorf("left to do: %v (%v), of\n%s", lines(again), err, step.give)
		}
	}
}

func TestACalledPlaybookIsMadeBeforeItsCaller(t *testing.T) {
	t.Parallel()
	o := newOffice()
	give := playbookDocument("a", script("a", "x", "b"), "live: true\n") + "---\n" + playbookDocument("c", script("c", "x", ""), "") + "---\n" + playbookDocument("b", script("b", "x", "c"), "live: true\n")
	p, err := o.plan(t, give, false)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, c := range p.Changes {
		order = append(order, c.Name)
	}
	if !slices.Equal(order, []string{"Main/c", "Main/b", "Main/a"}) {
		t.Errorf("they are made in the order %v", order)
	}
	circle := playbookDocument("a", script("a", "x", "b"), "") + "---\n" + playbookDocument("b", script("b", "x", "a"), "")
	if p, err = o.plan(t, circle, false); err != nil || len(p.Changes) != 2 {
		t.Errorf("playbooks that call each other: %v (%v), want both left to the platform", lines(p), err)
	}
}

func TestATextThatIsNoPlaybookIsRefusedWhereItIs(t *testing.T) {
	t.Parallel()
	for give, want := range map[string]string{
		playbookDocument("p", script("q", "x", ""), ""):                                               `f:4:7: text: the playbook is called "q" in its text.`,
		playbookDocument("p", "kind: Playbook\nname: p\nsteps:\n  - {id: a, wait: {for: often}}", ""): `f:4:7: text: line 4, column 25 of the playbook: `,
		"kind: Playbook\nname: p\nsite: Main":                                                         `f:1: text: the key is missing, and the playbook is new.`,
		"kind: Playbook\nname: p\nsite: Nowhere\ntext: x":                                             `f:3:7: site: there is no site "Nowhere", neither on the platform nor in the files.`,
		playbookDocument("p", script("p", "x", ""), "live: false\nliveText: x"):                       `f:11:11: liveText: the playbook is not live.`,
	} {
		_, err := newOffice().plan(t, give, false)
		if f, ok := asFault(err); !ok || f.Code != fault.Invalid || !strings.HasPrefix(f.Message, want) {
			t.Errorf("error %v, want %s, of\n%s", err, want, give)
		}
	}
}

func TestAPlanShowsWhoPublishes(t *testing.T) {
	t.Parallel()
	o := newOffice()
	if _, err := o.CreatePlaybook(t.Context(), 1, script("p", "one", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := o.PublishPlaybook(t.Context(), 2, 1); err != nil {
		t.Fatal(err)
	}
	o.playbooks[0].Publisher = "ana"
	p, err := o.plan(t, playbookDocument("p", script("p", "two", ""), "live: true\n"), true)
	if err != nil {
		t.Fatal(err)
	}
	got := lines(p)
	if len(got) < 2 || got[0] != "change Playbook Main/p 2" || got[len(got)-1] != "  publisher: ana -> mia" {
		t.Errorf("plan %s", cmp.Diff([]string{}, got))
	}
	p, err = o.plan(t, playbookDocument("other", script("other", "x", ""), ""), true)
	if err != nil || !slices.Contains(lines(p), "delete Playbook Main/p 2") {
		t.Errorf("plan %v (%v)", lines(p), err)
	}
}
