// Package accesstest has the storage of users and roles in memory, for tests of
// what stands on it. Memory is its main type; it keeps the promises of
// access.Accounts, access.Roles, access.TagNames, access.Tokens and access.Journal.
package accesstest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

// Memory keeps users, roles and tokens. Create it with New; it is safe for
// concurrent use.
type Memory struct {
	mu      sync.Mutex
	users   map[string]access.User // roles by id only
	roles   map[int64]access.Role
	tokens  map[int64]access.Token
	digests map[int64]string
	tags    map[int64]string
	entries []access.Entry // oldest first
	lastID  int64
}

// New returns a memory that holds the role of managers, the tags, and one
// manager.
func New(manager access.User, tags map[int64]string) *Memory {
	m := &Memory{
		users: map[string]access.User{}, roles: map[int64]access.Role{}, tokens: map[int64]access.Token{}, digests: map[int64]string{},
		tags: tags, lastID: access.ManagerRoleID,
	}
	m.roles[access.ManagerRoleID] = access.Role{ID: access.ManagerRoleID, Name: access.ManagerRole, Description: "Everything.", Manager: true}
	manager.ID, manager.Roles = m.next(), []access.Role{{ID: access.ManagerRoleID}}
	m.users[manager.Username] = manager
	return m
}

func (m *Memory) next() int64 {
	m.lastID++
	return m.lastID
}

// whole returns a user with all that is known of the roles.
func (m *Memory) whole(u access.User) access.User {
	ids := map[int64]bool{}
	for _, r := range u.Roles {
		ids[r.ID] = true
	}
	u.Roles = nil
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		u.Roles = append(u.Roles, m.roles[id])
	}
	u.Scope.Reach = u.Scope.TagIDs
	return u
}

func (m *Memory) check(u access.User) error {
	for _, r := range u.Roles {
		if _, known := m.roles[r.ID]; !known {
			return fault.Newf(fault.Invalid, "There is no role %d.", r.ID)
		}
	}
	for _, id := range u.Scope.TagIDs {
		if _, known := m.tags[id]; !known {
			return fault.Newf(fault.Invalid, "There is no tag %d.", id)
		}
	}
	return nil
}

// keepsManager refuses users among whom no manager is enabled.
func (m *Memory) keepsManager(users map[string]access.User) error {
	for _, u := range users {
		if !u.Disabled && m.whole(u).Manager() {
			return nil
		}
	}
	return fault.New(fault.Conflict, "This is the last enabled manager.", "Give another user the role Manager first.")
}

// UserByName implements access.Users.
func (m *Memory) UserByName(_ context.Context, username string) (access.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, known := m.users[username]
	if !known {
		return access.User{}, fault.Newf(fault.NotFound, "user %q", username)
	}
	return m.whole(u), nil
}

// UserByID implements access.Users.
func (m *Memory) UserByID(_ context.Context, id int64) (access.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.users {
		if u.ID == id {
			return m.whole(u), nil
		}
	}
	return access.User{}, fault.Newf(fault.NotFound, "user %d", id)
}

// Users implements access.Accounts.
func (m *Memory) Users(context.Context) ([]access.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []access.User
	for _, name := range slices.Sorted(maps.Keys(m.users)) {
		all = append(all, m.whole(m.users[name]))
	}
	return all, nil
}

// CreateUser implements access.Accounts.
func (m *Memory) CreateUser(_ context.Context, u access.User) (access.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.users[u.Username]; taken {
		return access.User{}, fault.Newf(fault.Conflict, "a user named %q exists already", u.Username)
	}
	if err := m.check(u); err != nil {
		return access.User{}, err
	}
	u.ID = m.next()
	m.users[u.Username] = u
	return m.whole(u), nil
}

// UpdateUser implements access.Accounts.
func (m *Memory) UpdateUser(_ context.Context, username string, change func(*access.User) error) (access.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, known := m.users[username]
	if !known {
		return access.User{}, fault.Newf(fault.NotFound, "user %q", username)
	}
	if err := change(&u); err != nil {
		return access.User{}, err
	}
	if err := m.check(u); err != nil {
		return access.User{}, err
	}
	after := maps.Clone(m.users)
	after[username] = u
	if err := m.keepsManager(after); err != nil {
		return access.User{}, err
	}
	m.users = after
	return m.whole(u), nil
}

// DeleteUser implements access.Accounts.
func (m *Memory) DeleteUser(_ context.Context, username string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, known := m.users[username]
	if !known {
		return fault.Newf(fault.NotFound, "user %q", username)
	}
	after := maps.Clone(m.users)
	delete(after, username)
	if err := m.keepsManager(after); err != nil {
		return err
	}
	m.users = after
	maps.DeleteFunc(m.tokens, func(_ int64, t access.Token) bool { return t.UserID == u.ID })
	return nil
}

