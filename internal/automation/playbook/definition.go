package playbook

import (
	"time"

	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/automation/schedule"
)

// Definition is a playbook as it is written. Parse makes it.
type Definition struct {
	Name        string // as in uses: playbook/NAME
	Description string
	Inputs      []Input
	Triggers    Triggers
	Steps       []Step // at least one
	// Handlers are the steps of onError, which run one after the other when a step
	// stopped the run.
	Handlers []Step
	Outputs  []Argument
	// Source is the text it was read from.
	Source string

	lines []string
}

// Input is what a run is told when it starts.
type Input struct {
	Place
	Name        string
	Description string
	Type        InputType
	Choices     []string // of the type choice
	Required    bool
	// Default is what an input is that is not given; nil for none.
	Default any
}

// Triggers is what starts a playbook.
type Triggers struct {
	Manual    bool // people and the API may
	Schedules []Schedule
	Webhooks  []Webhook
	Events    []Event
}

// Schedule starts a playbook at times.
type Schedule struct {
	Place
	Spec schedule.Spec
	With []Argument
}

// Webhook starts a playbook by a signed request.
type Webhook struct {
	Place
	Secret string // the name of the secret that the sender signs with
	With   []Argument
}

// Event starts a playbook when something happens on the platform.
type Event struct {
	Place
	Kind EventKind
	// Days without a check-in, of agent-inactive.
	Days int
	// ScanTypes and ScanStates narrow scan-finished; empty for all.
	ScanTypes, ScanStates []string
	// Left units, or Percent used, of key-nearly-used-up; one of them is set.
	Left, Percent int
	With          []Argument
}

// Argument is a named value.
type Argument struct {
	Place // of the name
	Name  string
	Value Value
}

// Join says when a step starts that needs several others.
type Join string

// The joins.
const (
	// JoinAll waits until all of them are finished.
	JoinAll Join = "all"
	// JoinAnyOnce starts with the first one that is finished, once.
	JoinAnyOnce Join = "any-once"
	// JoinAnyEach starts once for each of them, when it is finished.
	JoinAnyEach Join = "any-each"
)

// Step is a step of a playbook. Exactly one of Uses, Approval and Wait.For is
// given.
type Step struct {
	Place
	ID   string
	Name string // for people; empty for none
	// Uses names a command as integration/command, or a playbook as playbook/name.
	Uses       string
	With       []Argument
	Connection Value // empty for none
	Approval   *Approval
	If         *Value
	// Needs are the ids of the steps it follows, also when the text leaves them to
	// the order of the steps, or to the branches that lead to it.
	Needs   []string
	Join    Join
	ForEach *ForEach
	Loop    *Loop
	Wait    *Wait
	Until   *Value
	Retry   *Retry
	// OnPartial and OnError say what follows when the step is partially
	// successful, or failed.
	OnPartial, OnError Reaction
	Timeout            time.Duration // for each execution of a command

	uses       Place // of the value of uses
	needs      []reference
	needsGiven bool
}

// reference is the id of a step where it is mentioned.
type reference struct {
	Place
	id string
}

// Approval asks a person.
type Approval struct {
	Place
	To []Value // user:NAME, group:NAME or role:NAME; may have expressions
	// Message is what is asked; it may have expressions.
	Message Value
	Due     time.Duration
	// Approve says what happens when nobody answered in time: true approves,
	// false, as by default, rejects.
	Approve bool
}

// ForEach runs a step once for each item of a list.
type ForEach struct {
	Place
	In       Value
	Parallel int
	Max      int // items; a longer list fails the step
}

// Loop leads back to an earlier step.
type Loop struct {
	Place
	Goto  string
	While Value
	Max   int // how often it goes back

	target reference
}

// Wait makes a step wait: for a time, or between two looks at Step.Until.
type Wait struct {
	Place
	For      Value // a duration, or a time to wait for; empty when there is none
	Interval time.Duration
	Timeout  time.Duration
}

// Retry repeats a command that failed.
type Retry struct {
	Place
	Max      int   // repetitions; the first execution does not count
	Statuses []int // that are repeated
	Network  bool  // what has no answer is repeated: 502 and 504
	// Fixed pauses are all Base long. Others double, up to Limit, and each is as
	// long as chance has it, between nothing and that (full jitter).
	Fixed       bool
	Base, Limit time.Duration
}

// Reaction says what follows on a step that did not wholly succeed.
type Reaction struct {
	Place
	// Stop ends the run, Continue goes on as after a success, and with Branch the
	// steps that need this one are left out and the one named runs.
	Act    Act
	Branch string
}

// Act is a word of a Reaction.
type Act string

// The acts.
const (
	Stop     Act = "stop"
	Continue Act = "continue"
	Branch   Act = "branch"
)

// InputType says what an input of a playbook or a command takes.
type InputType string

// The types, which are those of the inputs of commands where both have them.
const (
	TypeText     InputType = "text"
	TypeURL      InputType = "url"
	TypeInteger  InputType = "integer"
	TypeNumber   InputType = "number"
	TypeBoolean  InputType = "boolean"
	TypeDateTime InputType = "datetime"
	TypeDuration InputType = "duration"
	TypeChoice   InputType = "choice"
	TypeIDs      InputType = "ids"
	TypeTexts    InputType = "texts"
	TypeList     InputType = "list"
	TypeObject   InputType = "object"
	TypeAny      InputType = "any"
)

// inputTypes are the types that a playbook may give its inputs.
func inputTypes() []string {
	return []string{
		string(TypeText), string(TypeURL), string(TypeInteger), string(TypeNumber), string(TypeBoolean), string(TypeDateTime), string(TypeDuration),
		string(TypeChoice), string(TypeIDs), string(TypeTexts), string(TypeList), string(TypeObject), string(TypeAny),
	}
}

// Expression returns the type as expressions have it.
func (t InputType) Expression() expression.Type {
	switch t {
	case TypeText, TypeURL, TypeChoice:
		return expression.Text
	case TypeInteger:
		return expression.Integer
	case TypeNumber:
		return expression.Number
	case TypeBoolean:
		return expression.Boolean
	case TypeDateTime:
		return expression.DateTime
	case TypeDuration:
		return expression.Duration
	case TypeIDs:
		return expression.List(expression.Integer)
	case TypeTexts:
		return expression.List(expression.Text)
	case TypeList:
		return expression.List(expression.Any)
	case TypeObject:
		return expression.Map(expression.Any)
	}
	return expression.Any
}
