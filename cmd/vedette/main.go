// Command vedette is the Vedette platform and its command line.
//
// The client commands, connections, agents and scans, speak to any platform with
// the QPS API: a Vedette platform or a Qualys subscription. The other commands
// run a platform on this machine.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partially successful. Errors of
// commands go to standard error as three lines, Failure Indicator, Status Code
// and Message, and a fourth with the next step; results go to standard output.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // the zones of users and schedules, on machines without a database of them

	"github.com/spf13/cobra"
)

func main() { os.Exit(mainExitCode()) }

// mainExitCode runs the command line of this process and returns its exit code.
// Tests run the binary through it.
func mainExitCode() int {
	if code, was := reexecuted(os.Args[1:]); was {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
}

// run executes one command line. The end of ctx stands for Ctrl-C.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	a := &app{
		stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv,
		configDir: os.UserConfigDir, keyring: systemKeyring{}, now: time.Now, sleep: sleepContext,
	}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := newRootCommand(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	executed, err := root.ExecuteContextC(ctx)
	return a.finish(executed, err)
}

// app is what commands know of the process they run in.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	configDir      func() (string, error)
	keyring        keyring
	now            func() time.Time
	sleep          func(context.Context, time.Duration) error
}

func sleepContext(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// newGroup returns a command that only holds others. Without one of them it
// prints its help, and it refuses names it does not know.
func newGroup(use, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long,
		Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
}
