package connector_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
	"vedette.dev/vedette/qps"
)

func TestARegionThatFailsIsNamedAndLosesNothing(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]mototest.Fault{
		"throttled": mototest.Throttled(0), "expired": mototest.Expired(), "cut off": mototest.CutOff(), "silent": mototest.Silence(),
		"refused": mototest.Refusal(403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, impatient, false)
			account := s.Account(connector.GovCloud)
			account.Launch("us-gov-west-1", 2)
			account.Launch("us-gov-east-1", 1)
			id := s.withKeys(account.Keys(), connector.GovCloud, "us-gov-west-1", "us-gov-east-1").ID
			s.sync(id)
			s.Break(mototest.Breakage{Action: "DescribeInstances", Region: "us-gov-west-1", Fault: broken})
			added := account.Launch("us-gov-east-1", 1)[0]
			c, _ := s.sync(id)
			if c.State != connector.FinishedErrors || !strings.Contains(c.LastError, "us-gov-west-1") || strings.Contains(c.LastError, "us-gov-east-1") {
				t.Errorf("the connector is %s with %q", c.State, c.LastError)
			}
			assets := s.assets()
			if _, found := assets[added]; !found || len(assets) != 4 {
				t.Errorf("%d instances, want 4 with the new one", len(assets))
			}
			for instance, h := range assets {
				if ec2(&h).InstanceState != "RUNNING" {
					t.Errorf("%s in %s is %s", instance, ec2(&h).Region, ec2(&h).InstanceState)
				}
			}
			s.Mend()
			if c, _ := s.sync(id); c.State != connector.FinishedSuccess || c.LastError != "" {
				t.Errorf("mended the connector is %s with %q", c.State, c.LastError)
			}
		})
	}
}

func TestThrottlingThatPassesIsWaitedOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, impatient, false)
	account := s.Account(connector.Commercial)
	account.Launch("us-east-1", 2)
	s.Break(mototest.Breakage{Action: "DescribeInstances", Times: 2, Fault: mototest.Throttled(0)})
	c, run := s.sync(s.withKeys(account.Keys(), connector.Commercial, "us-east-1").ID)
	if c.State != connector.FinishedSuccess || run.Regions[0].Created != 2 {
		t.Errorf("the connector is %s with %q: %+v", c.State, c.LastError, run.Regions)
	}
}

