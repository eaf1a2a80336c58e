package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
)

// CreateScanRequests stores one request per host or joins the pending one; see
// ondemand.Requests.
func (s *Store) CreateScanRequests(ctx context.Context, l ondemand.Launch) ([]ondemand.Request, error) {
	var check checker
	check.indexed("type", string(l.Type))
	check.text("requestedBy", l.RequestedBy)
	if check.err != nil {
		return nil, check.err
	}
	if len(l.HostIDs) == 0 {
		return nil, nil
	}
	byHost := make(map[int64]ondemand.Request, len(l.HostIDs))
	err := s.InTx(ctx, func(tx *Tx) error {
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		// What is pending now stays so: a request that ended after the insertion
		// found it would leave its host without any.
		_, err := tx.ids(ctx, "SELECT id FROM scan_requests WHERE "+s.dialect.InIDs("host_id")+" AND type = ? AND state IN "+pendingStates+
			" ORDER BY id"+s.dialect.ForNoKeyUpdate(), s.dialect.IDsParam(l.HostIDs), string(l.Type))
		if err != nil {
			return err
		}
		created, err := tx.insertScanRequests(ctx, l)
		if err != nil {
			return err
		}
		clear(byHost)
		err = tx.eachRequest(ctx, requestQuery+" WHERE "+s.dialect.InIDs("r.host_id")+" AND r.type = ? AND r.state IN "+pendingStates,
			[]any{s.dialect.IDsParam(l.HostIDs), string(l.Type)}, func(r ondemand.Request) { byHost[r.HostID] = r })
		if err != nil {
			return err
		}
		for _, id := range l.HostIDs {
			if _, ok := byHost[id]; !ok {
				return fault.Newf(fault.NotFound, "There is no host asset %d with an agent.", id)
			}
		}
		return tx.recordChanges(ctx, created...)
	})
	if err != nil {
		return nil, fmt.Errorf("create %s requests for %d hosts: %w", l.Type, len(l.HostIDs), err)
	}
	requests := make([]ondemand.Request, len(l.HostIDs))
	for i, id := range l.HostIDs {
		requests[i] = byHost[id]
	}
	return requests, nil
}

// insertScanRequests returns the hosts that got a new request; those with a
// pending one, and those without an agent, do not.
func (t *Tx) insertScanRequests(ctx context.Context, l ondemand.Launch) ([]int64, error) {
	rows := make([][]any, len(l.HostIDs))
	for i, id := range l.HostIDs {
		rows[i] = []any{i, id}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return nil, err
	}
	return t.ids(ctx, `INSERT INTO scan_requests (host_id, type, override_cpu, state, requested_by, created)
		SELECT a.host_id, CAST(? AS TEXT), `+boolean(l.OverrideCPU)+`, 'queued', CAST(? AS TEXT), CAST(? AS BIGINT)
		FROM `+t.dialect.Rows(columns("position:int, id:int"))+` AS l JOIN agents a ON a.host_id = l.id
		ORDER BY l.position ON CONFLICT (host_id, type) WHERE state IN `+pendingStates+` DO NOTHING RETURNING host_id`,
		string(l.Type), l.RequestedBy, micros(l.At), param)
}

// boolean is a truth value as a literal both engines take where no column says
// what a parameter is.
func boolean(v bool) string {
	if v {
		return "true"
	}
	return "false"
}

