package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// checkDelta refuses what neither engine, or only one of them, could store.
func checkDelta(d *agentwire.Delta) error {
	var check checker
	if d.Host != nil {
		if d.Host.Name == "" {
			return fault.Newf(fault.Invalid, "host.name is empty")
		}
		check.host(d.Host)
	}
	for _, s := range d.Software.Put {
		check.check("software kind, name and architecture", s.Key(), maxIndexedBytes)
		check.indexed("software version", s.Version)
		check.text("software source", s.SourceName)
		check.text("software source version", s.SourceVersion)
	}
	for _, p := range d.Ports.Put {
		check.indexed("port", p.Key())
		check.text("port process", p.Process)
	}
	for _, i := range d.Interfaces.Put {
		for _, text := range []string{i.Name, i.MAC, i.Address, i.Gateway} {
			check.text("interface", text)
		}
	}
	for _, a := range d.Accounts.Put {
		check.text("account", a.Username)
	}
	for _, p := range d.Processors.Put {
		check.text("processor", p.Name)
	}
	for _, v := range d.Volumes.Put {
		check.text("volume", v.Name)
	}
	for _, drop := range [][]string{d.Software.Drop, d.Ports.Drop, d.Interfaces.Drop, d.Accounts.Drop, d.Processors.Drop, d.Volumes.Drop} {
		for _, key := range drop {
			check.text("key to drop", key)
		}
	}
	return check.err
}

// applyDelta brings the host's inventory from the delta's base to its result. A
// baseline replaces everything.
func (t *Tx) applyDelta(ctx context.Context, hostID int64, d *agentwire.Delta) error {
	if d.Host != nil {
		if err := t.updateHost(ctx, hostID, d.Host); err != nil {
			return err
		}
	}
	if err := t.applySoftware(ctx, hostID, d.Software, d.Baseline()); err != nil {
		return fmt.Errorf("apply software of host %d: %w", hostID, err)
	}
	if err := t.applyPorts(ctx, hostID, d.Ports, d.Baseline()); err != nil {
		return fmt.Errorf("apply ports of host %d: %w", hostID, err)
	}
	if err := t.applyLists(ctx, hostID, d); err != nil {
		return fmt.Errorf("apply lists of host %d: %w", hostID, err)
	}
	return nil
}

func (t *Tx) applySoftware(ctx context.Context, hostID int64, c agentwire.Changes[agentwire.Software], baseline bool) error {
	switch {
	case baseline:
		if _, err := t.Exec(ctx, "DELETE FROM host_software WHERE host_id = ?", hostID); err != nil {
			return err
		}
	case c.IsZero():
		return nil
	default:
		keys := slices.Clone(c.Drop)
		for _, s := range c.Put {
			keys = append(keys, s.Key()) // the version before
		}
		_, err := t.Exec(ctx, "DELETE FROM host_software WHERE host_id = ? AND software_id IN (SELECT id FROM software WHERE "+
			t.dialect.InTexts("package_key")+")", hostID, t.dialect.TextsParam(keys))
		if err != nil {
			return err
		}
	}
	if lock := t.dialect.LockDictionary(false); lock != "" && len(c.Put) > 0 {
		if _, err := t.Exec(ctx, lock); err != nil {
			return err
		}
	}
	digests, err := t.learnSoftware(ctx, c.Put)
	if err != nil || len(digests) == 0 {
		return err
	}
	_, err = t.Exec(ctx, "INSERT INTO host_software (host_id, software_id) SELECT CAST(? AS BIGINT), id FROM software WHERE "+
		t.dialect.InTexts("digest"), hostID, t.dialect.TextsParam(digests))
	if err != nil {
		return err
	}
	return t.checkEntries(ctx, "host_software", "packages", hostID)
}

// learnSoftware puts packages into the dictionary that are not there, and
// returns the digests of all.
func (t *Tx) learnSoftware(ctx context.Context, packages []agentwire.Software) ([]string, error) {
	if len(packages) == 0 {
		return nil, nil
	}
	byDigest := make(map[string]agentwire.Software, len(packages))
	digests := make([]string, 0, len(packages))
	for _, s := range packages {
		digest := softwareDigest(s)
		if _, twice := byDigest[digest]; !twice {
			byDigest[digest] = s
			digests = append(digests, digest)
		}
	}
	slices.Sort(digests) // one order everywhere: transactions that learn the same do not wait for each other in a circle
	known := make(map[string]bool, len(digests))
	rows, err := t.Query(ctx, "SELECT digest FROM software WHERE "+t.dialect.InTexts("digest"), t.dialect.TextsParam(digests))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var digest string
		if err := rows.Scan(&digest); err != nil {
			return nil, err
		}
		known[digest] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var unknown [][]any
	for _, digest := range digests {
		if s := byDigest[digest]; !known[digest] {
			unknown = append(unknown, []any{
				digest, s.Key(), s.Kind, s.Name, s.Version, s.Architecture, s.SourceName, s.SourceVersion, fleet.SoftwareTitle(s.Name, s.Version),
			})
		}
	}
	return digests, t.insertSoftware(ctx, unknown)
}

