package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/failures"
)

// limitConfig are the limits of each user; the zero value limits nothing.
type limitConfig struct {
	Requests    int    `koanf:"requests"`
	Window      string `koanf:"window"` // seconds, or a duration such as 1h
	Concurrency int    `koanf:"concurrency"`
}

// failureConfig says who may ask for failures on demand; the zero value nobody.
type failureConfig struct {
	Header bool   `koanf:"header"`
	File   string `koanf:"file"`
}

// flagKeys are the keys of a configuration file that flags have another name for.
var flagKeys = map[string]string{
	"limit-requests": "limits.requests", "limit-window": "limits.window", "limit-concurrency": "limits.concurrency",
	"failures": "failures.header", "failures-file": "failures.file",
}

func addOperatorFlags(flags *pflag.FlagSet, limits *limitConfig, onDemand *failureConfig) {
	flags.IntVar(&limits.Requests, "limit-requests", 0, "API `calls` each user may make within --limit-window, such as 300; 0 for any number")
	flags.StringVar(&limits.Window, "limit-window", "1h", "time for which calls count, in seconds or as a duration")
	flags.IntVar(&limits.Concurrency, "limit-concurrency", 0, "API `calls` of each user that may be in progress, such as 2; 0 for any number")
	flags.BoolVar(&onDemand.Header, "failures", false, "let API requests ask for failures with the header "+failures.Header+"; for tests of integrations only")
	flags.StringVar(&onDemand.File, "failures-file", "", "YAML script that makes API requests fail; for tests of integrations only")
}

// open returns the limits, nil for none.
func (c limitConfig) open(now func() time.Time) (*server.Limits, error) {
	window := time.Duration(0)
	if c.Window != "" {
		var err error
		if window, err = parseWindow(c.Window); err != nil {
			return nil, err
		}
	}
	return server.NewLimits(server.LimitSettings{Calls: c.Requests, Window: window, Concurrency: c.Concurrency}, now)
}

func parseWindow(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second, nil
	}
	if window, err := time.ParseDuration(text); err == nil && window > 0 {
		return window, nil
	}
	return 0, fault.New(fault.Invalid, fmt.Sprintf("limits.window: %q is not allowed.", text),
		"Give whole seconds from 1 to 86400, or a duration such as 30m or 1h.")
}

// open returns what makes requests fail, nil for nothing.
func (c failureConfig) open() (*failures.Injector, error) {
	if c.File == "" && !c.Header {
		return nil, nil
	}
	var script *failures.Script
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, &fault.Error{Code: fault.Invalid, Message: fmt.Sprintf("failures.file: %v.", err), Resolution: "Name a file that can be read.", Err: err}
		}
		defer func() { _ = f.Close() }() // nothing was written
		if script, err = failures.ReadScript(f); err != nil {
			return nil, err
		}
	}
	return failures.New(c.Header, script, time.After), nil
}

// announce says what is not as everywhere: a layer that is alone, limits, and failures on demand, which
// nobody shall meet unawares.
func (c platformConfig) announce(show *progress) {
	if c.alone() {
		show.done("only", "the automation layer: no agents, no QPS, no fleet of its own")
	}
	if c.Limits.Requests > 0 || c.Limits.Concurrency > 0 {
		calls, concurrency := "any number of", "any number"
		if c.Limits.Requests > 0 {
			calls = strconv.Itoa(c.Limits.Requests)
		}
		if c.Limits.Concurrency > 0 {
			concurrency = strconv.Itoa(c.Limits.Concurrency)
		}
		show.done("limits", "each user may make %s calls in %s and %s at once; this process counts for itself", calls, c.Limits.Window, concurrency)
	}
	if c.Failures.Header {
		show.done("FAILURES", "ON DEMAND ARE ON: users can make answers fail, wait and break off with the header %s", failures.Header)
	}
	if c.Failures.File != "" {
		show.done("FAILURES", "ON DEMAND ARE ON: answers fail, wait and break off by the rules of %s", c.Failures.File)
	}
}