// CreateToken implements access.Accounts.
func (m *Memory) CreateToken(_ context.Context, t access.Token, digest []byte, limit int) (access.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	valid := 0
	for _, other := range m.tokens {
		if other.UserID == t.UserID && other.Expires.After(t.Created) {
			valid++
		}
	}
	if valid >= limit {
		return access.Token{}, fault.New(fault.Conflict, fmt.Sprintf("There are %d tokens already.", valid), "Revoke one that is not needed.")
	}
	t.ID = m.next()
	m.tokens[t.ID], m.digests[t.ID] = t, string(digest)
	return t, nil
}

// Tokens implements access.Accounts.
func (m *Memory) Tokens(_ context.Context, userID int64) ([]access.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []access.Token
	for _, id := range slices.Sorted(maps.Keys(m.tokens)) {
		if m.tokens[id].UserID == userID {
			found = append(found, m.tokens[id])
		}
	}
	return found, nil
}

// DeleteToken implements access.Accounts.
func (m *Memory) DeleteToken(_ context.Context, userID, id int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t, known := m.tokens[id]; !known || t.UserID != userID {
		return fault.Newf(fault.NotFound, "token %d", id)
	}
	delete(m.tokens, id)
	return nil
}

// UserOfToken implements access.Tokens.
func (m *Memory) UserOfToken(ctx context.Context, digest []byte) (access.User, access.Token, error) {
	m.mu.Lock()
	var found access.Token
	for id, t := range m.tokens {
		if m.digests[id] == string(digest) {
			found = t
		}
	}
	m.mu.Unlock()
	if found.ID == 0 {
		return access.User{}, found, fault.Newf(fault.NotFound, "token")
	}
	u, err := m.UserByID(ctx, found.UserID)
	return u, found, err
}

// Roles implements access.Roles.
func (m *Memory) Roles(context.Context) ([]access.Role, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.roles), func(a, b access.Role) int { return cmp.Compare(a.ID, b.ID) }), nil
}

// RoleUsers implements access.Roles.
func (m *Memory) RoleUsers(_ context.Context, id int64) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holders(id), nil
}

func (m *Memory) holders(id int64) []string {
	var names []string
	for name, u := range m.users {
		if slices.ContainsFunc(u.Roles, func(r access.Role) bool { return r.ID == id }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (m *Memory) nameTaken(r access.Role) error {
	for _, other := range m.roles {
		if other.ID != r.ID && other.Name == r.Name {
			return fault.Newf(fault.Conflict, "There is a role '%s' already.", r.Name)
		}
	}
	return nil
}

// CreateRole implements access.Roles.
func (m *Memory) CreateRole(_ context.Context, r access.Role) (access.Role, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.nameTaken(r); err != nil {
		return access.Role{}, err
	}
	r.ID = m.next()
	m.roles[r.ID] = r
	return r, nil
}

// UpdateRole implements access.Roles.
func (m *Memory) UpdateRole(_ context.Context, id int64, change func(*access.Role) error) (access.Role, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, known := m.roles[id]
	if !known {
		return access.Role{}, fault.Newf(fault.NotFound, "role %d", id)
	}
	r.Permissions = slices.Clone(r.Permissions)
	if err := change(&r); err != nil {
		return access.Role{}, err
	}
	if err := m.nameTaken(r); err != nil {
		return access.Role{}, err
	}
	m.roles[id] = r
	return r, nil
}

// DeleteRole implements access.Roles.
func (m *Memory) DeleteRole(_ context.Context, id int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if names := m.holders(id); len(names) > 0 {
		return fault.New(fault.Conflict, fmt.Sprintf("Users have role %d: %v.", id, names), "Take it from them first.")
	}
	delete(m.roles, id)
	return nil
}

// AssignRole implements access.Roles.
func (m *Memory) AssignRole(_ context.Context, id int64, usernames []string, give bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := maps.Clone(m.users)
	for _, name := range usernames {
		u, known := after[name]
		if !known {
			return fault.Newf(fault.Invalid, "There is no user '%s'.", name)
		}
		u.Roles = slices.DeleteFunc(slices.Clone(u.Roles), func(r access.Role) bool { return r.ID == id })
		if give {
			u.Roles = append(u.Roles, access.Role{ID: id})
		}
		after[name] = u
	}
	if err := m.keepsManager(after); err != nil {
		return err
	}
	m.users = after
	return nil
}

// TagNames implements access.TagNames.
func (m *Memory) TagNames(context.Context) (map[int64]string, error) { return maps.Clone(m.tags), nil }

// Append implements access.Journal.
func (m *Memory) Append(_ context.Context, e access.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.ID = int64(len(m.entries)) + 1
	m.entries = append(m.entries, e)
	return nil
}

// Entries returns the audit log, oldest first.
func (m *Memory) Entries() []access.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.entries)
}
