package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/inventory"
)

// StartUpload stores an upload or returns the one that is there; see
// inventory.Uploads. When the host holds the result already, the on-demand
// requests the scan answers become complete here: there is nothing to commit.
func (s *Store) StartUpload(ctx context.Context, u inventory.Upload, at time.Time) (inventory.Upload, string, error) {
	if err := checkUpload(u); err != nil {
		return inventory.Upload{}, "", err
	}
	var held string
	var answer inventory.Upload
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		answer = u
		if held, err = tx.lockSnapshot(ctx, u.HostID, u.Start.Module); err != nil {
			return err
		}
		if u.Start.Result == held {
			answer.State, answer.Offset = agentwire.UploadCommitted, u.Start.Size
			return tx.completeScans(ctx, u.HostID, u.Start, at)
		}
		if u.Start.Base != "" && u.Start.Base != held {
			answer.State, answer.Offset = agentwire.UploadStale, 0
			return nil
		}
		answer.State, answer.Offset, err = tx.openUpload(ctx, u, at)
		return err
	})
	if err != nil {
		return inventory.Upload{}, "", fmt.Errorf("start upload of host %d: %w", u.HostID, err)
	}
	return answer, held, nil
}

func checkUpload(u inventory.Upload) error {
	var check checker
	check.indexed("digest", u.Digest)
	check.indexed("module", string(u.Start.Module))
	check.indexed("base", u.Start.Base)
	check.indexed("result", u.Start.Result)
	switch {
	case check.err != nil:
		return check.err
	case u.Digest == "" || u.Start.Result == "" || u.Start.Module == "":
		return fault.Newf(fault.Invalid, "an upload needs a module, a digest and a result, got %q, %q and %q", u.Start.Module, u.Digest, u.Start.Result)
	case u.Start.Size < 0:
		return fault.Newf(fault.Invalid, "size is %d bytes, it cannot be negative", u.Start.Size)
	}
	return nil
}

// openUpload returns the open upload with this digest, or makes it in place of
// any other of the same host and module.
func (t *Tx) openUpload(ctx context.Context, u inventory.Upload, at time.Time) (agentwire.UploadState, int64, error) {
	scans, err := encode(u.Start.Scans)
	if err != nil {
		return "", 0, err
	}
	// The same bytes may answer further requests by now.
	offsets, err := t.ids(ctx, `UPDATE uploads SET scans = ? WHERE host_id = ? AND digest = ? AND module = ? AND base = ? AND result = ?
		AND size = ? AND state = 'open' RETURNING received`,
		scans, u.HostID, u.Digest, string(u.Start.Module), u.Start.Base, u.Start.Result, u.Start.Size)
	if err != nil {
		return "", 0, err
	}
	if len(offsets) == 1 {
		return agentwire.UploadOpen, offsets[0], nil
	}
	_, err = t.Exec(ctx, "DELETE FROM uploads WHERE host_id = ? AND (digest = ? OR (module = ? AND state = 'open'))",
		u.HostID, u.Digest, string(u.Start.Module))
	if err != nil {
		return "", 0, err
	}
	_, err = t.Exec(ctx, `INSERT INTO uploads (host_id, digest, module, base, result, size, scans, state, started)
		VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?)`,
		u.HostID, u.Digest, string(u.Start.Module), u.Start.Base, u.Start.Result, u.Start.Size, scans, micros(at))
	return agentwire.UploadOpen, 0, err
}

// lockSnapshot returns the digest of what is held of the host, empty for
// nothing, and keeps other uploads of the host out.
func (t *Tx) lockSnapshot(ctx context.Context, hostID int64, module agentwire.Module) (string, error) {
	var id int64
	err := t.QueryRow(ctx, "SELECT id FROM hosts WHERE id = ?"+t.dialect.ForNoKeyUpdate(), hostID).Scan(&id)
	if err != nil {
		return "", found(err, "host %d", hostID)
	}
	// A statement of its own: one that waited for the lock would go on to show what
	// was held before it waited.
	var held string
	err = t.QueryRow(ctx, "SELECT digest FROM snapshots WHERE host_id = ? AND module = ?", hostID, string(module)).Scan(&held)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return held, err
}

