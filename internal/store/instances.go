package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
)

const (
	// instanceChunk is how many instances one transaction writes: some 30 ms on
	// SQLite when all are new.
	instanceChunk = 100
	// vanishedPage is how many instances of a region are compared at a time.
	vanishedPage = 5000
)

// StoreInstances stores a page of instances; see connector.Runs. A page of which
// nothing changed is only read.
func (s *Store) StoreInstances(ctx context.Context, r connector.Run, c connector.Connector, page []connector.Instance, result *connector.RegionResult, at time.Time) error {
	result.Listed += len(page)
	listed := storableInstances(page, result)
	var todo []connector.Instance
	err := s.view(ctx, func(tx *Tx) error {
		if err := tx.current(ctx, r, ""); err != nil {
			return err
		}
		sight, err := tx.sight(ctx, &c, listed)
		if err != nil {
			return err
		}
		todo = slices.DeleteFunc(slices.Clone(listed), func(i connector.Instance) bool { return sight.settled(&i) })
		return nil
	})
	for chunk := range slices.Chunk(todo, instanceChunk) {
		if err != nil {
			break
		}
		var created, updated int
		err = s.inRun(ctx, r, func(tx *Tx) error {
			if err := tx.lockChanges(ctx); err != nil {
				return err
			}
			created, updated, err = tx.storeInstances(ctx, &c, chunk, at)
			return err
		})
		if err == nil {
			result.Created, result.Updated = result.Created+created, result.Updated+updated
		}
	}
	if err != nil {
		return fmt.Errorf("store %d instances of %s: %w", len(page), result.Region, err)
	}
	return nil
}

// storableInstances returns the instances of a page that can be stored, each
// once and the last of those that are there twice, and counts the others.
func storableInstances(page []connector.Instance, result *connector.RegionResult) []connector.Instance {
	at := make(map[instanceID]int, len(page))
	listed := make([]connector.Instance, 0, len(page))
	for i := range page {
		if err := checkInstance(&page[i]); err != nil {
			result.Dropped++
			if result.Error == "" {
				result.Error = err.Error()
			}
			continue
		}
		id := identity(&page[i])
		if n, twice := at[id]; twice {
			listed[n] = page[i]
			continue
		}
		at[id] = len(listed)
		listed = append(listed, page[i])
	}
	return listed
}

// instanceID is what tells instances apart.
type instanceID struct{ account, instance string }

func identity(i *connector.Instance) instanceID { return instanceID{i.AccountID, i.InstanceID} }

// sight is what is stored of some instances, as far as it tells what there is to
// do.
type sight struct {
	connector *connector.Connector
	known     map[instanceID]seen
	tags      []int64 // that the connector puts on instances
	tagged    map[[2]int64]bool
	modules   map[int64][]fleet.Module
}

type seen struct {
	hostID int64
	agent  bool
	digest string
	linked bool // the connector has found it before
}

