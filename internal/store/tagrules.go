package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

const (
	// passHosts bounds the hosts of one transaction of a pass over all hosts.
	passHosts = 1000
	// passGroup is how many hosts are read at a time, and packageGroup how many with
	// all their packages, of which a host has hundreds: about 10 ms both.
	passGroup    = 32
	packageGroup = 4
	// passTime is after how long a transaction of a pass ends: others wait for it.
	passTime = 20 * time.Millisecond
)

// errNeedsLock ends a transaction that has to begin with lockChanges: rules move
// tags, or the host turns out to be an instance.
var errNeedsLock = errors.New("the change of a host reaches beyond it")

// tagRule is the rule of a tag.
type tagRule struct {
	tagID int64
	kind  fleet.RuleType
	rule  *fleet.TagRule
}

// RuleHint returns a channel that receives after this process changed tags, so
// that the one who evaluates their rules need not wait. There is one channel for
// one receiver.
func (s *Store) RuleHint() <-chan struct{} { return s.ruleHint }

func (s *Store) signalRules() {
	select {
	case s.ruleHint <- struct{}{}:
	default: // one is waiting already
	}
}

// EvaluateRules evaluates a rule that was made or changed for the next hosts;
// see fleet.RulePasses. The rows of the hosts are locked: a commit of an
// inventory that does not see the rule yet is waited for, one that comes later
// sees it.
func (s *Store) EvaluateRules(ctx context.Context) (more bool, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		rules, after, err := tx.pendingRule(ctx)
		if more = len(rules) > 0; err != nil || !more {
			return err
		}
		return tx.continuePass(ctx, rules, after, s.now)
	})
	if err != nil {
		return false, fmt.Errorf("evaluate rules of tags: %w", err)
	}
	return more, nil
}

// pendingRule returns a rule that is not evaluated for all hosts, and the last
// host it is.
func (t *Tx) pendingRule(ctx context.Context) ([]tagRule, int64, error) {
	var after int64
	rules, err := t.rules(ctx, "SELECT id, rule_type, rule_text, evaluated_to FROM tags WHERE evaluated_to IS NOT NULL ORDER BY id LIMIT 1", &after)
	return rules, after, err
}

// rules reads and compiles rules; extra receives a fourth column.
func (t *Tx) rules(ctx context.Context, query string, extra ...any) ([]tagRule, error) {
	var rules []tagRule
	err := t.each(ctx, query, nil, func(rows *sql.Rows) error {
		var r tagRule
		var text string
		if err := rows.Scan(append([]any{&r.tagID, &r.kind, &text}, extra...)...); err != nil {
			return err
		}
		var err error
		if r.rule, err = fleet.CompileRule(r.kind, text); err != nil {
			// Checked when it was stored, perhaps by another release: it must not
			// keep every host from uploading.
			r.rule = fleet.NoHostRule()
		}
		rules = append(rules, r)
		return nil
	})
	return rules, err
}

// continuePass evaluates for hosts after the given one until the transaction has
// taken its time.
func (t *Tx) continuePass(ctx context.Context, rules []tagRule, after int64, now func() time.Time) error {
	started, group := now(), passGroup
	if rules[0].kind == fleet.RuleSoftware {
		group = packageGroup
	}
	for done := 0; done < passHosts && now().Sub(started) < passTime; done += group {
		hosts, err := t.ids(ctx, "SELECT id FROM hosts WHERE id > ? ORDER BY id LIMIT ?"+t.dialect.ForUpdate(), after, group)
		if err != nil {
			return fmt.Errorf("read hosts after %d: %w", after, err)
		}
		if len(hosts) == 0 {
			_, err := t.Exec(ctx, "UPDATE tags SET evaluated_to = NULL WHERE id = ?", rules[0].tagID)
			return err
		}
		moves, err := t.ruleMoves(ctx, rules, hosts)
		if err != nil {
			return err
		}
		if err := t.moveTags(ctx, moves); err != nil {
			return err
		}
		if err := t.reassignProfiles(ctx, moves.hosts()); err != nil {
			return fmt.Errorf("decide profiles again: %w", err)
		}
		after = hosts[len(hosts)-1]
	}
	_, err := t.Exec(ctx, "UPDATE tags SET evaluated_to = ? WHERE id = ?", after, rules[0].tagID)
	return err
}