func (t *Tx) insertSoftware(ctx context.Context, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	param, err := RowsParam(rows)
	if err != nil {
		return err
	}
	const names = "digest, package_key, kind, name, version, architecture, source_name, source_version, title"
	_, err = t.Exec(ctx, "INSERT INTO software ("+names+") SELECT "+names+" FROM "+t.dialect.Rows(columns(names))+
		" AS r WHERE true ORDER BY digest ON CONFLICT (digest) DO NOTHING", param)
	return err
}

// softwareDigest identifies a dictionary entry.
func softwareDigest(s agentwire.Software) string {
	doc, _ := json.Marshal([]string{s.Kind, s.Name, s.Version, s.Architecture, s.SourceName, s.SourceVersion})
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:16])
}

func (t *Tx) applyPorts(ctx context.Context, hostID int64, c agentwire.Changes[agentwire.Port], baseline bool) error {
	switch {
	case baseline:
		if _, err := t.Exec(ctx, "DELETE FROM host_ports WHERE host_id = ?", hostID); err != nil {
			return err
		}
	case len(c.Drop) > 0:
		// The concatenation is agentwire.Port.Key.
		_, err := t.Exec(ctx, "DELETE FROM host_ports WHERE host_id = ? AND "+
			t.dialect.InTexts("protocol || '|' || address || '|' || CAST(port AS TEXT)"), hostID, t.dialect.TextsParam(c.Drop))
		if err != nil {
			return err
		}
	}
	if len(c.Put) == 0 {
		return nil
	}
	rows := make([][]any, len(c.Put))
	for i, p := range c.Put {
		rows[i] = []any{p.Protocol, p.Address, p.Port, p.Process}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `INSERT INTO host_ports (host_id, protocol, address, port, process)
		SELECT CAST(? AS BIGINT), protocol, address, port, process FROM `+t.dialect.Rows(columns("protocol, address, port:int, process"))+
		` AS r WHERE true ON CONFLICT (host_id, protocol, address, port) DO UPDATE SET process = excluded.process`, hostID, param)
	if err != nil {
		return err
	}
	return t.checkEntries(ctx, "host_ports", "ports", hostID)
}

// checkEntries refuses what makes a host's list longer than any one delta may
// be: deltas add up, and a page of hosts holds all of it in memory.
func (t *Tx) checkEntries(ctx context.Context, table, what string, hostID int64) error {
	var n int
	err := t.QueryRow(ctx, "SELECT count(*) FROM "+table+" WHERE host_id = ?", hostID).Scan(&n)
	if err != nil {
		return err
	}
	return tooMany(what, n)
}

func tooMany(what string, n int) error {
	if n > agentwire.MaxEntries {
		return fault.Newf(fault.TooLarge, "the host would have %d %s, %d are allowed", n, what, agentwire.MaxEntries)
	}
	return nil
}

// applyLists changes the lists that are kept as JSON.
func (t *Tx) applyLists(ctx context.Context, hostID int64, d *agentwire.Delta) error {
	if !d.Baseline() && d.Interfaces.IsZero() && d.Accounts.IsZero() && d.Processors.IsZero() && d.Volumes.IsZero() {
		return nil
	}
	var lists [4][]byte
	if d.Baseline() {
		lists = [4][]byte{[]byte("[]"), []byte("[]"), []byte("[]"), []byte("[]")}
	} else {
		err := t.QueryRow(ctx, "SELECT interfaces, accounts, processors, volumes FROM host_details WHERE host_id = ?", hostID).
			Scan(&lists[0], &lists[1], &lists[2], &lists[3])
		if err != nil {
			return err
		}
	}
	interfaces, err1 := changeList("interfaces", lists[0], d.Interfaces)
	accounts, err2 := changeList("accounts", lists[1], d.Accounts)
	processors, err3 := changeList("processors", lists[2], d.Processors)
	volumes, err4 := changeList("volumes", lists[3], d.Volumes)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return err
		}
	}
	_, err := t.Exec(ctx, "UPDATE host_details SET interfaces = ?, accounts = ?, processors = ?, volumes = ? WHERE host_id = ?",
		interfaces, accounts, processors, volumes, hostID)
	return err
}

// changeList applies the differences of one list to its stored form.
func changeList[T fact](what string, stored []byte, c agentwire.Changes[T]) (string, error) {
	var list []T
	if err := decode(stored, &list); err != nil {
		return "", err
	}
	gone := make(map[string]bool, len(c.Drop)+len(c.Put))
	for _, key := range c.Drop {
		gone[key] = true
	}
	for _, entry := range c.Put {
		gone[entry.Key()] = true
	}
	list = slices.DeleteFunc(list, func(entry T) bool { return gone[entry.Key()] })
	list = append(list, c.Put...)
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(a.Key(), b.Key()) })
	list = slices.CompactFunc(list, func(a, b T) bool { return a.Key() == b.Key() })
	if err := tooMany(what, len(list)); err != nil {
		return "", err
	}
	if list == nil {
		return "[]", nil
	}
	return encode(list)
}

// fact is an entry of a snapshot's list.
type fact interface {
	comparable
	Key() string
}
