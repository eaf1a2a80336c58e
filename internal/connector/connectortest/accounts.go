package connectortest

import (
	"context"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
)

// Keys returns the keys that are kept for an authentication record, by its name,
// or for a base account, by its partition.
func (m *Memory) Keys(name string) connector.Keys {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys[name]
}

func (m *Memory) keep(name string, k connector.Keys) {
	if m.keys == nil {
		m.keys = make(map[string]connector.Keys)
	}
	m.keys[name] = k
}

// AuthRecords implements connector.Accounts.
func (m *Memory) AuthRecords(context.Context) ([]connector.AuthRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records), nil
}

// CreateAuthRecord implements connector.Accounts.
func (m *Memory) CreateAuthRecord(_ context.Context, r connector.AuthRecord, k connector.Keys) (connector.AuthRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.ID = m.nextID()
	m.records = append(m.records, r)
	m.keep(r.Name, k)
	return r, nil
}

// UpdateAuthRecords implements connector.Accounts.
func (m *Memory) UpdateAuthRecords(_ context.Context, ids []int64, k connector.Keys, change func(connector.AuthRecord) connector.AuthRecord) ([]connector.AuthRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := make([]connector.AuthRecord, len(ids))
	for n, id := range ids {
		i, err := m.recordIndex(id)
		if err != nil {
			return nil, err
		}
		m.records[i] = change(m.records[i])
		changed[n] = m.records[i]
		if k.Given() {
			m.keep(changed[n].Name, k)
		}
	}
	return changed, nil
}

func (m *Memory) recordIndex(id int64) (int, error) {
	i := slices.IndexFunc(m.records, func(r connector.AuthRecord) bool { return r.ID == id })
	if i < 0 {
		return 0, fault.New(fault.NotFound, fmt.Sprintf("There is no authentication record %d.", id), "Search for the authentication records there are.")
	}
	return i, nil
}

// DeleteAuthRecords implements connector.Accounts.
func (m *Memory) DeleteAuthRecords(_ context.Context, ids []int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if _, err := m.recordIndex(id); err != nil {
			return err
		}
		for _, c := range m.connectors {
			if c.AuthRecordID == id {
				return fault.New(fault.Conflict, fmt.Sprintf("Authentication record %d is used by connector %d.", id, c.ID), "Give the connector another one first.")
			}
		}
	}
	m.records = slices.DeleteFunc(slices.Clone(m.records), func(r connector.AuthRecord) bool { return slices.Contains(ids, r.ID) })
	return nil
}

// BaseAccounts implements connector.Accounts.
func (m *Memory) BaseAccounts(context.Context) ([]connector.BaseAccount, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.bases), nil
}

// SetBaseAccount implements connector.Accounts.
func (m *Memory) SetBaseAccount(_ context.Context, a connector.BaseAccount, k connector.Keys) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bases = append(slices.DeleteFunc(slices.Clone(m.bases), func(b connector.BaseAccount) bool { return b.Partition == a.Partition }), a)
	m.keep(string(a.Partition), k)
	return nil
}

// DeleteBaseAccount implements connector.Accounts.
func (m *Memory) DeleteBaseAccount(_ context.Context, p connector.Partition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.bases, func(b connector.BaseAccount) bool { return b.Partition == p })
	if i < 0 {
		return fault.New(fault.NotFound, fmt.Sprintf("There is no base account of %s.", p.Name()), "Nothing is to be done.")
	}
	m.bases = slices.Delete(slices.Clone(m.bases), i, i+1)
	delete(m.keys, string(p))
	return nil
}

// PartitionOptions implements connector.Accounts.
func (m *Memory) PartitionOptions(context.Context) (connector.Options, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Allow, nil
}

// SetPartitionOption implements connector.Accounts.
func (m *Memory) SetPartitionOption(_ context.Context, p connector.Partition, on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.connectors {
		if !on && c.Partition == p && !c.Disabled {
			return fault.New(fault.Conflict, fmt.Sprintf("Connector %d lists %s.", c.ID, p.Name()), "Disable or delete it first.")
		}
	}
	if p == connector.GovCloud {
		m.Allow.GovCloud = on
	} else {
		m.Allow.China = on
	}
	return nil
}