// DeliverScanRequests returns what waits for the agent or was not finished by
// it; see ondemand.Requests.
func (s *Store) DeliverScanRequests(ctx context.Context, hostID int64, at time.Time, limit int) ([]ondemand.Request, error) {
	var requests []ondemand.Request
	err := s.InTx(ctx, func(tx *Tx) error {
		requests = nil
		err := tx.eachRequest(ctx, requestQuery+" WHERE r.host_id = ? AND r.state IN ('queued', 'delivered', 'running') ORDER BY r.id LIMIT ?",
			[]any{hostID, limit}, func(r ondemand.Request) { requests = append(requests, r) })
		if err != nil {
			return err
		}
		var queued []int64
		for i := range requests {
			if r := &requests[i]; r.State == ondemand.Queued {
				queued = append(queued, r.ID)
				r.State, r.Delivered = ondemand.Delivered, at.UTC().Truncate(time.Microsecond)
			}
		}
		if len(queued) == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, "UPDATE scan_requests SET state = 'delivered', delivered = ? WHERE state = 'queued' AND "+s.dialect.InIDs("id"),
			micros(at), s.dialect.IDsParam(queued))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("deliver scan requests of host %d: %w", hostID, err)
	}
	return requests, nil
}

// ReportScanRequest moves a request to the state its agent reports; see
// ondemand.Requests. A report that reaches a request before its delivery was
// recorded counts as the delivery too.
func (s *Store) ReportScanRequest(ctx context.Context, hostID, id int64, report agentwire.ScanReport, at time.Time) error {
	var check checker
	check.text("reason", report.Reason)
	if check.err != nil {
		return check.err
	}
	var set, from string
	args := []any{micros(at)}
	switch report.State {
	case agentwire.ScanRunning:
		set, from = "state = 'running', started = ?", "('queued', 'delivered')"
	case agentwire.ScanRejected:
		set, from = "state = 'rejected', ended = ?, reason = ?", "('queued', 'delivered', 'running')"
		args = append(args, report.Reason)
	case agentwire.ScanFailed:
		set, from = "state = 'failed', ended = ?, reason = ?", "('queued', 'delivered', 'running')"
		args = append(args, report.Reason)
	default:
		return fault.Newf(fault.Invalid, "state %q cannot be reported: use running, rejected or failed", report.State)
	}
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "UPDATE scan_requests SET delivered = coalesce(delivered, ?), "+set+" WHERE id = ? AND host_id = ? AND state IN "+from,
			append(append([]any{micros(at)}, args...), id, hostID)...)
		if err == nil && n == 1 && report.State != agentwire.ScanRunning {
			err = tx.scansFinished(ctx, []int64{id})
		}
		if err != nil || n == 1 {
			return err
		}
		var state ondemand.State
		err = tx.QueryRow(ctx, "SELECT state FROM scan_requests WHERE id = ? AND host_id = ?", id, hostID).Scan(&state)
		return found(err, "scan request %d of host %d", id, hostID)
	})
	if err != nil {
		return fmt.Errorf("report scan request %d of host %d as %s: %w", id, hostID, report.State, err)
	}
	return nil
}

// ScanRequests lists requests, newest first.
func (s *Store) ScanRequests(ctx context.Context, f ondemand.Filter) ([]ondemand.Request, error) {
	var where []string
	var args []any
	add := func(condition string, arg any) {
		where, args = append(where, condition), append(args, arg)
	}
	if f.HostID != 0 {
		add("r.host_id = ?", f.HostID)
	}
	if f.Type != "" {
		add("r.type = ?", storable(string(f.Type)))
	}
	if f.State != "" {
		add("r.state = ?", storable(string(f.State)))
	}
	if f.Before != 0 {
		add("r.id < ?", f.Before)
	}
	if !f.Scope.All {
		add(inScope(s.dialect, f.Scope, "r.host_id"))
	}
	query := requestQuery
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	var requests []ondemand.Request
	err := s.view(ctx, func(tx *Tx) error {
		return tx.eachRequest(ctx, query+" ORDER BY r.id DESC LIMIT ?", append(args, f.Limit),
			func(r ondemand.Request) { requests = append(requests, r) })
	})
	if err != nil {
		return nil, fmt.Errorf("list scan requests: %w", err)
	}
	return requests, nil
}

