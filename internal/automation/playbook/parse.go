package playbook

import (
	"regexp"
	"slices"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// The forms of names.
var (
	playbookName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	stepID       = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	inputName    = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,63}$`)
	commandName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}/[a-z][a-z0-9-]{0,63}$`)
	assignee     = regexp.MustCompile(`^(user|group|role):\S(.{0,126}\S)?$`)
	secretName   = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)
)

// secretNameForm is what a name of a secret is made of, for people.
const secretNameForm = "letters, digits, dots, hyphens and underscores, 64 at most"

// CheckSecretName refuses what a playbook cannot name a secret: fault.Invalid.
func CheckSecretName(name string) error {
	if secretName.MatchString(name) {
		return nil
	}
	return fault.New(fault.Invalid, "name: it is no name of a secret.", "Use "+secretNameForm+", beginning with a letter or a digit.")
}

// APIVersion is what apiVersion says in texts of this notation.
const APIVersion = "soar/v1"

// Parse reads the text of one playbook. Everything that is wrong with the text
// by itself is reported; then there is no definition.
func Parse(content []byte) (*Definition, Problems) {
	r := &reader{}
	root, ok := r.load(content)
	if !ok {
		return nil, inOrder(r.found, len(r.lines))
	}
	d := &Definition{Source: string(content), lines: r.lines}
	d.read(root)
	if len(r.found) == 0 {
		d.wire(r)
	}
	if len(r.found) > 0 {
		return nil, inOrder(r.found, len(r.lines))
	}
	return d, nil
}

func (d *Definition) read(root value) {
	keys := []string{"apiVersion", "kind", "name", "description", "inputs", "on", "triggers", "defaults", "steps", "onError", "outputs"}
	o := root.object(keys...)
	if o == nil {
		return
	}
	if v, ok := o["apiVersion"]; ok {
		v.word(APIVersion)
	}
	if v, ok := o["kind"]; ok {
		v.word("Playbook")
	} else {
		root.report("Begin with kind: Playbook.", "the key kind is missing")
	}
	if v, ok := o["name"]; ok {
		d.Name = v.matching(playbookName, "name of a playbook: small letters, digits and hyphens, a letter first, 64 at most")
	} else {
		root.report("Add name: NAME, of small letters, digits and hyphens.", "the key name is missing")
	}
	if v, ok := o["description"]; ok {
		d.Description = v.text(2000)
	}
	if v, ok := o["inputs"]; ok {
		d.readInputs(v)
	}
	d.readTriggers(o)
	defaults := Step{Timeout: DefaultTimeout}
	if v, ok := o["defaults"]; ok {
		defaults.readDefaults(v)
	}
	if v, ok := o["steps"]; ok {
		d.readSteps(v, defaults)
	} else {
		root.report("Add steps: with at least one step.", "the key steps is missing")
	}
	if v, ok := o["onError"]; ok {
		d.readHandlers(v, defaults)
	}
	if n := len(d.Steps) + len(d.Handlers); n > MaxSteps {
		o["steps"].report("Move steps into playbooks of their own, and call them with uses: playbook/NAME.", "there are %d steps; there may be %d", n, MaxSteps)
	}
	if v, ok := o["outputs"]; ok {
		d.Outputs = v.arguments()
		d.checkNames(v, d.Outputs)
	}
}

// checkNames reports outputs that no expression could name.
func (d *Definition) checkNames(v value, list []Argument) {
	for _, a := range list {
		if !inputName.MatchString(a.Name) {
			v.r.report(a.Place, "", "%s is no name: letters, digits and underscores, a small letter first, 64 at most", quoted(a.Name))
		}
	}
}

func (d *Definition) readInputs(v value) {
	members := v.members()
	if len(members) > maxInputs {
		v.report("", "there are %d inputs; there may be %d", len(members), maxInputs)
		return
	}
	for _, m := range members {
		if !inputName.MatchString(m.key) {
			v.r.report(m.at, "", "%s is no name of an input: letters, digits and underscores, a small letter first, 64 at most", quoted(m.key))
			continue
		}
		d.Inputs = append(d.Inputs, readInput(m))
	}
}