// AppendFragment stores data at offset and returns the new offset; see
// inventory.Uploads.
func (s *Store) AppendFragment(ctx context.Context, hostID int64, digest string, offset int64, data []byte) (int64, error) {
	var next int64
	err := s.InTx(ctx, func(tx *Tx) error {
		u, err := tx.upload(ctx, hostID, digest, tx.dialect.ForUpdate())
		if err != nil {
			return err
		}
		end := offset + int64(len(data))
		switch {
		case offset < 0 || len(data) == 0 || end > u.Start.Size:
			return fault.Newf(fault.Invalid, "a fragment of %d bytes at offset %d does not fit an upload of %d bytes", len(data), offset, u.Start.Size)
		case u.State == agentwire.UploadCommitted:
			next = u.Start.Size
			return nil
		case offset > u.Offset:
			return fault.Newf(fault.Conflict, "a fragment begins at %d, but only %d bytes are stored", offset, u.Offset)
		case offset < u.Offset:
			next = u.Offset
			return tx.checkRepeated(ctx, hostID, digest, offset, len(data))
		}
		next = end
		_, err = tx.Exec(ctx, "INSERT INTO upload_fragments (host_id, digest, position, data) VALUES (?, ?, ?, ?)", hostID, digest, offset, data)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE uploads SET received = ? WHERE host_id = ? AND digest = ?", end, hostID, digest)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("append to upload %s of host %d: %w", digest, hostID, err)
	}
	return next, nil
}

func (t *Tx) checkRepeated(ctx context.Context, hostID int64, digest string, offset int64, size int) error {
	var stored int
	err := t.QueryRow(ctx, "SELECT length(data) FROM upload_fragments WHERE host_id = ? AND digest = ? AND position = ?", hostID, digest, offset).Scan(&stored)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && stored != size) {
		return fault.Newf(fault.Conflict, "a fragment of %d bytes at %d was not sent before", size, offset)
	}
	return err
}

// UploadContent returns an upload and the bytes stored for it, none once it is
// committed.
func (s *Store) UploadContent(ctx context.Context, hostID int64, digest string) (inventory.Upload, []byte, error) {
	var u inventory.Upload
	var content bytes.Buffer
	err := s.view(ctx, func(tx *Tx) (err error) {
		if u, err = tx.upload(ctx, hostID, digest, ""); err != nil {
			return err
		}
		content.Grow(int(u.Offset))
		return tx.each(ctx, "SELECT data FROM upload_fragments WHERE host_id = ? AND digest = ? ORDER BY position", []any{hostID, digest},
			func(rows *sql.Rows) error {
				var data sql.RawBytes
				if err := rows.Scan(&data); err != nil {
					return err
				}
				content.Write(data)
				return nil
			})
	})
	if err != nil {
		return inventory.Upload{}, nil, fmt.Errorf("read upload %s of host %d: %w", digest, hostID, err)
	}
	return u, content.Bytes(), nil
}

func (t *Tx) upload(ctx context.Context, hostID int64, digest, suffix string) (inventory.Upload, error) {
	u := inventory.Upload{HostID: hostID, Digest: digest}
	var scans []byte
	err := t.QueryRow(ctx, "SELECT module, base, result, size, scans, state, received FROM uploads WHERE host_id = ? AND digest = ?"+suffix,
		hostID, storable(digest)).Scan(&u.Start.Module, &u.Start.Base, &u.Start.Result, &u.Start.Size, &scans, &u.State, &u.Offset)
	if err != nil {
		return u, found(err, "upload %s of host %d", digest, hostID)
	}
	return u, decode(scans, &u.Start.Scans)
}

