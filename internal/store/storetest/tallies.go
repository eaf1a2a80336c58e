package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/store"
)

// place is one number that is tallied.
type place struct {
	subject      string
	value, block int64
}

// readTallies returns what a query for subject, value, block and hosts finds.
func readTallies(t *testing.T, b *bundle, query string) map[place]int64 {
	t.Helper()
	found := make(map[place]int64)
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var at place
			var hosts int64
			if err := rows.Scan(&at.subject, &at.value, &at.block, &hosts); err != nil {
				return err
			}
			found[at] = hosts
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// checkTallies compares the tallies with what there is.
func checkTallies(t *testing.T, b *bundle, after string) {
	t.Helper()
	want := readTallies(t, b, `SELECT 'host', 0, id >> 13, count(*) FROM hosts GROUP BY id >> 13
		UNION ALL SELECT 'tag', tag_id, host_id >> 13, count(*) FROM host_tags GROUP BY tag_id, host_id >> 13
		UNION ALL SELECT 'port', port, host_id >> 13, count(DISTINCT host_id) FROM host_ports GROUP BY port, host_id >> 13`)
	got := readTallies(t, b, "SELECT subject, value, block, CAST(sum(hosts) AS BIGINT) FROM tallies GROUP BY subject, value, block")
	maps.DeleteFunc(got, func(_ place, hosts int64) bool { return hosts == 0 })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(place{})); diff != "" {
		t.Errorf("after %s: %s", after, diff)
	}
}

func testTallies(t *testing.T, create func(tb testing.TB) Database) {
	for name, run := range map[string]func(t *testing.T, b *bundle){
		"tallies follow every change":                     testTallyChanges,
		"changes that cancel out are settled":             testTalliesCancelOut,
		"changes at once and their settling lose nothing": testTalliesAtOnce,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, setup(t, create))
		})
	}
}

// testTallyChanges changes hosts, tags and ports at random.
func testTallyChanges(t *testing.T, b *bundle) {
	tags := MakeTags(t, b.Store, "red", "green", "blue")
	r := draws(8, 0)
	id := func() int64 { return 1 + r.Int64N(6)*3000 + r.Int64N(4) }
	changes := []struct {
		name string
		run  func(tx *store.Tx) (sql.Result, error)
	}{
		{"new hosts", func(tx *store.Tx) (sql.Result, error) {
			return tx.Exec(t.Context(), "INSERT INTO hosts (id, name, created, modified, tracking_method) SELECT id, 'host', 0, 0, 'QAGENT' FROM "+
				tx.Dialect().Rows(columns("id:int"))+" AS r WHERE true ON CONFLICT DO NOTHING", fmt.Sprintf("[[%d],[%d],[%d]]", id(), id(), id()))
		}},
		{"a tag for all", func(tx *store.Tx) (sql.Result, error) {
			return tx.Exec(t.Context(), "INSERT INTO host_tags (tag_id, host_id) SELECT CAST(? AS BIGINT), id FROM hosts WHERE true ON CONFLICT DO NOTHING", tags[r.IntN(3)])
		}},
		{"tags taken off", func(tx *store.Tx) (sql.Result, error) {
			return tx.Exec(t.Context(), "DELETE FROM host_tags WHERE host_id > ?", id())
		}},
		{"ports", func(tx *store.Tx) (sql.Result, error) {
			return tx.Exec(t.Context(), `INSERT INTO host_ports (host_id, protocol, address, port, process)
				SELECT id, 'TCP', a.address, CAST(? AS BIGINT), '' FROM hosts CROSS JOIN (SELECT '::' AS address UNION ALL SELECT CAST(? AS TEXT)) AS a WHERE hosts.id < ?
				ON CONFLICT (host_id, protocol, address, port) DO UPDATE SET process = 'sshd'`, 20+r.Int64N(3), fmt.Sprint("10.0.0.", r.IntN(3)), id())
		}},
		{"closed ports", func(tx *store.Tx) (sql.Result, error) {
			return tx.Exec(t.Context(), "DELETE FROM host_ports WHERE address = ? AND host_id < ?", []string{"::", "10.0.0.1"}[r.IntN(2)], id())
		}},
		{"removed hosts", func(tx *store.Tx) (sql.Result, error) {
			return tx.Exec(t.Context(), "DELETE FROM hosts WHERE id IN (?, ?)", id(), id())
		}},
	}
	for range 120 {
		change := changes[r.IntN(len(changes))]
		err := b.InTx(t.Context(), func(tx *store.Tx) error {
			_, err := change.run(tx)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		if r.IntN(4) == 0 {
			must(b.SettleTallies(t.Context()))(t)
		}
		checkTallies(t, b, change.name)
	}
}

// testTalliesCancelOut opens and closes more ports than one settlement takes.
func testTalliesCancelOut(t *testing.T, b *bundle) {
	Fill(t, b.Store, Hosts(t, b.Store, 3))
	var ports [][]any
	for port := range 3000 {
		ports = append(ports, []any{20_000 + port})
	}
	param := must(store.RowsParam(ports))(t)
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO host_ports (host_id, protocol, address, port, process) SELECT 1, 'TCP', '::', port, '' FROM "+
			tx.Dialect().Rows(columns("port:int"))+" AS r", param)
		return err
	})
	if err == nil {
		err = b.InTx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM host_ports WHERE port >= 20000")
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	for must(b.SettleTallies(t.Context()))(t) {
	}
	checkTallies(t, b, "ports were opened and closed")
	var rows int
	err = b.InTx(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM tallies WHERE subject = 'port' AND value >= 20000").Scan(&rows)
	})
	if err != nil || rows > 0 {
		t.Errorf("%d rows are left of numbers that are zero, %v", rows, err)
	}
}

// testTalliesAtOnce lets many change the same numbers while they are settled.
func testTalliesAtOnce(t *testing.T, b *bundle) {
	const hosts, workers = 64, 8
	Fill(t, b.Store, Hosts(t, b.Store, hosts))
	tag := MakeTags(t, b.Store, "busy")[0]
	ctx, cancel := context.WithCancel(t.Context())
	var changing, settling sync.WaitGroup
	for range 2 {
		settling.Go(func() {
			for ctx.Err() == nil {
				if _, err := b.SettleTallies(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for worker := range workers {
		changing.Go(func() {
			for n := range 20 {
				host := 1 + (worker*5+n/2)%hosts
				query := "INSERT INTO host_tags (tag_id, host_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
				if n%4 == 1 { // every second host keeps it, unless another worker takes it off
					query = "DELETE FROM host_tags WHERE tag_id = ? AND host_id = ?"
				}
				err := b.InTx(t.Context(), func(tx *store.Tx) error {
					_, err := tx.Exec(t.Context(), query, tag, host)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	changing.Wait()
	cancel()
	settling.Wait()
	checkTallies(t, b, "changes at once")
	// Two that settled at once may have left a row each; the next change puts them
	// together.
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM host_tags WHERE tag_id = ? AND host_id = (SELECT min(host_id) FROM host_tags WHERE tag_id = ?)", tag, tag)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for must(b.SettleTallies(t.Context()))(t) {
	}
	checkTallies(t, b, "the last was settled")
	var rows int
	err = b.InTx(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM tallies WHERE subject = 'tag' AND value = ?", tag).Scan(&rows)
	})
	if err != nil || rows > 1 {
		t.Errorf("%d rows are left of one number, %v", rows, err)
	}
}
