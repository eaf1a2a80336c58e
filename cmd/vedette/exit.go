package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

// Exit codes of every command.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitPartial = 3
)

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// quote quotes a word of the user's, shortened.
func quote(s string) string {
	const longest = 80
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strconv.Quote(s)
}

// outcomeError is the outcome of a command that was not Successful.
type outcomeError struct{ outcome automation.Outcome }

func (e outcomeError) Error() string { return string(e.outcome.State) }

// outcomeOf returns nil for a successful outcome and an outcomeError otherwise.
func outcomeOf(o automation.Outcome) error {
	if o.State == automation.Successful {
		return nil
	}
	return outcomeError{o}
}

// exitCode is the one place that maps errors to exit codes.
func exitCode(err error) int {
	if outcome, ok := errors.AsType[outcomeError](err); ok {
		if outcome.outcome.State == automation.PartiallySuccessful {
			return exitPartial
		}
		return exitFailed
	}
	if _, ok := errors.AsType[usageError](err); ok || fault.Is(err, fault.Invalid) {
		return exitUsage
	}
	if err != nil {
		return exitFailed
	}
	return exitDone
}

// finish prints what a command returned and gives its exit code.
func (a *app) finish(cmd *cobra.Command, err error) int {
	code := exitCode(err)
	if outcome, ok := errors.AsType[outcomeError](err); ok {
		printErrors(a.stderr, outcome.outcome.Errors)
		return code
	}
	if err == nil {
		return code
	}
	if refused, ok := errors.AsType[*fault.Error](err); ok {
		fmt.Fprintf(a.stderr, "vedette: %s\n", printable(refused.Message))
		if refused.Resolution != "" {
			fmt.Fprintln(a.stderr, printable(refused.Resolution))
		}
	} else if errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.stderr, "vedette: stopped")
	} else {
		fmt.Fprintf(a.stderr, "vedette: %s\n", printable(err.Error()))
		if diskFull(err) {
			fmt.Fprintln(a.stderr, "The file system is full: free space on it and run the command again. What was acknowledged is not lost.")
		}
	}
	if code == exitUsage {
		fmt.Fprintf(a.stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	return code
}

// diskFull reports whether err says that there is no space left for a file, or
// for the SQLite database, whose driver has codes of its own.
func diskFull(err error) bool {
	const sqliteFull, primary = 13, 0xff // https://sqlite.org/rescode.html
	if errors.Is(err, syscall.ENOSPC) {
		return true
	}
	coded, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	return ok && coded.Code()&primary == sqliteFull
}

// printErrors prints error entries with an empty line between them.
func printErrors(w io.Writer, errs []automation.Error) {
	for i, e := range errs {
		if i > 0 {
			fmt.Fprintln(w)
		}
		e.Message, e.Resolution = printable(e.Message), printable(e.Resolution)
		fmt.Fprint(w, e.Text())
	}
}
