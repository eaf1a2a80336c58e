package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/secret"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

func testSecrets(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, c *clouds){
		"no row shows a secret":                         testNoPlaintext,
		"a secret that was moved does not open":         testMovedSecret,
		"another envelope is refused":                   testForeignEnvelope,
		"a rotation leaves every secret readable":       testRotation,
		"secrets are written and read beside rotations": testRotationRace,
		"an envelope is changed by two keys":            testEnvelopeChange,
		"the keys of a record change with its next run": testKeyUpdate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setupClouds(t, create))
		})
	}
}

// keysOfRun returns the credentials that a run of a connector with this record
// gets.
func (c *clouds) keysOfRun(tb testing.TB, record int64) (connector.Credentials, error) {
	tb.Helper()
	ctx, all := tb.Context(), fleet.WholeFleet()
	made := c.connector(tb, fmt.Sprintf("with %d", record), qps.AwsAssetDataConnectorChange{AuthRecordID: &record, AllRegions: new(true)})
	must(c.Run(ctx, all, made.ID, "ana"))(tb)
	_, _, credentials, err := c.BeginRun(ctx, made.ID, Start)
	return credentials, err
}

func wantKeys(tb testing.TB, got connector.Credentials, err error, suffix string) {
	tb.Helper()
	if err != nil || got != (connector.Credentials{AccessKeyID: plainAccessKey + suffix, SecretKey: plainSecretKey + suffix}) {
		tb.Errorf("the run does not get the keys with %q: %v", suffix, err)
	}
}

// dump returns the content of the tables that have to do with secrets.
func (c *clouds) dump(tb testing.TB) string {
	tb.Helper()
	var text strings.Builder
	err := c.InTx(tb.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"secrets", "secret_keyset", "aws_auth_records", "aws_base_accounts", "connectors", "connector_runs", "audit"} {
			if err := dumpTable(tb.Context(), tx, table, &text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return text.String()
}

func dumpTable(ctx context.Context, tx *store.Tx, table string, to *strings.Builder) error {
	rows, err := tx.Query(ctx, "SELECT * FROM "+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		fmt.Fprintf(to, "%s %s\n", table, values)
	}
	return rows.Err()
}

func testNoPlaintext(t *testing.T, c *clouds) {
	record := c.authRecord(t, "")
	keys := connector.Keys{AccessKeyID: plainAccessKey, SecretKey: plainSecretKey}
	if err := c.SetBaseAccount(t.Context(), fleet.WholeFleet(), connector.Commercial, "111122223333", keys); err != nil {
		t.Fatal(err)
	}
	got, err := c.keysOfRun(t, record)
	wantKeys(t, got, err, "")
	if n := c.count(t, "SELECT count(*) FROM secrets"); n != 4 {
		t.Errorf("%d secrets are stored, want 4", n)
	}
	if text := c.dump(t); !hasNoPlaintext(text) || len(text) < 100 {
		t.Errorf("the database shows a key:\n%s", text)
	}
}

func testMovedSecret(t *testing.T, c *clouds) {
	first, second := c.authRecord(t, "A"), c.authRecord(t, "B")
	err := c.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE secrets SET sealed = (SELECT s.sealed FROM secrets AS s WHERE s.owner_id = ? AND s.field = 'secret_key' AND s.kind = secrets.kind)
			WHERE owner_id = ? AND field = 'secret_key'`, first, second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.keysOfRun(t, second); err == nil {
		t.Error("a run got the secret key of another record")
	}
	got, err := c.keysOfRun(t, first)
	wantKeys(t, got, err, "A")
}

func testForeignEnvelope(t *testing.T, c *clouds) {
	c.reopen(t)
	foreign := must(secret.ParseEnvelope([]byte(secret.NewEnvelopeKey())))(t)
	wantCode(t, c.OpenSecrets(t.Context(), foreign), fault.Conflict)
	if err := c.OpenSecrets(t.Context(), c.envelope); err != nil {
		t.Fatal(err)
	}
}

func testRotation(t *testing.T, c *clouds) {
	var records []int64
	for i := range 60 { // more secrets than one transaction seals anew
		records = append(records, c.authRecord(t, fmt.Sprint(i)))
	}
	replica := c.database(t, c.clock)
	replica.UseQueue(c.queue)
	if err := replica.OpenSecrets(t.Context(), c.envelope); err != nil {
		t.Fatal(err)
	}
	before := c.dump(t)
	var last [2]int64
	if n := must(c.RotateSecrets(t.Context(), func(done, total int64) { last = [2]int64{done, total} }))(t); n != 120 || last != [2]int64{120, 120} {
		t.Errorf("%d secrets were sealed anew, progress ended with %v", n, last)
	}
	if n := c.count(t, "SELECT count(DISTINCT key_id) FROM secrets"); n != 1 || c.dump(t) == before {
		t.Errorf("secrets are sealed with %d keys", n)
	}
	if n := must(c.RotateSecrets(t.Context(), func(int64, int64) {}))(t); n != 120 {
		t.Errorf("the next rotation sealed %d secrets", n)
	}
	c.Store = replica // which knows nothing of the rotation
	c.Directory.Connectors, c.Directory.Accounts = replica, replica
	for _, i := range []int{0, 59} {
		got, err := c.keysOfRun(t, records[i])
		wantKeys(t, got, err, fmt.Sprint(i))
	}
}

func testRotationRace(t *testing.T, c *clouds) {
	ctx := t.Context()
	records := make([]int64, 4)
	var writers sync.WaitGroup
	for i := range records {
		writers.Go(func() { records[i] = c.authRecord(t, fmt.Sprint(i)) })
	}
	for range 3 {
		writers.Go(func() {
			if _, err := c.RotateSecrets(ctx, func(int64, int64) {}); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	for i, record := range records {
		got, err := c.keysOfRun(t, record)
		wantKeys(t, got, err, fmt.Sprint(i))
	}
}

func testEnvelopeChange(t *testing.T, c *clouds) {
	old, next := secret.NewEnvelopeKey(), secret.NewEnvelopeKey()
	parse := func(keys string) *secret.Envelope { return must(secret.ParseEnvelope([]byte(keys)))(t) }
	err := c.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM secret_keyset")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	open := func(e *secret.Envelope) error { return c.OpenSecrets(t.Context(), e) }
	if err := open(parse(old)); err != nil {
		t.Fatal(err)
	}
	record := c.authRecord(t, "")
	if err := open(parse(next + old)); err != nil {
		t.Fatal(err)
	}
	must(c.RotateSecrets(t.Context(), func(int64, int64) {}))(t)
	wantCode(t, open(parse(old)), fault.Conflict)
	if err := open(parse(next)); err != nil {
		t.Fatal(err)
	}
	got, err := c.keysOfRun(t, record)
	wantKeys(t, got, err, "")
}

func testKeyUpdate(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	record := c.authRecord(t, "old")
	updated := must(c.UpdateAuthRecord(ctx, all, record, qps.AwsAuthRecordChange{
		Description: new("second"), AccessKeyID: new(plainAccessKey + "new"), SecretKey: new(plainSecretKey + "new"),
	}))(t)
	if updated.Name != "keys old" || updated.Description != "second" {
		t.Errorf("updated %+v", updated)
	}
	got, err := c.keysOfRun(t, record)
	wantKeys(t, got, err, "new")
	must(c.UpdateAuthRecord(ctx, all, record, qps.AwsAuthRecordChange{Name: new("renamed")}))(t)
	if stored := must(c.AuthRecord(ctx, all, record))(t); stored.Name != "renamed" || !stored.Created.Equal(Start) {
		t.Errorf("stored %+v", stored)
	}
}
