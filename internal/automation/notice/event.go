package notice

import (
	"encoding/json"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation"
)

// Kind says what an event is. It names the template of the event, and is the type
// of a webhook.
type Kind string

// The kinds.
const (
	KindHealthCheckFailed    Kind = "health_check.failed"
	KindHealthCheckRecovered Kind = "health_check.recovered"
	KindSchedulePaused       Kind = "schedule.paused"
	KindApprovalAsked        Kind = "approval.asked"
	KindRunFailed            Kind = "run.failed"
	KindTest                 Kind = "test"
)

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{KindHealthCheckFailed, KindHealthCheckRecovered, KindSchedulePaused, KindApprovalAsked, KindRunFailed, KindTest}
}

// Event is something to tell: one of the structs of this package. Its JSON form
// is the data of a webhook.
type Event interface{ Kind() Kind }

// ParseEvent reads the JSON form of an event of a kind.
func ParseEvent(kind Kind, data []byte) (Event, error) {
	switch kind {
	case KindHealthCheckFailed:
		return parse[HealthCheckFailed](data)
	case KindHealthCheckRecovered:
		return parse[HealthCheckRecovered](data)
	case KindSchedulePaused:
		return parse[SchedulePaused](data)
	case KindApprovalAsked:
		return parse[ApprovalAsked](data)
	case KindRunFailed:
		return parse[RunFailed](data)
	case KindTest:
		return parse[Test](data)
	}
	return nil, fmt.Errorf("there are no events of kind %q", kind)
}

func parse[E Event](data []byte) (Event, error) {
	var event E
	if err := json.Unmarshal(data, &event); err != nil {
		return nil, fmt.Errorf("read event of kind %s: %w", event.Kind(), err)
	}
	return event, nil
}

// Link is the URL of a page of this platform, http or https. It carries no right:
// who follows it has to sign in.
type Link string

// Subject is what the health of a connection is told about.
type Subject struct {
	Connection  string `json:"connection"`
	Integration string `json:"integration"`
	Site        string `json:"site"`
}

// HealthCheckFailed tells that Test Connection failed as many times in a row as
// the connection allows. It is told once for each outage.
type HealthCheckFailed struct {
	Subject
	Failures  int              `json:"failures"`
	Since     time.Time        `json:"since"` // of the first failure
	LastError automation.Error `json:"lastError"`
	Link      Link             `json:"link,omitempty"`
}

// HealthCheckRecovered tells that Test Connection passed after an outage that was
// told of.
type HealthCheckRecovered struct {
	Subject
	Failures  int       `json:"failures"` // of the outage
	Since     time.Time `json:"since"`    // of the first failure
	Recovered time.Time `json:"recovered"`
	Link      Link      `json:"link,omitempty"`
}

// SchedulePaused tells that a schedule will not fire any more, until somebody
// resumes it, since it failed as many times in a row as it may.
type SchedulePaused struct {
	Schedule   string           `json:"schedule"`
	Runs       string           `json:"runs"` // the command or playbook
	Connection string           `json:"connection,omitempty"`
	Site       string           `json:"site"`
	Failures   int              `json:"failures"`
	LastError  automation.Error `json:"lastError"`
	Link       Link             `json:"link,omitempty"`
}

// ApprovalAsked tells those who may answer that a run waits for one of them: to
// approve, or to say what became of a command that was cut off.
type ApprovalAsked struct {
	QuestionID int64     `json:"questionId"`
	Asks       string    `json:"asks"` // approval or unknown
	Playbook   string    `json:"playbook"`
	Run        int64     `json:"run"`
	Step       string    `json:"step"`
	Site       string    `json:"site"`
	Question   string    `json:"question,omitempty"` // in the words of the playbook
	Answers    []string  `json:"answers"`            // one of which is asked for
	Starter    string    `json:"starter"`            // of the run
	Due        time.Time `json:"due"`
	// OnTimeout is what happens when nobody answers until Due: approve, reject or fail.
	OnTimeout string `json:"onTimeout"`
	// QuietUntil is when questions of the playbook are told of again, if this is the last
	// one for now.
	QuietUntil time.Time `json:"quietUntil,omitzero"`
	Link       Link      `json:"link,omitempty"`
}

// RunFailed tells that a run ended in a failure.
type RunFailed struct {
	Runs       string           `json:"runs"` // the command or playbook
	Run        int64            `json:"run"`
	Step       string           `json:"step,omitempty"` // where it failed; empty for a command
	Connection string           `json:"connection,omitempty"`
	Site       string           `json:"site"`
	Starter    string           `json:"starter"` // a user, or the schedule or trigger
	Started    time.Time        `json:"started"`
	Ended      time.Time        `json:"ended"`
	Error      automation.Error `json:"error"`
	Link       Link             `json:"link,omitempty"` // to the step
}

// Test proves that a channel works.
type Test struct {
	By   string `json:"by"` // who asked for it
	Link Link   `json:"link,omitempty"`
}

// Kind implements Event.
func (HealthCheckFailed) Kind() Kind { return KindHealthCheckFailed }

// Kind implements Event.
func (HealthCheckRecovered) Kind() Kind { return KindHealthCheckRecovered }

// Kind implements Event.
func (SchedulePaused) Kind() Kind { return KindSchedulePaused }

// Kind implements Event.
func (ApprovalAsked) Kind() Kind { return KindApprovalAsked }

// Kind implements Event.
func (RunFailed) Kind() Kind { return KindRunFailed }

// Kind implements Event.
func (Test) Kind() Kind { return KindTest }
