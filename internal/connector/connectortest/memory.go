// Package connectortest keeps connectors in memory, for tests of what stands on
// connector.Directory.
package connectortest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// FirstID is the id of the first object of each kind; the others follow.
const FirstID = 149001

// Memory implements connector.Connectors and connector.Accounts. It is safe for
// concurrent use. The fields may be set before the first call.
type Memory struct {
	Tags  []qps.TagSimple // that connectors may put on assets
	Runs  []connector.Run // newest first
	Allow connector.Options

	mu         sync.Mutex
	connectors []connector.Connector
	records    []connector.AuthRecord
	bases      []connector.BaseAccount
	keys       map[string]connector.Keys
	made       int64
}

// NewDirectory returns a directory over m whose time is at.
func (m *Memory) NewDirectory(at time.Time) *connector.Directory {
	return &connector.Directory{Connectors: m, Accounts: m, Now: func() time.Time { return at }}
}

func (m *Memory) nextID() int64 {
	m.made++
	return FirstID + m.made - 1
}

func (m *Memory) subscription() connector.Subscription {
	s := connector.Subscription{Options: m.Allow}
	for _, base := range m.bases {
		s.BaseAccounts = append(s.BaseAccounts, base.Partition)
	}
	return s
}

// Connectors implements connector.Connectors.
func (m *Memory) Connectors(context.Context) ([]connector.Connector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.connectors), nil
}

// Connector implements connector.Connectors.
func (m *Memory) Connector(_ context.Context, id int64) (connector.Connector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.index(id)
	if err != nil {
		return connector.Connector{}, err
	}
	return m.connectors[i], nil
}

func (m *Memory) index(id int64) (int, error) {
	i := slices.IndexFunc(m.connectors, func(c connector.Connector) bool { return c.ID == id })
	if i < 0 {
		return 0, fault.New(fault.NotFound, fmt.Sprintf("There is no connector %d.", id), "Search for the connectors there are.")
	}
	return i, nil
}

// checked finds what a connector refers to.
func (m *Memory) checked(c connector.Connector) (connector.Connector, error) {
	if c.AuthRecordID != 0 && !slices.ContainsFunc(m.records, func(r connector.AuthRecord) bool { return r.ID == c.AuthRecordID }) {
		return c, fault.New(fault.Invalid, fmt.Sprintf("authRecord: there is no authentication record %d.", c.AuthRecordID), "Search for the authentication records there are.")
	}
	c.DefaultTags = slices.Clone(c.DefaultTags)
	for n, tag := range c.DefaultTags {
		i := slices.IndexFunc(m.Tags, func(known qps.TagSimple) bool { return known.ID == tag.ID || tag.ID == 0 && known.Name == tag.Name })
		if i < 0 {
			return c, fault.New(fault.Invalid, fmt.Sprintf("defaultTags: there is no tag %d %s.", tag.ID, tag.Name), "Search for the tags there are.")
		}
		c.DefaultTags[n] = m.Tags[i]
	}
	return c, nil
}

// CreateConnector implements connector.Connectors.
func (m *Memory) CreateConnector(_ context.Context, create func(connector.Subscription) (connector.Connector, error)) (connector.Connector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := create(m.subscription())
	if err == nil {
		c, err = m.checked(c)
	}
	if err != nil {
		return connector.Connector{}, err
	}
	c.ID = m.nextID()
	m.connectors = append(m.connectors, c)
	return c, nil
}

// UpdateConnectors implements connector.Connectors.
func (m *Memory) UpdateConnectors(_ context.Context, ids []int64, change func(connector.Connector, connector.Subscription) (connector.Connector, error)) ([]connector.Connector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	after, changed := slices.Clone(m.connectors), make([]connector.Connector, len(ids))
	for n, id := range ids {
		i, err := m.index(id)
		if err != nil {
			return nil, err
		}
		c, err := change(m.connectors[i], m.subscription())
		if err == nil {
			c, err = m.checked(c)
		}
		if err != nil {
			return nil, err
		}
		after[i], changed[n] = c, c
	}
	m.connectors = after
	return changed, nil
}

// DeleteConnectors implements connector.Connectors.
func (m *Memory) DeleteConnectors(_ context.Context, ids []int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if _, err := m.index(id); err != nil {
			return err
		}
	}
	m.connectors = slices.DeleteFunc(slices.Clone(m.connectors), func(c connector.Connector) bool { return slices.Contains(ids, c.ID) })
	return nil
}

// QueueRuns implements connector.Connectors. Nothing carries the runs out.
func (m *Memory) QueueRuns(_ context.Context, ids []int64, by string, at time.Time, choose func([]connector.Connector) ([]connector.Connector, error)) ([]connector.Connector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := make([]connector.Connector, len(ids))
	for n, id := range ids {
		i, err := m.index(id)
		if err != nil {
			return nil, err
		}
		asked[n] = m.connectors[i]
	}
	chosen, err := choose(asked)
	if err != nil {
		return nil, err
	}
	for n := range chosen {
		i, err := m.index(chosen[n].ID)
		if err != nil {
			return nil, err
		}
		if !m.connectors[i].State.Active() {
			m.connectors[i].State = connector.Queued
			run := connector.Run{ID: m.nextID(), ConnectorID: chosen[n].ID, StartedBy: by, Queued: at, State: connector.Queued}
			m.Runs = slices.Insert(m.Runs, 0, run)
		}
		chosen[n] = m.connectors[i]
	}
	return chosen, nil
}

// ConnectorRuns implements connector.Connectors.
func (m *Memory) ConnectorRuns(_ context.Context, id int64) ([]connector.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.Runs), func(r connector.Run) bool { return r.ConnectorID != id }), nil
}

// FailedRuns implements connector.Connectors.
func (m *Memory) FailedRuns(_ context.Context, ids []int64, limit int) ([]connector.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	failed := slices.DeleteFunc(slices.Clone(m.Runs), func(r connector.Run) bool {
		return r.Ended.IsZero() || r.Error == "" || !slices.Contains(ids, r.ConnectorID)
	})
	slices.SortStableFunc(failed, func(a, b connector.Run) int { return b.Ended.Compare(a.Ended) })
	return failed[:min(limit, len(failed))], nil
}
