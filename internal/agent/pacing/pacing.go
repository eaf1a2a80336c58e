// Package pacing runs a child process, the scan worker, and keeps what it takes
// of the processor below a limit: so many percent of one core, counted as the
// system counts it, with every thread, from its start to its end.
//
// [Pacer.Run] is all there is to call. What holds the limit depends on the
// system:
//
//   - Linux: a governor reads the child's CPU time at least every 5 ms while it
//     runs, stops its process group (SIGSTOP) when it is in debt, and continues
//     it when it is in credit again. It needs no privileges and nothing from the
//     child: neither its garbage collector nor a library's threads escape. Where
//     the service manager has delegated a control group with the cpu controller
//     (cgroup v2), the kernel holds the same limit there as well, for the child
//     with everything it starts.
//   - Other Unix systems: the same, with the time the child was let run in place
//     of its CPU time, which cannot be read there without C. That is never less
//     for a child of one thread, so the limit holds and a child that waits for
//     the disk is slower than it had to be.
//   - Windows: a job object with a hard cap.
//
// Limits. The governor stops what the child started together with it, but counts
// the child's own CPU time only; without a control group, a child that starts
// programs needs more. The CPU time of a thread that runs on another processor is
// as old as the kernel's last tick, 4 ms at 250 Hz: one burst may be that much
// too long, and the pause after it is longer in return. The control group is one
// for all children of a [Pacer]: of children that run at once the governor holds
// each to its own limit, and the kernel all together to that of the last. What a child uses between
// its last pause and its end cannot be made good; it is at most one burst.
package pacing

import "os/exec"

// Unlimited is the limit of a child that may use one core wholly.
const Unlimited = 100

// Run starts cmd, which must have been made with exec.CommandContext, waits for
// it and returns its error as cmd.Run would. Meanwhile it and what it starts use
// at most limit percent of one core; a limit outside 1 to 100 counts as the
// nearest of them. It sets cmd.SysProcAttr and cmd.Cancel: when the command's
// context ends, the child is killed with everything it started. On Linux and
// Windows nothing of it outlives Run or this process. Run is safe for concurrent
// use, but an agent runs one scan after the other: see Limits for children that
// run at once.
func (p *Pacer) Run(cmd *exec.Cmd, limit int) error {
	return p.run(cmd, min(max(limit, 1), Unlimited))
}