func TestCredentialsOfARoleThatExpireInTheMiddleAreRenewed(t *testing.T) {
	t.Parallel()
	s := newSite(t, impatient, false)
	account := s.Account(connector.Commercial)
	for range 4 {
		account.Launch("us-east-1", 1)
	}
	s.Pages(2)
	err := s.SetBaseAccount(t.Context(), fleet.WholeFleet(), connector.Commercial, account.ID,
		connector.Keys{AccessKeyID: account.Keys().AccessKeyID, SecretKey: account.Keys().SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	id := s.withRole(account.Role("vedette", trusting("x-1"), listing), "x-1", connector.Commercial, "us-east-1").ID
	s.Break(mototest.Breakage{Action: "DescribeInstances", After: 1, Times: 1, Fault: mototest.Expired()})
	c, run := s.sync(id)
	if c.State != connector.FinishedSuccess || run.Regions[0].Created != 4 {
		t.Errorf("the connector is %s with %q: %+v", c.State, c.LastError, run.Regions)
	}
	if n := len(s.Requests("AssumeRole")); n != 2 {
		t.Errorf("the role was assumed %d times", n)
	}
}

func TestTheNextRunUsesKeysThatWereRotated(t *testing.T) {
	t.Parallel()
	s := newSite(t, impatient, false)
	account := s.Account(connector.Commercial)
	account.Launch("us-east-1", 1)
	c := s.withKeys(account.Keys(), connector.Commercial, "us-east-1")
	s.sync(c.ID)
	second := account.User("second", listing)
	_, err := s.UpdateAuthRecord(t.Context(), fleet.WholeFleet(), c.AuthRecordID, qps.AwsAuthRecordChange{AccessKeyID: &second.AccessKeyID, SecretKey: &second.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	before := len(s.Requests(""))
	if c, _ := s.sync(c.ID); c.State != connector.FinishedSuccess {
		t.Errorf("the connector is %s with %q", c.State, c.LastError)
	}
	for _, r := range s.Requests("")[before:] {
		if r.AccessKey != second.AccessKeyID {
			t.Errorf("%s was asked with the first keys", r.Action)
		}
	}
}

// inTheMiddle calls do before the second page of us-east-1 is answered.
func (s *site) inTheMiddle(do func(ctx context.Context)) {
	s.Pages(2)
	s.Break(mototest.Breakage{Action: "DescribeInstances", After: 1, Times: 1, Fault: func(w http.ResponseWriter, r *http.Request, _ mototest.Request, moto http.Handler) {
		do(r.Context())
		moto.ServeHTTP(w, r)
	}})
}

func TestAConnectorThatIsDeletedInItsRunLeavesItsInstances(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	account := s.Account(connector.Commercial)
	for range 6 {
		account.Launch("us-east-1", 1)
	}
	c := s.withKeys(account.Keys(), connector.Commercial, "us-east-1")
	s.inTheMiddle(func(ctx context.Context) {
		if err := s.Delete(ctx, fleet.WholeFleet(), c.ID); err != nil {
			t.Error(err)
		}
	})
	s.ask(c.ID)
	if err := s.Syncer.Run(t.Context(), c.ID); err != nil {
		t.Errorf("the run: %v", err)
	}
	if assets := s.assets(); len(assets) != 2 {
		t.Errorf("%d instances, want those of the page before", len(assets))
	}
	if _, err := s.Get(t.Context(), fleet.WholeFleet(), c.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("get: %v", err)
	}
}

func TestARunAskedForWhileOneRunsJoinsIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	account := s.Account(connector.Commercial)
	for range 4 {
		account.Launch("us-east-1", 1)
	}
	c := s.withKeys(account.Keys(), connector.Commercial, "us-east-1")
	var during connector.Connector
	s.inTheMiddle(func(ctx context.Context) {
		var err error
		if during, err = s.Directory.Run(ctx, fleet.WholeFleet(), c.ID, "grace"); err != nil {
			t.Error(err)
		}
	})
	s.sync(c.ID)
	if during.State != connector.Running {
		t.Errorf("asked again, the connector was %s", during.State)
	}
	runs, err := s.Directory.Runs(t.Context(), fleet.WholeFleet(), c.ID)
	if err != nil || len(runs) != 1 || runs[0].State != connector.FinishedSuccess {
		t.Errorf("runs: %+v, %v", runs, err)
	}
	if len(s.assets()) != 4 {
		t.Errorf("there are %d instances", len(s.assets()))
	}
}

func TestARunThatWasCutOffIsBegunAnewAndStoresEachInstanceOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	account := s.Account(connector.Commercial)
	for range 6 {
		account.Launch("us-east-1", 1)
	}
	c := s.withKeys(account.Keys(), connector.Commercial, "us-east-1")
	cut, stop := context.WithCancel(t.Context())
	s.inTheMiddle(func(context.Context) { stop() })
	s.ask(c.ID)
	if err := s.Syncer.Run(cut, c.ID); err == nil {
		t.Error("a run that was stopped says it ended")
	}
	if n := len(s.assets()); n != 2 {
		t.Errorf("%d instances were stored before", n)
	}
	s.Mend()
	if err := s.Syncer.Run(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	ran, run := s.stands(c.ID)
	if ran.State != connector.FinishedSuccess || run.Regions[0].Listed != 6 || run.Regions[0].Created != 4 || len(s.assets()) != 6 {
		t.Errorf("the connector is %s, its run %+v, assets %v", ran.State, run.Regions, slices.Collect(maps.Keys(s.assets())))
	}
}

func TestARepeatedSyncWithNothingChangedWritesItsRecordOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	account := s.Account(connector.Commercial)
	s.Break(mototest.Breakage{Action: "DescribeInstances", Fault: mototest.Replay(300)})
	id := s.withKeys(account.Keys(), connector.Commercial, "us-east-1").ID
	first := watchWrites(t, s.store.Writer())
	s.sync(id)
	if rows := first(); rows["hosts"] < 300 || rows["cloud_instances"] < 300 || rows["host_modules"] < 300 {
		t.Fatalf("the first sync wrote the rows %v", rows)
	}
	s.pass(time.Hour)
	again := watchWrites(t, s.store.Writer())
	if c, _ := s.sync(id); c.State != connector.FinishedSuccess {
		t.Fatalf("the connector is %s with %q", c.State, c.LastError)
	}
	if diff := cmp.Diff([]string{"connector_runs", "connectors"}, slices.Sorted(maps.Keys(again()))); diff != "" {
		t.Errorf("tables written (-want +got):\n%s", diff)
	}
}

// watchWrites returns what counts the rows written of each table since, but those
// of text indexes, which triggers would send round in circles. It relies on SQLite's
// one connection that writes.
func watchWrites(t *testing.T, db *sql.DB) func() map[string]int {
	t.Helper()
	do := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	read := func(query string) map[string]int {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		found := make(map[string]int)
		for rows.Next() {
			var name string
			var n int
			if err := rows.Scan(&name, &n); err != nil {
				t.Fatal(err)
			}
			found[name] = n
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return found
	}
	do("CREATE TEMP TABLE IF NOT EXISTS written (name TEXT PRIMARY KEY, number INTEGER NOT NULL)")
	do("DELETE FROM temp.written")
	for table := range read(`SELECT name, 0 FROM main.sqlite_schema AS s WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
		AND NOT EXISTS (SELECT 1 FROM main.sqlite_schema AS v WHERE v.sql LIKE 'CREATE VIRTUAL%' AND s.name LIKE v.name || '%')`) {
		for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
			do(fmt.Sprintf(`CREATE TEMP TRIGGER IF NOT EXISTS "watch_%s_%s" AFTER %s ON main."%s" BEGIN
				INSERT INTO written VALUES ('%s', 1) ON CONFLICT (name) DO UPDATE SET number = number + 1; END`, table, event, event, table, table))
		}
	}
	return func() map[string]int { return read("SELECT name, number FROM temp.written") }
}