// tagMoves are rows of host_tags, as (tag, host), to insert and to delete.
type tagMoves struct{ put, drop [][2]int64 }

func (m tagMoves) empty() bool { return len(m.put) == 0 && len(m.drop) == 0 }

// hosts returns the hosts whose tags move, each once.
func (m tagMoves) hosts() []int64 {
	var ids []int64
	for _, row := range slices.Concat(m.put, m.drop) {
		ids = append(ids, row[1])
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// hostMoves evaluates all rules for one host.
func (t *Tx) hostMoves(ctx context.Context, hostID int64) (tagMoves, error) {
	rules, err := t.rules(ctx, "SELECT id, rule_type, rule_text FROM tags WHERE rule_type <> 'STATIC' ORDER BY id")
	if err != nil || len(rules) == 0 {
		return tagMoves{}, err
	}
	return t.ruleMoves(ctx, rules, []int64{hostID})
}

// applyRules brings the tags of a host in line with the rules. Profiles are for
// the caller. The transaction must have begun with lockChanges.
func (t *Tx) applyRules(ctx context.Context, hostID int64) error {
	moves, err := t.hostMoves(ctx, hostID)
	if err == nil {
		err = t.moveTags(ctx, moves)
	}
	if err != nil {
		return fmt.Errorf("evaluate rules of tags for host %d: %w", hostID, err)
	}
	return nil
}

// retag is applyRules after the inventory of a host changed. Unless the
// transaction is locked, it ends with errNeedsLock when there is something to do.
func (t *Tx) retag(ctx context.Context, hostID int64, locked bool) error {
	moves, err := t.hostMoves(ctx, hostID)
	switch {
	case err != nil:
		return fmt.Errorf("evaluate rules of tags for host %d: %w", hostID, err)
	case moves.empty():
		return nil
	case !locked:
		return errNeedsLock
	}
	if err := t.moveTags(ctx, moves); err != nil {
		return err
	}
	return t.reassignProfiles(ctx, []int64{hostID})
}

// inHostTx runs a change of a host's inventory that may move tags. Tags rarely
// move, so the lock under which they do is only taken when they do: the
// transaction then runs again.
func (s *Store) inHostTx(ctx context.Context, fn func(tx *Tx, locked bool) error) error {
	if s.dialect.LockChanges() != "" {
		err := s.InTx(ctx, func(tx *Tx) error { return fn(tx, false) })
		if !errors.Is(err, errNeedsLock) {
			return err
		}
	}
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		return fn(tx, true)
	})
}

func (t *Tx) moveTags(ctx context.Context, m tagMoves) error {
	for _, step := range []struct {
		rows  [][2]int64
		query string
	}{
		{m.put, "INSERT INTO host_tags (tag_id, host_id) SELECT tag_id, host_id FROM %s AS r WHERE true ON CONFLICT DO NOTHING"},
		{m.drop, "DELETE FROM host_tags WHERE (tag_id, host_id) IN (SELECT tag_id, host_id FROM %s AS r)"},
	} {
		if len(step.rows) == 0 {
			continue
		}
		rows := make([][]any, len(step.rows))
		for i, row := range step.rows {
			rows[i] = []any{row[0], row[1]}
		}
		param, err := RowsParam(rows)
		if err != nil {
			return err
		}
		if _, err := t.Exec(ctx, fmt.Sprintf(step.query, t.dialect.Rows(columns("tag_id:int, host_id:int"))), param); err != nil {
			return fmt.Errorf("move tags of %d hosts: %w", len(m.hosts()), err)
		}
	}
	return nil
}

