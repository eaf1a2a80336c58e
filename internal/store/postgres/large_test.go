package postgres_test

import (
	"database/sql"
	"testing"
	"time"

	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/storetest"
)

// bulk opens a database for loads past the store, which has it open too. Its
// sessions run no triggers, those of references among them.
func bulk(tb testing.TB, dsn string) storetest.Bulk {
	tb.Helper()
	db, err := sql.Open("pgx", dsn+"&session_replication_role=replica&maintenance_work_mem=256MB")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return storetest.Bulk{
		DB: db,
		Indexes: `SELECT i.indexname, i.indexdef FROM pg_indexes AS i WHERE i.tablename = $1 AND i.schemaname = 'public'
			AND NOT EXISTS (SELECT 1 FROM pg_constraint AS c WHERE c.conname = i.indexname)`,
		Bytes: "decode(%s, 'hex')",
		Loaded: []string{ // what triggers would have done
			"INSERT INTO host_texts SELECT id, name, dns_host_name, address FROM hosts ON CONFLICT DO NOTHING",
			"DELETE FROM tallies",
			"INSERT INTO tallies (subject, value, block, hosts, settled) SELECT 'host', 0, id >> 13, count(*), true FROM hosts GROUP BY id >> 13",
			"INSERT INTO tallies (subject, value, block, hosts, settled) SELECT 'tag', tag_id, host_id >> 13, count(*), true FROM host_tags GROUP BY tag_id, host_id >> 13",
			"INSERT INTO tallies (subject, value, block, hosts, settled) SELECT 'port', port, host_id >> 13, count(DISTINCT host_id), true FROM host_ports GROUP BY port, host_id >> 13",
		},
		Finish: []string{
			"SELECT setval(pg_get_serial_sequence('hosts', 'id'), (SELECT max(id) FROM hosts))",
			"VACUUM ANALYZE", // as autovacuum does within minutes
		},
		Size: "SELECT pg_database_size(current_database())",
	}
}

func TestALargeFleetIsMadeAsItWouldHaveGrown(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	now := func() time.Time { return storetest.Start }
	made, grown := open(t, dsn, now), open(t, pgtest.Database(t), now)
	storetest.Bootstrap(t, made)
	storetest.Bootstrap(t, grown)
	storetest.CompareLargeFleets(t, made, grown, bulk(t, dsn))
}

// BenchmarkLargeFleet asks a fleet of VEDETTE_BENCH_HOSTS hosts, 100,000 unless
// told otherwise, what operators ask and what is hard to answer.
func BenchmarkLargeFleet(b *testing.B) {
	dsn := pgtest.Database(b)
	s := open(b, dsn, func() time.Time { return storetest.Start })
	storetest.Bootstrap(b, s)
	storetest.BenchmarkLargeFleet(b, s, bulk(b, dsn))
}
