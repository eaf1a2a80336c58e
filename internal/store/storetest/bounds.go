package storetest

import (
	"fmt"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

// testBoundedHost fills each list of a host to the limit, by deltas that would
// each be fine, and then sends one entry more.
func testBoundedHost(t *testing.T, b *bundle) {
	ctx := t.Context()
	host := enrol(t, b.Store, 1).HostID
	held := snapshot("web")
	send(t, b.Store, pack(host, nil, held), Start)
	fillLists(t, b.Store, host, agentwire.MaxEntries)
	for name, add := range map[string]func(s *agentwire.Snapshot){
		"software":   func(s *agentwire.Snapshot) { s.Software = []agentwire.Software{deb("curl", "8")} },
		"ports":      func(s *agentwire.Snapshot) { s.Ports = []agentwire.Port{{Protocol: "TCP", Address: "::", Port: 22}} },
		"interfaces": func(s *agentwire.Snapshot) { s.Interfaces = []agentwire.Interface{{Name: "eth0"}} },
		"accounts":   func(s *agentwire.Snapshot) { s.Accounts = []agentwire.Account{{Username: "ada"}} },
		"processors": func(s *agentwire.Snapshot) { s.Processors = []agentwire.Processor{{Name: "CPU"}} },
		"volumes":    func(s *agentwire.Snapshot) { s.Volumes = []agentwire.Volume{{Name: "/"}} },
	} {
		next := snapshot("web")
		add(next)
		next.Normalize()
		p := pack(host, held, next)
		must(b.start(ctx, p))(t)
		must(b.AppendFragment(ctx, host, p.upload.Digest, 0, p.content))(t)
		if state, _, err := b.CommitUpload(ctx, host, p.upload.Digest, p.delta, Start); !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: got %s, %v; want it refused as too large", name, state, err)
		}
	}
	next := snapshot("renamed")
	send(t, b.Store, pack(host, held, next), Start) // full lists do not keep it from changing otherwise
	if state := must(b.start(ctx, pack(host, nil, held)))(t).State; state != agentwire.UploadOpen {
		t.Errorf("a new baseline is %s", state)
	}
}

// fillLists puts n entries into each list of a host.
func fillLists(tb testing.TB, s *store.Store, host int64, n int) {
	tb.Helper()
	ctx := tb.Context()
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = []any{i, fmt.Sprint("entry-", i)}
	}
	param, err := store.RowsParam(rows)
	if err != nil {
		tb.Fatal(err)
	}
	err = s.InTx(ctx, func(tx *store.Tx) error {
		source := " FROM " + tx.Dialect().Rows(columns("n:int, text")) + " AS r"
		for _, step := range []struct {
			query string
			args  []any
		}{
			{"INSERT INTO software (digest, package_key, kind, name, version, architecture, source_name, source_version, title) " +
				"SELECT r.text, r.text, '', r.text, '', '', '', '', r.text" + source, []any{param}},
			{"INSERT INTO host_software (host_id, software_id) SELECT h.id, s.id FROM hosts h CROSS JOIN software s WHERE h.id = ?", []any{host}},
			{"INSERT INTO host_ports (host_id, protocol, address, port, process) SELECT h.id, 'UDP', r.text, r.n, ''" +
				source + " CROSS JOIN hosts h WHERE h.id = ?", []any{param, host}},
			{"UPDATE host_details SET interfaces = ?, accounts = ?, processors = ?, volumes = ? WHERE host_id = ?",
				[]any{list(n, `{"name":"%d"}`), list(n, `{"username":"%d"}`), list(n, `{"slot":%d,"name":"x"}`), list(n, `{"name":"%d"}`), host}},
		} {
			if _, err := tx.Exec(ctx, step.query, step.args...); err != nil {
				return fmt.Errorf("%s: %w", step.query, err)
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func list(n int, format string) string {
	doc := []byte{'['}
	for i := range n {
		if i > 0 {
			doc = append(doc, ',')
		}
		doc = fmt.Appendf(doc, format, i+1)
	}
	return string(append(doc, ']'))
}
