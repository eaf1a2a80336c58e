package connector_test

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
	"vedette.dev/vedette/internal/secret"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/sqlite"
	"vedette.dev/vedette/internal/store/storetest"
	"vedette.dev/vedette/qps"
)

// site is all that connectors need on the platform's side, beside an AWS: the
// real storage, client and rules. The test itself is the job engine.
type site struct {
	*connector.Directory
	connector.Syncer
	*mototest.Cloud
	tb       testing.TB
	store    *store.Store
	database string // SQLite file, empty on PostgreSQL
	counted  *counted

	mu  sync.Mutex
	now time.Time
}

// noQueue is a queue for tests that run what is queued themselves.
type noQueue struct{}

func (noQueue) Enqueue(context.Context, *sql.Tx, string, int64) error { return nil }
func (noQueue) Cancel(context.Context, *sql.Tx, string, int64) error  { return nil }

// impatient are limits with which a test need not wait for a region that is
// silent.
var impatient = aws.Limits{Request: 400 * time.Millisecond, Call: 2 * time.Second, Tries: 3, Pause: 20 * time.Millisecond}

func newSite(tb testing.TB, limits aws.Limits, onPostgres bool) *site {
	tb.Helper()
	s := &site{tb: tb, Cloud: mototest.New(tb), now: time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)}
	var err error
	if onPostgres {
		var dsn string
		s.counted, dsn = newCounted(tb, pgtest.Database(tb))
		s.store, err = postgres.Open(tb.Context(), dsn, s.clock)
	} else {
		s.database = filepath.Join(tb.TempDir(), "vedette.db")
		s.store, err = sqlite.Open(tb.Context(), s.database, s.clock)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			tb.Error(err)
		}
	})
	envelope, err := secret.ParseEnvelope([]byte(secret.NewEnvelopeKey()))
	if err == nil {
		err = s.store.OpenSecrets(tb.Context(), envelope)
	}
	if err != nil {
		tb.Fatal(err)
	}
	storetest.Bootstrap(tb, s.store)
	s.store.UseQueue(noQueue{})
	s.Directory = &connector.Directory{Connectors: s.store, Accounts: s.store, Now: s.clock}
	s.Syncer = connector.Syncer{Runs: s.store, Cloud: aws.New("test", limits), Now: s.clock, Log: slog.New(slog.DiscardHandler)}
	for _, p := range []connector.Partition{connector.GovCloud, connector.China} {
		if err := s.SetOption(tb.Context(), fleet.WholeFleet(), p, true); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// statements is how many statements were sent so far; PostgreSQL only.
func (s *site) statements() int64 {
	if s.counted == nil {
		return 0
	}
	return s.counted.sent.Load()
}

// withKeys is a connector of the regions, all of them when there are none, with
// keys of the account.
func (s *site) withKeys(keys connector.Credentials, p connector.Partition, regions ...string) connector.Connector {
	s.tb.Helper()
	record, err := s.CreateAuthRecord(s.tb.Context(), fleet.WholeFleet(), qps.AwsAuthRecordChange{
		Name: new("keys"), AccessKeyID: &keys.AccessKeyID, SecretKey: &keys.SecretKey,
	})
	if err != nil {
		s.tb.Fatal(err)
	}
	change := change(p, regions...)
	change.AuthRecordID = &record.ID
	return s.create(change)
}

// withRole is a connector with a role and an external id.
func (s *site) withRole(role, externalID string, p connector.Partition, regions ...string) connector.Connector {
	s.tb.Helper()
	change := change(p, regions...)
	change.ARN, change.ExternalID = &role, &externalID
	return s.create(change)
}

func change(p connector.Partition, regions ...string) qps.AwsAssetDataConnectorChange {
	c := qps.AwsAssetDataConnectorChange{
		AssetDataConnectorChange: qps.AssetDataConnectorChange{
			Name: new("production"), IsGovCloudConfigured: new(p == connector.GovCloud), IsChinaConfigured: new(p == connector.China),
		},
		AllRegions: new(len(regions) == 0),
	}
	c.Activation.Set, c.Endpoints.Set = []string{"VM"}, regions
	return c
}

func (s *site) create(change qps.AwsAssetDataConnectorChange) connector.Connector {
	s.tb.Helper()
	c, err := s.Create(s.tb.Context(), fleet.WholeFleet(), change)
	if err != nil {
		s.tb.Fatal(err)
	}
	return c
}

// sync runs a connector an hour later and returns it as it is then, and its run.
func (s *site) sync(id int64) (connector.Connector, connector.Run) {
	s.tb.Helper()
	s.pass(time.Hour)
	s.ask(id)
	if err := s.Syncer.Run(s.tb.Context(), id); err != nil {
		s.tb.Fatal(err)
	}
	return s.stands(id)
}

// ask asks for a run.
func (s *site) ask(id int64) {
	s.tb.Helper()
	if _, err := s.Directory.Run(s.tb.Context(), fleet.WholeFleet(), id, "ada"); err != nil {
		s.tb.Fatal(err)
	}
}

// stands returns a connector and its newest run.
func (s *site) stands(id int64) (connector.Connector, connector.Run) {
	s.tb.Helper()
	c, err := s.Get(s.tb.Context(), fleet.WholeFleet(), id)
	if err != nil {
		s.tb.Fatal(err)
	}
	runs, err := s.Directory.Runs(s.tb.Context(), fleet.WholeFleet(), id)
	if err != nil || len(runs) == 0 {
		s.tb.Fatalf("connector %d has the runs %v, %v", id, runs, err)
	}
	newest := slices.MaxFunc(runs, func(a, b connector.Run) int { return int(a.ID - b.ID) })
	return c, newest
}

func ec2(h *qps.HostAsset) *qps.EC2Source {
	for _, source := range h.Sources {
		if e, ok := source.(*qps.EC2Source); ok {
			return e
		}
	}
	return nil
}

// activated returns the modules that are active on a host asset; SQLite only.
func (s *site) activated(hostID int64) (modules []string) {
	s.tb.Helper()
	db, err := sql.Open("sqlite", s.database)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(s.tb.Context(), "SELECT module FROM host_modules WHERE host_id = ? ORDER BY module", hostID)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var module string
		if err := rows.Scan(&module); err != nil {
			s.tb.Fatal(err)
		}
		modules = append(modules, module)
	}
	if err := rows.Err(); err != nil {
		s.tb.Fatal(err)
	}
	return modules
}

// assets returns every host asset by its instance id.
func (s *site) assets() map[string]qps.HostAsset {
	s.tb.Helper()
	page, err := s.store.SearchHosts(s.tb.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: 100_000})
	if err != nil {
		s.tb.Fatal(err)
	}
	byInstance := make(map[string]qps.HostAsset)
	for _, h := range page.Hosts {
		if source := ec2(&h); source != nil {
			byInstance[source.InstanceID] = h
		}
	}
	if len(byInstance) != len(page.Hosts) {
		s.tb.Errorf("%d host assets are %d instances", len(page.Hosts), len(byInstance))
	}
	return byInstance
}