// ruleMoves compares what the rules want for the hosts with the tags they have.
func (t *Tx) ruleMoves(ctx context.Context, rules []tagRule, hostIDs []int64) (tagMoves, error) {
	facts, err := t.hostFacts(ctx, rules, hostIDs)
	if err != nil {
		return tagMoves{}, fmt.Errorf("read facts of %d hosts: %w", len(hostIDs), err)
	}
	tagIDs := make([]int64, len(rules))
	for i, r := range rules {
		tagIDs[i] = r.tagID
	}
	has := make(map[[2]int64]bool)
	err = t.each(ctx, "SELECT tag_id, host_id FROM host_tags WHERE "+t.dialect.InIDs("host_id")+" AND "+t.dialect.InIDs("tag_id"),
		[]any{t.dialect.IDsParam(hostIDs), t.dialect.IDsParam(tagIDs)}, func(rows *sql.Rows) error {
			var row [2]int64
			if err := rows.Scan(&row[0], &row[1]); err != nil {
				return err
			}
			has[row] = true
			return nil
		})
	if err != nil {
		return tagMoves{}, fmt.Errorf("read tags of %d hosts: %w", len(hostIDs), err)
	}
	var moves tagMoves
	for _, hostID := range hostIDs {
		for _, r := range rules {
			row := [2]int64{r.tagID, hostID}
			switch wanted := r.rule.Match(facts[hostID]); {
			case wanted && !has[row]:
				moves.put = append(moves.put, row)
			case !wanted && has[row]:
				moves.drop = append(moves.drop, row)
			}
		}
	}
	return moves, nil
}

// hostFacts reads what the rules look at, and no more.
func (t *Tx) hostFacts(ctx context.Context, rules []tagRule, hostIDs []int64) (map[int64]*fleet.HostFacts, error) {
	facts := make(map[int64]*fleet.HostFacts, len(hostIDs))
	for _, id := range hostIDs {
		facts[id] = &fleet.HostFacts{}
	}
	asked := func(kind fleet.RuleType) bool {
		return slices.ContainsFunc(rules, func(r tagRule) bool { return r.kind == kind })
	}
	ids := []any{t.dialect.IDsParam(hostIDs)}
	var id int64
	read := func(wanted bool, query string, dest []any, take func(f *fleet.HostFacts)) error {
		if !wanted {
			return nil
		}
		return t.each(ctx, query, ids, func(rows *sql.Rows) error {
			if err := rows.Scan(append([]any{&id}, dest...)...); err != nil {
				return err
			}
			take(facts[id])
			return nil
		})
	}
	if asked(fleet.RuleCloudAsset) {
		instances, err := t.instances(ctx, hostIDs)
		if err != nil {
			return nil, err
		}
		for n := range instances {
			facts[instances[n].hostID].Instance = instances[n].source()
		}
	}
	var name, title, address string
	var os sql.NullString
	var interfaces []byte
	var port int64
	in := t.dialect.InIDs
	return facts, errors.Join(
		read(asked(fleet.RuleNameContains) || asked(fleet.RuleOS) || asked(fleet.RuleNetwork),
			`SELECT h.id, h.name, o.name, h.address, d.interfaces FROM hosts AS h LEFT JOIN operating_systems AS o ON o.id = h.os_id
				JOIN host_details AS d ON d.host_id = h.id WHERE `+in("h.id"),
			[]any{&name, &os, &address, &interfaces},
			func(f *fleet.HostFacts) { f.Name, f.OS, f.Addresses = name, os.String, addresses(address, interfaces) }),
		read(asked(fleet.RulePorts), "SELECT host_id, port FROM host_ports WHERE "+in("host_id"),
			[]any{&port},
			func(f *fleet.HostFacts) { f.Ports = append(f.Ports, port) }),
		read(asked(fleet.RuleSoftware), "SELECT x.host_id, s.name, s.title FROM host_software AS x JOIN software AS s ON s.id = x.software_id WHERE "+in("x.host_id"),
			[]any{&name, &title},
			func(f *fleet.HostFacts) { f.Software = append(f.Software, name, title) }),
	)
}

// addresses returns the address of a host and those of its interfaces, without
// loopback ones, which every host has. Text that is no address is passed over.
func addresses(address string, interfaces []byte) []netip.Addr {
	texts := []string{address}
	var list []agentwire.Interface
	if decode(interfaces, &list) == nil {
		for _, i := range list {
			texts = append(texts, i.Address)
		}
	}
	var found []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && !a.IsLoopback() {
			found = append(found, a)
		}
	}
	return found
}
