package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"vedette.dev/vedette/internal/store/storetest"
)

// bulk opens a database for loads past the store, which has it open too.
func bulk(tb testing.TB, path string) storetest.Bulk {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(0)&_pragma=synchronous(0)&_pragma=cache_size(-524288)")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	begin, loaded := withoutTallies(tb, db)
	return storetest.Bulk{
		DB: db, Begin: begin, Loaded: loaded,
		Indexes: "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
		Bytes:   "unhex(%s)",
		Finish:  []string{"PRAGMA wal_checkpoint(TRUNCATE)"},
		Size:    "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
	}
}

// withoutTallies returns statements that drop the triggers of the tallies, and
// those that count at once what the triggers would have counted and make them
// again.
func withoutTallies(tb testing.TB, db *sql.DB) (drop, count []string) {
	tb.Helper()
	count = []string{
		"DELETE FROM tallies",
		"INSERT INTO tallies (subject, value, block, hosts) SELECT 'host', 0, id >> 13, count(*) FROM hosts GROUP BY id >> 13",
		"INSERT INTO tallies (subject, value, block, hosts) SELECT 'tag', tag_id, host_id >> 13, count(*) FROM host_tags GROUP BY tag_id, host_id >> 13",
		"INSERT INTO tallies (subject, value, block, hosts) SELECT 'port', port, host_id >> 13, count(DISTINCT host_id) FROM host_ports GROUP BY port, host_id >> 13",
	}
	rows, err := db.QueryContext(tb.Context(), "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_tally\\_%' ESCAPE '\\'")
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, definition string
		if err := rows.Scan(&name, &definition); err != nil {
			tb.Fatal(err)
		}
		drop, count = append(drop, "DROP TRIGGER "+name), append(count, definition)
	}
	if err := rows.Err(); err != nil || len(drop) == 0 {
		tb.Fatalf("%d triggers of tallies, %v", len(drop), err)
	}
	return drop, count
}

func TestALargeFleetIsMadeAsItWouldHaveGrown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette.db")
	now := func() time.Time { return storetest.Start }
	made, grown := open(t, path, now), open(t, filepath.Join(t.TempDir(), "vedette.db"), now)
	storetest.Bootstrap(t, made)
	storetest.Bootstrap(t, grown)
	storetest.CompareLargeFleets(t, made, grown, bulk(t, path))
}

// BenchmarkLargeFleet asks a fleet of VEDETTE_BENCH_HOSTS hosts, 100,000 unless
// told otherwise, what operators ask and what is hard to answer.
func BenchmarkLargeFleet(b *testing.B) {
	path := filepath.Join(b.TempDir(), "vedette.db")
	s := open(b, path, func() time.Time { return storetest.Start })
	storetest.Bootstrap(b, s)
	storetest.BenchmarkLargeFleet(b, s, bulk(b, path))
}
