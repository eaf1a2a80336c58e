package test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/qps"
)

// checkAcknowledged looks into the database of a platform that was killed: what
// it has acknowledged must be there before anybody sends it again.
func (l *life) checkAcknowledged() {
	l.t.Helper()
	committed, underway := l.proxy.acknowledged()
	if committed == "" {
		return
	}
	if holds := l.query("SELECT digest FROM snapshots"); holds != committed && holds != underway {
		l.t.Errorf("the killed platform holds snapshot %q, acknowledged is %q (and %q was underway)", holds, committed, underway)
	}
	for _, id := range l.launched {
		if l.query("SELECT count(*) FROM scan_requests WHERE id = "+strconv.FormatInt(id, 10)) != "1" {
			l.t.Errorf("acknowledged scan %d is gone", id)
		}
	}
}

// query asks the database of a platform that does not run, once, for one value;
// it returns nothing for none.
func (l *life) query(query string) (value string) {
	l.t.Helper()
	db, err := sql.Open("sqlite", l.data.database(l.t))
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	err = db.QueryRowContext(context.Background(), query).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		l.t.Fatalf("%s: %v", query, err)
	}
	return value
}

// database returns the path of the database, or of a copy where it is mounted for
// others only: SQLite does not find its way there.
func (f *folder) database(t *testing.T) string {
	t.Helper()
	if f.root == "" {
		return f.seen("vedette.db")
	}
	folder := t.TempDir()
	for _, name := range []string{"vedette.db", "vedette.db-wal"} {
		content, err := os.ReadFile(f.seen(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), content, 0o600)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "vedette.db")
}

// check looks at the end of a life.
func (l *life) check() {
	l.t.Helper()
	asset := l.checkPlatform()
	report, err := session.ReadReport(l.agent.seen())
	if err != nil {
		l.t.Fatal(err)
	}
	if report.AgentID != asset.AgentInfo.AgentID {
		l.t.Errorf("the agent is %s, the asset has %s", report.AgentID, asset.AgentInfo.AgentID)
	}
	for _, q := range report.Queue {
		if q.State != "done" && q.State != "failed" && q.State != "rejected" {
			l.t.Errorf("the agent has request %d as %s still", q.ID, q.State)
		}
	}
	l.checkUpgrade()
	if code := l.platform.stop(l.t); code != 0 {
		l.t.Errorf("the platform stopped with exit code %d", code)
	}
	for query, want := range map[string]string{
		"SELECT digest FROM snapshots":                      report.Confirmed,
		"SELECT count(*) FROM uploads WHERE state = 'open'": "0",
		"SELECT count(*) FROM upload_fragments":             "0",
		"SELECT count(*) FROM agents":                       "1",
		"PRAGMA integrity_check":                            "ok",
		"SELECT count(*) FROM pragma_foreign_key_check":     "0",
		"SELECT count(*) FROM hosts":                        "1",
		"SELECT count(DISTINCT host_id) FROM agent_holders": "1",
	} {
		if got := l.query(query); got != want {
			l.t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// checkPlatform looks at what the API says and returns the asset.
func (l *life) checkPlatform() *qps.HostAsset {
	l.t.Helper()
	ctx := l.t.Context()
	assets, err := l.assets()
	if err != nil || len(assets) != 1 {
		l.t.Fatalf("%d assets (%v), want one", len(assets), err)
	}
	info := assets[0].AgentInfo
	if info.Status != qps.AgentActive {
		l.t.Errorf("the agent is %s, want %s", info.Status, qps.AgentActive)
	}
	l.proxy.mu.Lock()
	granted := l.proxy.agents
	l.proxy.mu.Unlock()
	if len(granted) != 1 || granted[0] != info.AgentID {
		l.t.Errorf("provisioning was answered with %v, the asset has agent %s", granted, info.AgentID)
	}
	keys, err := l.client.ActivationKeys(ctx)
	if err != nil || len(keys) != 1 || keys[0].CountUsed != 1 {
		l.t.Errorf("%d keys (%v), want one that was used once", len(keys), err)
	}
	for _, id := range l.launched {
		if _, err := l.client.Scan(ctx, id); err != nil {
			l.t.Errorf("acknowledged scan %d: %v", id, err)
		}
	}
	return assets[0]
}
