package resident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"vedette.dev/vedette/internal/agent/doctor"
	"vedette.dev/vedette/internal/agent/session"
)

// errSick says that a check failed.
var errSick = errors.New("at least one check failed")

// examine prints what keeps this host's agent from working. Settings that are given
// win over stored ones, so that new ones can be tried first.
func examine(ctx context.Context, o *options, sys System) error {
	patient, err := o.patient(ctx, sys)
	if err != nil {
		return err
	}
	var all struct {
		Outcome doctor.Outcome `json:"outcome"` // the worst
		Checks  []doctor.Check `json:"checks"`
	}
	all.Outcome = doctor.OK
	doctor.Examine(ctx, patient, func(c doctor.Check) {
		all.Checks = append(all.Checks, c)
		if c.Outcome == doctor.Failed || all.Outcome == doctor.OK {
			all.Outcome = c.Outcome
		}
		if o.json {
			return
		}
		fmt.Fprintf(sys.Stdout, "%-8s %-13s %s\n", c.Outcome, c.Name, plain(c.Detail))
		if c.Next != "" {
			fmt.Fprintf(sys.Stdout, "%22s next step: %s\n", "", plain(c.Next))
		}
	})
	if o.json {
		if err := writeJSON(sys.Stdout, all); err != nil {
			return err
		}
	}
	if all.Outcome == doctor.Failed {
		return errSick
	}
	return nil
}

func (o *options) patient(ctx context.Context, sys System) (*doctor.Patient, error) {
	report, err := o.report(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	p := &doctor.Patient{StateDir: o.stateDir, RootDir: o.rootDir, Report: report, Server: o.serverURI, Now: time.Now}
	if o.caFile != "" {
		if p.CA, err = os.ReadFile(o.caFile); err != nil {
			return nil, usagef("CaFile: %v", err)
		}
	}
	if report != nil {
		p.Server = cmp.Or(p.Server, report.Server)
		if o.caFile == "" {
			p.CA = report.CA
		}
	}
	if p.Proxies, err = o.proxies(sys.Getenv); err != nil {
		return nil, err
	}
	if len(sys.Worker) > 0 && o.workerPath == "" {
		return p, nil // a part of this program
	}
	p.Worker = o.workerPath
	if p.Worker == "" {
		worker, err := newWorker(nil)
		if err != nil {
			return nil, err
		}
		p.Worker = worker.command[0]
	}
	return p, nil
}

// report is what the agent that runs says, or the state folder of one that does not.
func (o *options) report(ctx context.Context) (*session.Report, error) {
	report, err := session.ReadReport(o.stateDir)
	if err != nil || !report.Running {
		return report, err
	}
	// An agent that is being started or stopped does not answer; its folder does.
	if answer, err := ask(ctx, o.stateDir, controlRequest{Ask: askStatus}, maxReportBytes); err == nil && answer.Report != nil {
		answer.Report.CA = report.CA
		report = answer.Report
	}
	return report, nil
}
