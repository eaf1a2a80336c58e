package automationapi

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/access"
)

// ListAudit implements GET /automation/v1/audit.
func (a api) ListAudit(ctx context.Context, request ListAuditRequestObject) (ListAuditResponseObject, error) {
	filter, err := auditFilter(request.Params)
	if err != nil {
		return nil, err
	}
	found, err := a.auditLog.AuditEntries(ctx, filter)
	if err != nil {
		return nil, err
	}
	answer := ListAudit200JSONResponse{Entries: make([]AuditEntry, len(found))}
	for i, e := range found {
		answer.Entries[i] = AuditEntry{
			Id: e.ID, Time: wireTime(e.Time), Actor: e.Actor, Address: e.Address, Action: e.Action, Object: e.Object,
			Outcome: AuditOutcome(e.Outcome), Detail: e.Detail,
		}
	}
	return answer, nil
}

// auditFilter checks what the generated binding does not: ranges, words and
// texts that no row can hold.
func auditFilter(p ListAuditParams) (access.AuditFilter, error) {
	f := access.AuditFilter{Limit: defaultPage}
	for _, text := range []struct {
		name  string
		given *string
		into  *string
		most  int
	}{
		{"actor", p.Actor, &f.Actor, access.MaxAuditActorBytes},
		{"action", p.Action, &f.Action, access.MaxAuditObjectBytes},
		{"object", p.Object, &f.Object, access.MaxAuditObjectBytes},
	} {
		if text.given == nil {
			continue
		}
		if *text.into = *text.given; len(*text.into) > text.most || !utf8.ValidString(*text.into) || strings.ContainsFunc(*text.into, unicode.IsControl) {
			return f, invalid(text.name, *text.into, fmt.Sprintf("one line of text of at most %d bytes", text.most))
		}
	}
	if p.Outcome != nil {
		if !p.Outcome.Valid() {
			return f, invalid("outcome", string(*p.Outcome), "one of "+list(AuditDone, AuditRefused, AuditFailed))
		}
		f.Outcome = access.Outcome(*p.Outcome)
	}
	if p.Since != nil {
		f.Since = *p.Since
	}
	if p.Until != nil {
		f.Until = *p.Until
	}
	if p.Before != nil {
		if f.Before = *p.Before; f.Before < 1 {
			return f, invalid("before", fmt.Sprint(f.Before), "an integer of at least 1")
		}
	}
	if p.Limit != nil {
		if f.Limit = int(*p.Limit); f.Limit < 1 || f.Limit > maxPage {
			return f, invalid("limit", fmt.Sprint(f.Limit), fmt.Sprintf("an integer from 1 to %d", maxPage))
		}
	}
	return f, nil
}
