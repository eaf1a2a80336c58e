package pacing

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Pacer runs children below a limit. Its zero value is ready to use.
type Pacer struct{}

// New returns a Pacer.
func New() *Pacer { return new(Pacer) }

// cpuRateControl is JOBOBJECT_CPU_RATE_CONTROL_INFORMATION of winnt.h.
type cpuRateControl struct {
	controlFlags uint32
	cpuRate      uint32 // hundredths of a percent of all processors together
}

const (
	cpuRateControlEnable  = 0x1
	cpuRateControlHardCap = 0x4
)

// run puts the child into a job object that holds the limit and ends with its
// last handle, which is here: nothing of it outlives this process. The few
// milliseconds before it is in there are without a limit.
func (p *Pacer) run(cmd *exec.Cmd, limit int) error {
	job, err := newJob(limit)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(job) //nolint:errcheck // nothing can be done about it
	cmd.Cancel = func() error {
		return errors.Join(windows.TerminateJobObject(job, 1), cmd.Process.Kill())
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := assign(job, uint32(cmd.Process.Pid)); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	return cmd.Wait()
}

func newJob(limit int) (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("make job object: %w", err)
	}
	rate := cpuRateControl{
		controlFlags: cpuRateControlEnable | cpuRateControlHardCap,
		cpuRate:      max(uint32(limit*100/runtime.NumCPU()), 1),
	}
	var end windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	end.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, rateErr := windows.SetInformationJobObject(job, windows.JobObjectCpuRateControlInformation, uintptr(unsafe.Pointer(&rate)), uint32(unsafe.Sizeof(rate)))
	_, endErr := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&end)), uint32(unsafe.Sizeof(end)))
	if err := errors.Join(rateErr, endErr); err != nil {
		return 0, errors.Join(fmt.Errorf("limit job object to %d %% of a core: %w", limit, err), windows.CloseHandle(job))
	}
	return job, nil
}

// assign puts a process into a job.
func assign(job windows.Handle, pid uint32) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, pid)
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	if err := errors.Join(windows.AssignProcessToJobObject(job, process), windows.CloseHandle(process)); err != nil {
		return fmt.Errorf("put process %d into its job object: %w", pid, err)
	}
	return nil
}