// ScanRequest returns one request of a host in scope, or fault.NotFound.
func (s *Store) ScanRequest(ctx context.Context, scope fleet.Scope, id int64) (ondemand.Request, error) {
	query, args := requestQuery+" WHERE r.id = ?", []any{id}
	if !scope.All {
		condition, tags := inScope(s.dialect, scope, "r.host_id")
		query, args = query+" AND "+condition, append(args, tags)
	}
	r, err := scanRequest(s.queryRow(ctx, query, args...).Scan)
	if err != nil {
		return ondemand.Request{}, fmt.Errorf("read scan request %d: %w", id, found(err, "scan request %d", id))
	}
	return r, nil
}

// expireGroup is how many requests one transaction ends: after an outage there
// may be one per agent, and other writers wait meanwhile.
const expireGroup = 500

// overdueQuery asks for pending requests in one of some states, oldest first. It
// names the pending states too: SQLite uses the index on them for nothing else.
const overdueQuery = "SELECT id FROM scan_requests WHERE state IN " + pendingStates + " AND state IN %s AND created < ? ORDER BY created, id LIMIT ?"

// ExpireScanRequests ends requests nobody answers; see ondemand.Requests. It
// ends them in several transactions: those that are ended stay so when it fails.
func (s *Store) ExpireScanRequests(ctx context.Context, cutoff, abandoned, at time.Time) (int64, error) {
	expired, err := s.endScanRequests(ctx, "('queued')", cutoff, at, ondemand.Expired, "the agent did not fetch the request in time")
	if err != nil {
		return 0, fmt.Errorf("expire scan requests: %w", err)
	}
	failed, err := s.endScanRequests(ctx, "('delivered', 'running', 'uploaded')", abandoned, at, ondemand.Failed, "the scan did not come to an end in time")
	if err != nil {
		return 0, fmt.Errorf("give scan requests up: %w", err)
	}
	return expired + failed, nil
}

// endScanRequests moves the requests in the given states that were created
// before cutoff to a final state.
func (s *Store) endScanRequests(ctx context.Context, from string, cutoff, at time.Time, to ondemand.State, reason string) (int64, error) {
	var moved int64
	for {
		var ids []int64
		err := s.InTx(ctx, func(tx *Tx) (err error) {
			ids, err = tx.ids(ctx, fmt.Sprintf(overdueQuery, from)+s.dialect.ForNoKeyUpdate(), micros(cutoff), expireGroup)
			if err != nil || len(ids) == 0 {
				return err
			}
			_, err = tx.Exec(ctx, "UPDATE scan_requests SET state = ?, ended = ?, reason = ? WHERE "+s.dialect.InIDs("id"),
				string(to), micros(at), reason, s.dialect.IDsParam(ids))
			if err != nil {
				return err
			}
			return tx.scansFinished(ctx, ids)
		})
		if err != nil {
			return moved, err
		}
		moved += int64(len(ids))
		if len(ids) < expireGroup {
			return moved, nil
		}
	}
}

const requestQuery = `SELECT r.id, r.host_id, a.agent_id, r.type, r.override_cpu, r.state, r.reason, r.requested_by,
	r.created, r.delivered, r.started, r.ended FROM scan_requests r JOIN agents a ON a.host_id = r.host_id`

func scanRequest(scan func(...any) error) (ondemand.Request, error) {
	var r ondemand.Request
	var created, delivered, started, ended sql.NullInt64
	err := scan(&r.ID, &r.HostID, &r.AgentID, &r.Type, &r.OverrideCPU, &r.State, &r.Reason, &r.RequestedBy,
		&created, &delivered, &started, &ended)
	r.Created, r.Delivered, r.Started, r.Ended = when(created), when(delivered), when(started), when(ended)
	return r, err
}

func (t *Tx) eachRequest(ctx context.Context, query string, args []any, take func(ondemand.Request)) error {
	return t.each(ctx, query, args, func(rows *sql.Rows) error {
		r, err := scanRequest(rows.Scan)
		if err == nil {
			take(r)
		}
		return err
	})
}