// CommitUpload applies the delta to the host's inventory; see
// inventory.Uploads.
func (s *Store) CommitUpload(ctx context.Context, hostID int64, digest string, delta *agentwire.Delta, at time.Time) (agentwire.UploadState, string, error) {
	if delta != nil {
		if err := checkDelta(delta); err != nil {
			return "", "", err
		}
		if err := s.learnAhead(ctx, hostID, digest, delta); err != nil {
			return "", "", fmt.Errorf("commit upload %s of host %d: %w", digest, hostID, err)
		}
	}
	var state agentwire.UploadState
	var held string
	err := s.inHostTx(ctx, func(tx *Tx, locked bool) error {
		u, err := tx.upload(ctx, hostID, digest, "")
		if err != nil {
			return err
		}
		if held, err = tx.lockSnapshot(ctx, hostID, u.Start.Module); err != nil {
			return err
		}
		// Read again now that no other upload of the host can move it.
		if u, err = tx.upload(ctx, hostID, digest, ""); err != nil {
			return err
		}
		switch {
		case u.State == agentwire.UploadCommitted:
			state = u.State
			return nil
		case delta == nil:
			return fault.Newf(fault.Conflict, "upload %s is not committed any more, start it again", digest)
		case delta.Base != u.Start.Base || delta.Result != u.Start.Result:
			return fault.Newf(fault.Invalid, "the delta leads from %q to %q, the upload was started from %q to %q", delta.Base, delta.Result, u.Start.Base, u.Start.Result)
		case u.Offset != u.Start.Size:
			return fault.Newf(fault.Conflict, "only %d of %d bytes are stored", u.Offset, u.Start.Size)
		case u.Start.Base != "" && u.Start.Base != held:
			state = agentwire.UploadStale
			return nil
		}
		state, held = agentwire.UploadCommitted, u.Start.Result
		return tx.commitUpload(ctx, u, delta, at, locked)
	})
	if err != nil {
		return "", "", fmt.Errorf("commit upload %s of host %d: %w", digest, hostID, err)
	}
	return state, held, nil
}

func (t *Tx) commitUpload(ctx context.Context, u inventory.Upload, delta *agentwire.Delta, at time.Time, locked bool) error {
	if err := t.applyDelta(ctx, u.HostID, delta); err != nil {
		return err
	}
	if delta.Host != nil {
		if err := t.claim(ctx, u.HostID, delta.Host.Cloud, at, locked); err != nil {
			return err
		}
	}
	if err := t.retag(ctx, u.HostID, locked); err != nil {
		return err
	}
	steps := []struct {
		query string
		args  []any
	}{
		{"UPDATE hosts SET modified = ? WHERE id = ?", []any{seconds(at), u.HostID}},
		{`INSERT INTO snapshots (host_id, module, digest, confirmed) VALUES (?, ?, ?, ?)
			ON CONFLICT (host_id, module) DO UPDATE SET digest = excluded.digest, confirmed = excluded.confirmed`,
			[]any{u.HostID, string(u.Start.Module), u.Start.Result, micros(at)}},
		{"DELETE FROM upload_fragments WHERE host_id = ? AND digest = ?", []any{u.HostID, u.Digest}},
		{"UPDATE uploads SET state = 'committed' WHERE host_id = ? AND digest = ?", []any{u.HostID, u.Digest}},
		// An agent repeats its last commit at most; older ones are of no use.
		{"DELETE FROM uploads WHERE host_id = ? AND module = ? AND digest <> ?", []any{u.HostID, string(u.Start.Module), u.Digest}},
	}
	for _, step := range steps {
		if _, err := t.Exec(ctx, step.query, step.args...); err != nil {
			return fmt.Errorf("record upload: %w", err)
		}
	}
	return t.completeScans(ctx, u.HostID, u.Start, at)
}

// completeScans makes the on-demand requests complete that the upload answers.
// Only requests of the host itself and of the module's scan type count.
func (t *Tx) completeScans(ctx context.Context, hostID int64, start agentwire.UploadStart, at time.Time) error {
	if len(start.Scans) == 0 || start.Module != agentwire.ModuleInventory {
		return nil
	}
	ended, err := t.ids(ctx, `UPDATE scan_requests SET state = 'complete', delivered = coalesce(delivered, ?), started = coalesce(started, ?), ended = ?
		WHERE host_id = ? AND type = ? AND state IN `+pendingStates+" AND "+t.dialect.InIDs("id")+" RETURNING id",
		micros(at), micros(at), micros(at), hostID, string(agentwire.InventoryScan), t.dialect.IDsParam(start.Scans))
	if err != nil {
		return fmt.Errorf("complete scan requests: %w", err)
	}
	return t.scansFinished(ctx, ended)
}
