package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/store"
)

func testAudit(t *testing.T, create func(tb testing.TB) Database) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *bundle)
	}{
		{"entries are found by every filter", testAuditFilters},
		{"takes any text", testAuditTexts},
		{"is never changed", testAuditStays},
		{"is pruned in steps", testAuditPruning},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, setup(t, create))
		})
	}
}

func testAuditFilters(t *testing.T, b *bundle) {
	ctx := t.Context()
	at := func(minutes int) time.Time {
		return Start.Add(time.Duration(minutes)*time.Minute + 123456*time.Microsecond)
	}
	want := []access.Entry{ // as they are returned
		{ID: 5, Time: at(4), Actor: "ADA", Address: "::1", Action: "sign in", Outcome: access.Refused},
		{ID: 4, Time: at(3), Actor: "bob", Address: "::1", Action: "sign in", Outcome: access.Done},
		{ID: 3, Time: at(2), Actor: "ada", Address: "203.0.113.8", Action: "update am/hostasset", Object: "100% _x", Outcome: access.Failed, Detail: "no"},
		{ID: 2, Time: at(1), Actor: "ada", Address: "203.0.113.8", Action: "update am/tag", Object: "7", Outcome: access.Done},
		{ID: 1, Time: at(0), Actor: "ada", Address: "203.0.113.8", Action: "sign in", Outcome: access.Done, Detail: "password"},
	}
	for i := len(want) - 1; i >= 0; i-- {
		if err := b.Append(ctx, want[i]); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		filter access.AuditFilter
		ids    []int64
	}{
		"everything":       {access.AuditFilter{}, []int64{5, 4, 3, 2, 1}},
		"limit":            {access.AuditFilter{Limit: 2}, []int64{5, 4}},
		"before":           {access.AuditFilter{Before: 3}, []int64{2, 1}},
		"actor":            {access.AuditFilter{Actor: "ada"}, []int64{3, 2, 1}},
		"no actor":         {access.AuditFilter{Actor: "ad"}, nil},
		"broken actor":     {access.AuditFilter{Actor: "\xff"}, nil},
		"action":           {access.AuditFilter{Action: "update am/"}, []int64{3, 2}},
		"object":           {access.AuditFilter{Object: "% _"}, []int64{3}},
		"no wildcards":     {access.AuditFilter{Object: "_00"}, nil},
		"object with NUL":  {access.AuditFilter{Object: "7\x00"}, nil},
		"outcome":          {access.AuditFilter{Outcome: access.Refused}, []int64{5}},
		"since and until":  {access.AuditFilter{Since: at(1), Until: at(3)}, []int64{3, 2}},
		"actor and action": {access.AuditFilter{Actor: "ada", Action: "sign in"}, []int64{1}},
	} {
		filter := test.filter
		if filter.Limit == 0 {
			filter.Limit = 100
		}
		var expected []access.Entry
		for _, id := range test.ids {
			expected = append(expected, want[len(want)-int(id)])
		}
		if diff := cmp.Diff(expected, must(b.AuditEntries(ctx, filter))(t)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func testAuditTexts(t *testing.T, b *bundle) {
	ctx := t.Context()
	for sent, want := range map[string]string{
		"":                         "",
		"line\nbreak\x1b[2J\x00\t": "line�break�[2J��",
		"\xff\xfe":                 "��",
		"right\u202eleft":          "right�left",
		"ünï 日本":                   "ünï 日本",
	} {
		entry := access.Entry{Time: Start, Actor: sent, Address: sent, Action: sent, Object: sent, Detail: sent, Outcome: access.Done}
		if err := b.Append(ctx, entry); err != nil {
			t.Fatal(err)
		}
		got := must(b.AuditEntries(ctx, access.AuditFilter{Limit: 1}))(t)[0]
		for _, text := range []string{got.Actor, got.Address, got.Action, got.Object, got.Detail} {
			if text != want {
				t.Errorf("%q became %q, want %q", sent, text, want)
			}
		}
	}
	for _, letter := range []string{"x", "é", "\xff", "\x00", "日"} {
		long := strings.Repeat(letter, 30_000)
		if err := b.Append(ctx, access.Entry{Time: Start, Actor: long, Object: long, Detail: long, Outcome: access.Refused}); err != nil {
			t.Fatal(err)
		}
		got := must(b.AuditEntries(ctx, access.AuditFilter{Limit: 1}))(t)[0]
		for text, limit := range map[string]int{got.Actor: access.MaxAuditActorBytes, got.Object: access.MaxAuditObjectBytes, got.Detail: access.MaxAuditDetailBytes} {
			if len(text) > limit || len(text) < limit-2 || !utf8.ValidString(text) {
				t.Errorf("30,000 times %q became %d bytes, want up to %d that are valid", letter, len(text), limit)
			}
		}
	}
	if err := b.Append(ctx, access.Entry{Time: Start, Outcome: "perhaps"}); err == nil {
		t.Error("an outcome that is none was stored")
	}
}

func testAuditStays(t *testing.T, b *bundle) {
	ctx := t.Context()
	entry := access.Entry{Time: Start, Actor: "ada", Action: "sign in", Outcome: access.Done}
	if err := b.Append(ctx, entry); err != nil {
		t.Fatal(err)
	}
	if err := b.PruneAudit(ctx, Start); err != nil { // the row is not older
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE audit SET actor = 'bob'", "UPDATE audit SET time = 0", "DELETE FROM audit"} {
		err := b.InTx(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "audit log") {
			t.Errorf("%s: got %v, want it refused by the database", statement, err)
		}
	}
	entry.ID = 1
	if diff := cmp.Diff([]access.Entry{entry}, must(b.AuditEntries(ctx, access.AuditFilter{Limit: 9}))(t)); diff != "" {
		t.Error(diff)
	}
}

func testAuditPruning(t *testing.T, b *bundle) {
	ctx := t.Context()
	const old, recent = 2500, 3
	err := b.InTx(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < ?)
			INSERT INTO audit (time, actor, address, action, object, outcome, detail) SELECT n, '', '', '', '', 'done', '' FROM r`, old)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range recent {
		if err := b.Append(ctx, access.Entry{Time: Start.Add(time.Duration(i) * time.Hour), Actor: fmt.Sprint(i), Outcome: access.Done}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.PruneAudit(ctx, Start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := b.PruneAudit(ctx, Start); err != nil { // an earlier time brings nothing back and takes nothing
		t.Fatal(err)
	}
	got := must(b.AuditEntries(ctx, access.AuditFilter{Limit: 10}))(t)
	if len(got) != recent-1 || got[0].Actor != "2" || got[1].Actor != "1" {
		t.Errorf("left are %v", got)
	}
}
