package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

const (
	// defaultAuditDays is how far the audit log goes back unless told otherwise: a
	// year, and the time it takes to look into what happened at its beginning.
	defaultAuditDays = 400
	// maxAuditDays is a century; who means longer means for ever.
	maxAuditDays = 36_500
)

// auditDays returns how many days the audit log goes back, 0 for ever.
func (c platformConfig) auditDays() (int, error) {
	if c.AuditRetention == nil {
		return defaultAuditDays, nil
	}
	days := *c.AuditRetention
	if days < 0 || days > maxAuditDays {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("audit-retention: %d is not allowed.", days),
			fmt.Sprintf("Give a number of days up to %d, or 0 to keep the audit log for ever.", maxAuditDays))
	}
	return days, nil
}

// accessSweeps returns the work that forgets failed sign-ins and prunes the audit
// log.
func accessSweeps(db *store.Store, auditDays int, now func() time.Time, log *slog.Logger) []func(context.Context) {
	sweeps := []func(context.Context){func(ctx context.Context) {
		sweep(ctx, log, "failed sign-ins of long ago were not forgotten", func(ctx context.Context) error {
			return db.PruneSignIns(ctx, now().Add(-access.ForgetFailuresAfter))
		})
	}}
	if auditDays == 0 {
		return sweeps
	}
	return append(sweeps, func(ctx context.Context) {
		sweep(ctx, log, "the audit log was not pruned", func(ctx context.Context) error {
			return db.PruneAudit(ctx, now().AddDate(0, 0, -auditDays))
		})
	})
}
