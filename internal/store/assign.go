package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vedette.dev/vedette/internal/fleet"
)

// reassignProfiles decides again which profile the hosts get, by the tags they
// have in this transaction. Agents whose profile changes get a new version of
// their instructions and a change row, so that they learn it at the next
// contact. Hosts without an agent are passed over.
//
// The transaction must have begun with lockChanges. One call is one statement
// per table; callers with many hosts bound their transactions (see rolloutStep).
func (t *Tx) reassignProfiles(ctx context.Context, hostIDs []int64) error {
	_, err := t.reassign(ctx, hostIDs)
	return err
}

// reassign is reassignProfiles; it returns how many agents have another profile
// now.
func (t *Tx) reassign(ctx context.Context, hostIDs []int64) (int, error) {
	if len(hostIDs) == 0 {
		return 0, nil
	}
	rules, err := t.profileRules(ctx)
	if err != nil {
		return 0, fmt.Errorf("read profile rules: %w", err)
	}
	moved, ids, err := t.misassigned(ctx, rules, hostIDs)
	if err != nil || len(moved) == 0 {
		return 0, err
	}
	param, err := RowsParam(moved)
	if err != nil {
		return 0, err
	}
	_, err = t.Exec(ctx, `UPDATE agents SET profile_id = n.profile_id, profile_version = profile_version + 1
		FROM `+t.dialect.Rows(columns("host_id:int, profile_id:int"))+` AS n WHERE agents.host_id = n.host_id`, param)
	if err != nil {
		return 0, fmt.Errorf("assign profiles to %d agents: %w", len(moved), err)
	}
	return len(moved), t.recordChanges(ctx, ids...)
}

// assignFirst gives a new agent, which has the default profile and its tags, the
// profile of its tags.
func (t *Tx) assignFirst(ctx context.Context, hostID int64) error {
	rules, err := t.profileRules(ctx)
	if err != nil {
		return fmt.Errorf("read profile rules: %w", err)
	}
	moved, _, err := t.misassigned(ctx, rules, []int64{hostID})
	if err != nil || len(moved) == 0 {
		return err
	}
	if _, err := t.Exec(ctx, "UPDATE agents SET profile_id = ? WHERE host_id = ?", moved[0][1], hostID); err != nil {
		return fmt.Errorf("assign profile to host %d: %w", hostID, err)
	}
	return nil
}

// misassigned returns (host, profile) of the agents that have another profile
// than the rules give them, and their host ids.
func (t *Tx) misassigned(ctx context.Context, rules []fleet.Rule, hostIDs []int64) (moved [][]any, ids []int64, err error) {
	tags, err := t.ruleTags(ctx, rules, hostIDs)
	if err != nil {
		return nil, nil, fmt.Errorf("read tags of %d hosts: %w", len(hostIDs), err)
	}
	err = t.each(ctx, "SELECT host_id, profile_id FROM agents WHERE "+t.dialect.InIDs("host_id")+" ORDER BY host_id",
		[]any{t.dialect.IDsParam(hostIDs)}, func(rows *sql.Rows) error {
			var hostID, profileID int64
			if err := rows.Scan(&hostID, &profileID); err != nil {
				return err
			}
			selected := fleet.SelectProfile(rules, tags[hostID])
			if selected == 0 {
				return errNoDefaultProfile
			}
			if selected != profileID {
				moved, ids = append(moved, []any{hostID, selected}), append(ids, hostID)
			}
			return nil
		})
	if err != nil {
		return nil, nil, fmt.Errorf("read profiles of %d agents: %w", len(hostIDs), err)
	}
	return moved, ids, nil
}

var errNoDefaultProfile = errors.New("there is no default profile")

// ruleTags returns the tags of each host that some rule asks for.
func (t *Tx) ruleTags(ctx context.Context, rules []fleet.Rule, hostIDs []int64) (map[int64][]int64, error) {
	var asked []int64
	for _, rule := range rules {
		asked = append(append(asked, rule.Include.TagIDs...), rule.Exclude.TagIDs...)
	}
	tags := make(map[int64][]int64, len(hostIDs))
	if len(asked) == 0 {
		return tags, nil
	}
	err := t.each(ctx, "SELECT host_id, tag_id FROM host_tags WHERE "+t.dialect.InIDs("host_id")+" AND "+t.dialect.InIDs("tag_id"),
		[]any{t.dialect.IDsParam(hostIDs), t.dialect.IDsParam(asked)}, func(rows *sql.Rows) error {
			var hostID, tagID int64
			if err := rows.Scan(&hostID, &tagID); err != nil {
				return err
			}
			tags[hostID] = append(tags[hostID], tagID)
			return nil
		})
	return tags, err
}

// profileRules returns the rules of all profiles in ascending priority.
func (t *Tx) profileRules(ctx context.Context) ([]fleet.Rule, error) {
	var rules []fleet.Rule
	at := make(map[int64]int)
	err := t.each(ctx, "SELECT id, is_default, include_all, exclude_all FROM profiles WHERE NOT deleted ORDER BY priority, id", nil,
		func(rows *sql.Rows) error {
			var r fleet.Rule
			if err := rows.Scan(&r.ProfileID, &r.Default, &r.Include.All, &r.Exclude.All); err != nil {
				return err
			}
			at[r.ProfileID] = len(rules)
			rules = append(rules, r)
			return nil
		})
	if err != nil {
		return nil, err
	}
	err = t.each(ctx, "SELECT profile_id, tag_id, excluded FROM profile_tags ORDER BY profile_id, tag_id", nil, func(rows *sql.Rows) error {
		var profileID, tagID int64
		var excluded bool
		if err := rows.Scan(&profileID, &tagID, &excluded); err != nil {
			return err
		}
		i, ok := at[profileID]
		if !ok {
			return nil // of a profile that is being deleted
		}
		set := &rules[i].Include
		if excluded {
			set = &rules[i].Exclude
		}
		set.TagIDs = append(set.TagIDs, tagID)
		return nil
	})
	return rules, err
}
