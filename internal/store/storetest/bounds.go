package storetest

import (
	"testing"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

// testBoundedHost gives a host as many packages and ports as it may have, as
// deltas would that are each fine, and then sends one more.
func testBoundedHost(t *testing.T, b *bundle) {
	ctx := t.Context()
	host := enrol(t, b.Store, 1).HostID
	held := snapshot("web")
	send(t, b.Store, pack(host, nil, held), Start)
	fillHost(t, b.Store, host, agentwire.MaxEntries)
	withPort := snapshot("web")
	withPort.Ports = []agentwire.Port{{Protocol: "TCP", Address: "::", Port: 22}}
	for name, next := range map[string]*agentwire.Snapshot{"software": snapshot("web", deb("curl", "8")), "ports": withPort} {
		p := pack(host, held, next)
		must(b.start(ctx, p))(t)
		must(b.AppendFragment(ctx, host, p.upload.Digest, 0, p.content))(t)
		if state, _, err := b.CommitUpload(ctx, host, p.upload.Digest, p.delta, Start); !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: got %s, %v; want it refused as too large", name, state, err)
		}
	}
	send(t, b.Store, pack(host, held, snapshot("renamed")), Start) // full lists do not keep it from changing otherwise
}

// fillHost gives a host n packages and n ports.
func fillHost(tb testing.TB, s *store.Store, host int64, n int) {
	tb.Helper()
	ctx := tb.Context()
	const numbers = "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < ?) "
	err := s.InTx(ctx, func(tx *store.Tx) error {
		for _, step := range []struct {
			query string
			args  []any
		}{
			{numbers + `INSERT INTO software (digest, package_key, kind, name, version, architecture, source_name, source_version, title)
				SELECT CAST(n AS TEXT), CAST(n AS TEXT), '', '', '', '', '', '', '' FROM r`, []any{n}},
			{"INSERT INTO host_software (host_id, software_id) SELECT h.id, s.id FROM hosts h CROSS JOIN software s WHERE h.id = ?", []any{host}},
			{numbers + `INSERT INTO host_ports (host_id, protocol, address, port, process)
				SELECT h.id, 'UDP', '::', n, '' FROM r CROSS JOIN hosts h WHERE h.id = ?`, []any{n, host}},
		} {
			if _, err := tx.Exec(ctx, step.query, step.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}
