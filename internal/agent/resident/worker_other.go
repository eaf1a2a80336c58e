//go:build !linux

package resident

import "os/exec"

// ownGroup does nothing: there is no such group here.
func ownGroup(*exec.Cmd) {}

// killGroup ends the worker.
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