func (t *Tx) sight(ctx context.Context, c *connector.Connector, listed []connector.Instance) (*sight, error) {
	s := &sight{connector: c, known: make(map[instanceID]seen, len(listed)), tagged: make(map[[2]int64]bool)}
	rows := make([][]any, len(listed))
	for i := range listed {
		rows[i] = []any{listed[i].AccountID, listed[i].InstanceID}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return nil, err
	}
	var hosts []int64
	err = t.each(ctx, `SELECT i.account_id, i.instance_id, i.host_id, i.digest, a.host_id IS NOT NULL, l.host_id IS NOT NULL
		FROM `+t.dialect.Rows(columns("account_id, instance_id"))+` AS r
		JOIN cloud_instances AS i ON i.account_id = r.account_id AND i.instance_id = r.instance_id
		LEFT JOIN agents AS a ON a.host_id = i.host_id
		LEFT JOIN cloud_instance_connectors AS l ON l.host_id = i.host_id AND l.connector_id = ?`, []any{param, c.ID}, func(rows *sql.Rows) error {
		var id instanceID
		var one seen
		if err := rows.Scan(&id.account, &id.instance, &one.hostID, &one.digest, &one.agent, &one.linked); err != nil {
			return err
		}
		s.known[id] = one
		hosts = append(hosts, one.hostID)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read instances: %w", err)
	}
	slices.Sort(hosts)
	if s.modules, err = t.modules(ctx, hosts); err != nil {
		return nil, fmt.Errorf("read modules of instances: %w", err)
	}
	return s, t.sightTags(ctx, s, hosts)
}

// sightTags reads which of the connector's tags the hosts carry. A tag that has
// become one of a rule since it was chosen is left to its rule.
func (t *Tx) sightTags(ctx context.Context, s *sight, hosts []int64) (err error) {
	wanted := make([]int64, len(s.connector.DefaultTags))
	for i, tag := range s.connector.DefaultTags {
		wanted[i] = tag.ID
	}
	if len(wanted) == 0 {
		return nil
	}
	s.tags, err = t.ids(ctx, "SELECT id FROM tags WHERE "+t.dialect.InIDs("id")+" AND rule_type = 'STATIC' AND NOT system ORDER BY id", t.dialect.IDsParam(wanted))
	if err != nil {
		return fmt.Errorf("read tags of connector %d: %w", s.connector.ID, err)
	}
	err = t.each(ctx, "SELECT host_id, tag_id FROM host_tags WHERE "+t.dialect.InIDs("host_id")+" AND "+t.dialect.InIDs("tag_id"),
		[]any{t.dialect.IDsParam(hosts), t.dialect.IDsParam(s.tags)}, func(rows *sql.Rows) error {
			var hostID, tagID int64
			err := rows.Scan(&hostID, &tagID)
			s.tagged[[2]int64{tagID, hostID}] = true
			return err
		})
	if err != nil {
		return fmt.Errorf("read tags of instances: %w", err)
	}
	return nil
}

// settled reports whether there is nothing to write for an instance.
func (s *sight) settled(i *connector.Instance) bool {
	one, known := s.known[identity(i)]
	return known && one.linked && one.digest == instanceDigest(i) && len(s.untagged(one.hostID)) == 0 &&
		len(s.connector.Activates(i, s.modules[one.hostID])) == 0
}

// untagged returns the connector's tags that a host lacks.
func (s *sight) untagged(hostID int64) []int64 {
	return slices.DeleteFunc(slices.Clone(s.tags), func(tag int64) bool { return s.tagged[[2]int64{tag, hostID}] })
}

// MarkVanished marks instances as terminated; see connector.Runs. What was found
// after the run began is left to the next one, and so is what only an agent
// speaks of.
func (s *Store) MarkVanished(ctx context.Context, r connector.Run, accountID, region string, present map[string]bool, result *connector.RegionResult, at time.Time) error {
	for after := int64(0); ; {
		var vanished []int64
		last, n := after, 0
		err := s.view(ctx, func(tx *Tx) error {
			if err := tx.current(ctx, r, ""); err != nil {
				return err
			}
			return tx.each(ctx, `SELECT host_id, instance_id FROM cloud_instances
				WHERE account_id = ? AND region = ? AND state <> ? AND digest <> '' AND first_discovered < ? AND host_id > ? ORDER BY host_id LIMIT ?`,
				[]any{accountID, region, connector.Terminated, micros(r.Started), after, vanishedPage}, func(rows *sql.Rows) error {
					var id string
					err := rows.Scan(&last, &id)
					if n++; !present[id] {
						vanished = append(vanished, last)
					}
					return err
				})
		})
		for chunk := range slices.Chunk(vanished, instanceChunk) {
			if err != nil {
				break
			}
			var marked int
			err = s.inRun(ctx, r, func(tx *Tx) error {
				err := tx.lockChanges(ctx)
				if err == nil {
					marked, err = tx.terminate(ctx, chunk, at)
				}
				return err
			})
			if err == nil {
				result.Vanished += marked
			}
		}
		if err != nil {
			return fmt.Errorf("mark vanished instances of account %s in %s: %w", accountID, region, err)
		}
		if n < vanishedPage {
			return nil
		}
		after = last
	}
}

// terminate marks instances as terminated that AWS does not know any more.
func (t *Tx) terminate(ctx context.Context, hostIDs []int64, at time.Time) (int, error) {
	gone, err := t.instances(ctx, hostIDs)
	if err != nil {
		return 0, err
	}
	gone = slices.DeleteFunc(gone, func(i storedInstance) bool { return i.facts.State == connector.Terminated })
	for n := range gone {
		i := &gone[n]
		i.facts.State = connector.Terminated
		i.history, i.last = extended(i.history, connector.Terminated, at), at
		i.digest = vanishedDigest // whatever AWS says of it next is news
	}
	if len(gone) == 0 {
		return 0, nil
	}
	if err := t.writeInstances(ctx, gone); err != nil {
		return 0, err
	}
	if err := t.touchHosts(ctx, gone, at); err != nil {
		return 0, err
	}
	return len(gone), t.retagInstances(ctx, gone, nil)
}

// vanishedDigest is the digest of an instance that AWS said nothing of.
const vanishedDigest = "vanished"

// byHost sorts instances as rows are locked and written.
func byHost(a, b storedInstance) int { return cmp.Compare(a.hostID, b.hostID) }