func readInput(m member) Input {
	in := Input{Place: m.at, Name: m.key, Type: TypeText}
	o := m.value.object("type", "description", "required", "default", "choices")
	if t, ok := o["type"]; ok {
		in.Type = InputType(t.inputType())
	}
	if t, ok := o["description"]; ok {
		in.Description = t.text(500)
	}
	if t, ok := o["required"]; ok {
		in.Required = t.boolean()
	}
	if t, ok := o["choices"]; ok {
		for _, c := range t.list(maxList, false) {
			in.Choices = append(in.Choices, c.text(200))
		}
	}
	switch {
	case in.Type == TypeChoice && len(in.Choices) == 0:
		m.value.report("Add choices: [a, b].", "an input of the type choice needs choices")
	case in.Type != TypeChoice && in.Choices != nil:
		o["choices"].report("Write type: choice.", "choices belong to the type choice, not to %s", in.Type)
	}
	if t, ok := o["default"]; ok {
		in.Default = t.defaultOf(in)
		if in.Required {
			t.report("Leave out one of the two.", "an input with a default is never missing, so required has no meaning")
		}
	}
	return in
}

// inputType reads a type; the words of other products are known as hints.
func (v value) inputType() string {
	others := map[string]InputType{
		"int": TypeInteger, "string": TypeText, "str": TypeText, "bool": TypeBoolean, "float": TypeNumber, "double": TypeNumber,
		"date": TypeDateTime, "time": TypeDateTime, "timestamp": TypeDateTime, "array": TypeList, "map": TypeObject, "enum": TypeChoice,
	}
	if meant, ok := others[v.node.Value]; ok {
		v.report("Did you mean "+string(meant)+"?", "%s is no type", v.shown())
		return string(meant)
	}
	return v.word(inputTypes()...)
}

// defaultOf reads the default of an input.
func (v value) defaultOf(in Input) any {
	given := v.free()
	constant, ok := given.Constant()
	if !ok {
		v.report("Write it where the input is used.", "a default cannot have expressions")
		return nil
	}
	taken, err := in.Take(constant)
	if err != nil {
		v.report("", "%v", err)
	}
	return taken
}

// readDefaults reads what steps have that say nothing else.
func (s *Step) readDefaults(v value) {
	o := v.object("connection", "timeout", "retry")
	if t, ok := o["connection"]; ok {
		s.Connection = t.template(200)
	}
	if t, ok := o["timeout"]; ok {
		s.Timeout = t.duration(time.Second, MaxTimeout)
	}
	if t, ok := o["retry"]; ok {
		s.Retry = readRetry(t)
	}
}

func readRetry(v value) *Retry {
	r := &Retry{Place: v.place(), Max: 3, Statuses: []int{429, 503}, Network: true, Base: 2 * time.Second, Limit: 5 * time.Minute}
	o := v.object("max", "on", "backoff", "base", "limit")
	if t, ok := o["max"]; ok {
		r.Max = t.integer(0, 20)
	}
	if t, ok := o["on"]; ok {
		r.Statuses, r.Network = nil, false
		for _, item := range t.list(maxList, true) {
			if item.node.Value == "network" {
				r.Network = true
			} else if code := item.status(); code != 0 && !slices.Contains(r.Statuses, code) {
				r.Statuses = append(r.Statuses, code)
			}
		}
	}
	if t, ok := o["backoff"]; ok {
		r.Fixed = t.word("exponential", "fixed") == "fixed"
	}
	if t, ok := o["base"]; ok {
		r.Base = t.duration(time.Second, time.Hour)
	}
	if t, ok := o["limit"]; ok {
		r.Limit = t.duration(time.Second, time.Hour)
	}
	return r
}

// status reads an HTTP status, or reports that it is neither that nor network.
func (v value) status() int {
	if v.node.ShortTag() != "!!int" {
		v.report("Write the statuses of errors, such as 429, or network for what has no answer.", "%s is neither a status nor network", v.shown())
		return 0
	}
	return v.integer(400, 599)
}
