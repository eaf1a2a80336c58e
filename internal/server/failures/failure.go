package failures

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// Bounds of a failure.
const (
	// MaxDelay bounds the wait before an answer: longer than clients wait by
	// default, so that their time limits can be tested.
	MaxDelay = 5 * time.Minute
	// MaxCut bounds how much of an answer is held to send a part of it.
	MaxCut = 1 << 20
	// maxText bounds the directives of one failure.
	maxText = 256
)

// Failure is what happens to a request. Parse makes one; it is not changed
// afterwards.
type Failure struct {
	text   string // in the order of writing, without needless blanks
	delay  time.Duration
	kind   kind
	status int              // of an answer, 0 for the one that goes with code
	code   qps.ResponseCode // of an answer, empty for the one that goes with status
	wait   time.Duration    // of a rate limit
	bytes  int              // of an answer that are sent
}

// kind is what comes after the delay. Only one can.
type kind int

const (
	handled     kind = iota // the request is handled
	answered                // with an error, instead of being handled
	rateLimited             // likewise, as by the rate limit
	dropped                 // without an answer, instead of being handled
	truncated               // handled; the answer ends early, its length is that of the whole
	cutOff                  // handled; the connection breaks in the middle of the answer
)

// directives are the names a failure is made of.
var directives = map[string]struct {
	kind    kind
	example string
	set     func(f *Failure, value string) error
}{
	"status": {answered, "status=503", func(f *Failure, value string) (err error) {
		f.status, err = number("status", value, 400, 599)
		return err
	}},
	"code": {answered, "code=INVALID_REQUEST", func(f *Failure, value string) error {
		f.code = qps.ResponseCode(value)
		return oneOf("code", value, codes)
	}},
	"delay": {handled, "delay=3s", func(f *Failure, value string) (err error) {
		f.delay, err = duration("delay", value, time.Millisecond, MaxDelay)
		return err
	}},
	"rate-limit": {rateLimited, "rate-limit=30", func(f *Failure, value string) (err error) {
		f.wait, err = duration("rate-limit", value, time.Second, server.MaxWindow)
		return err
	}},
	"truncate": {truncated, "truncate=512", func(f *Failure, value string) (err error) {
		f.bytes, err = number("truncate", value, 0, MaxCut)
		return err
	}},
	"drop": {dropped, "drop", func(_ *Failure, value string) error {
		if value != "" {
			return wrong("drop", value, "no value: drop")
		}
		return nil
	}},
	"drop-after": {cutOff, "drop-after=512", func(f *Failure, value string) (err error) {
		f.bytes, err = number("drop-after", value, 0, MaxCut)
		return err
	}},
}

// allowed lists the directives for messages, in a fixed order.
var allowed = func() string {
	var examples []string
	for _, d := range directives {
		examples = append(examples, d.example)
	}
	slices.Sort(examples)
	return "Directives are " + strings.Join(examples, ", ") + "; delay goes with any other, status with code, and ';' is between them."
}()

// codes are what an answer may carry: every response code but that of success.
var codes = []qps.ResponseCode{
	qps.CodeInvalidRequest, qps.CodeInvalidXML, qps.CodeInvalidParam, qps.CodeInvalidURL, qps.CodeInvalidAPIVersion,
	qps.CodeInvalidCredentials, qps.CodeAuthCredentialsNeeded, qps.CodeUnauthorized, qps.CodeUnauthorizedDestinationApps,
	qps.CodeNotFound, qps.CodeUnknownObject, qps.CodeCannotBeNull, qps.CodeOperationNotSupported, qps.CodeEvaluationExpired,
	qps.CodeStillProcessing, qps.CodeOtherError, qps.CodeJMSServerDown, qps.CodeRMIServerDown, qps.CodeUnidentifiedProducer,
}

// Parse reads a failure such as "delay=2s; status=503". Errors are fault.Invalid
// and name what is allowed.
func Parse(text string) (Failure, error) {
	if len(text) > maxText {
		return Failure{}, fault.New(fault.Invalid, fmt.Sprintf("The failure is longer than %d bytes.", maxText), allowed)
	}
	f := Failure{}
	var parts []string
	chosen := map[kind]string{}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, assigned := strings.Cut(strings.TrimSpace(part), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		directive, known := directives[name]
		switch {
		case !known:
			return Failure{}, fault.New(fault.Invalid, fmt.Sprintf("Unknown failure directive '%s'.", server.Echo(name)), allowed)
		case seen[name]:
			return Failure{}, fault.New(fault.Invalid, fmt.Sprintf("Failure directive '%s' is given twice.", name), allowed)
		}
		if err := directive.set(&f, value); err != nil {
			return Failure{}, err
		}
		seen[name] = true
		if directive.kind != handled {
			f.kind, chosen[directive.kind] = directive.kind, name
		}
		if assigned {
			name += "=" + value
		}
		parts = append(parts, name)
	}
	if len(chosen) > 1 {
		return Failure{}, fault.New(fault.Invalid, fmt.Sprintf("'%s' asks for more than one end of the request.", server.Echo(text)), allowed)
	}
	f.text = strings.Join(parts, "; ")
	return f, nil
}

// String returns the directives of the failure.
func (f Failure) String() string { return f.text }

func number(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, wrong(name, value, fmt.Sprintf("an integer from %d to %d", least, most))
	}
	return n, nil
}

// duration reads seconds, or a duration with units.
func duration(name, value string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if seconds, notNumber := strconv.ParseUint(value, 10, 31); notNumber == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < least || d > most {
		return 0, wrong(name, value, fmt.Sprintf("seconds, or a duration such as 3s, from %s to %s", least, most))
	}
	return d, nil
}

func oneOf(name, value string, words []qps.ResponseCode) error {
	if slices.Contains(words, qps.ResponseCode(value)) {
		return nil
	}
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = string(word)
	}
	return wrong(name, value, "one of "+strings.Join(texts, ", "))
}

func wrong(name, value, expected string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("Failure directive %s: invalid value '%s'.", name, server.Echo(value)),
		fmt.Sprintf("Specify %s as %s.", name, expected))
}
