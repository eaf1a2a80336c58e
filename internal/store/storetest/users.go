package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

// managerRole is the role every database has, but for the time it was made.
func managerRole(t *testing.T, b *bundle) access.Role {
	t.Helper()
	return must(b.Roles(t.Context()))(t)[0]
}

func createUser(t *testing.T, b *bundle, name string, roleIDs ...int64) access.User {
	t.Helper()
	u := access.User{Username: name, FirstName: "Ada", LastName: "O'Neil", PasswordHash: "$argon2id$1", Created: Start}
	for _, id := range roleIDs {
		u.Roles = append(u.Roles, access.Role{ID: id})
	}
	return must(b.CreateUser(t.Context(), u))(t)
}

func testUsers(t *testing.T, create func(tb testing.TB) Database) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *bundle)
	}{
		{"come back as they were", testUserComesBack},
		{"with a name that is taken are refused", testTakenName},
		{"that do not exist are not found", testNoUser},
		{"are changed as a whole or not at all", testUserChange},
		{"lose their tokens with their password", testPasswordChange},
		{"go with all that is theirs", testUserDeletion},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, setup(t, create))
		})
	}
}

func testUserComesBack(t *testing.T, b *bundle) {
	ctx := t.Context()
	tag := must(b.EnsureSystemTag(ctx, Start))(t)
	role := must(b.CreateRole(ctx, access.Role{Name: "Scanner", Permissions: []access.Permission{access.APIAccess, access.LaunchOnDemandScan}, Created: Start}))(t)
	want := access.User{
		Username: "ádmin", FirstName: "Ada", LastName: `O'Neil "]}\`, PasswordHash: "$argon2id$1", Created: Start,
		PasswordChanged: Start.Add(123456 * time.Microsecond), Disabled: true,
		Roles: []access.Role{{ID: role.ID}, {ID: access.ManagerRoleID}}, Scope: access.Scope{All: true, TagIDs: []int64{tag.ID}},
		Settings: access.Settings{TimeFormat: "DD.MM.YYYY HH:mm", TimeZone: "Europe/Berlin", Email: "ada@example.net"},
	}
	stored := must(b.CreateUser(ctx, want))(t)
	want.ID, want.Roles, want.Scope.Reach = stored.ID, []access.Role{managerRole(t, b), role}, []int64{tag.ID}
	second := createUser(t, b, "Bob")
	b.reopen(t)
	for name, got := range map[string]access.User{
		"created": stored, "by name": must(b.UserByName(ctx, "ádmin"))(t), "by id": must(b.UserByID(ctx, stored.ID))(t),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if diff := cmp.Diff([]access.User{second, want}, must(b.Users(ctx))(t)); diff != "" {
		t.Error(diff)
	}
	if len(second.Roles) != 0 || len(second.Scope.Reach) != 0 {
		t.Errorf("a user without roles and scope has %v and %v", second.Roles, second.Scope)
	}
}

func testTakenName(t *testing.T, b *bundle) {
	ctx := t.Context()
	createUser(t, b, "ada")
	createUser(t, b, "Ada") // another one
	_, err := b.CreateUser(ctx, access.User{Username: "ada", Created: Start})
	wantCode(t, err, fault.Conflict)
	_, err = b.UpdateUser(ctx, "ada", func(u *access.User) error { u.Username = "Ada"; return nil })
	wantCode(t, err, fault.Conflict)
	if n := len(must(b.Users(ctx))(t)); n != 2 {
		t.Errorf("there are %d users, want 2", n)
	}
}

func testNoUser(t *testing.T, b *bundle) {
	ctx := t.Context()
	createUser(t, b, "ádmin")
	for _, name := range []string{"Ádmin", "admin", "", "ádmin\x00", "\xff"} {
		_, err := b.UserByName(ctx, name)
		wantCode(t, err, fault.NotFound)
		_, err = b.UpdateUser(ctx, name, func(*access.User) error { t.Error("changed"); return nil })
		wantCode(t, err, fault.NotFound)
		wantCode(t, b.DeleteUser(ctx, name), fault.NotFound)
	}
	_, err := b.UserByID(ctx, 99)
	wantCode(t, err, fault.NotFound)
	for name, u := range map[string]access.User{
		"empty name":           {},
		"NUL":                  {Username: "nul\x00"},
		"broken UTF-8":         {Username: "\xff"},
		"long name":            {Username: strings.Repeat("x", 1001)},
		"NUL in another text":  {Username: "x", LastName: "\x00"},
		"role that is not":     {Username: "x", Roles: []access.Role{{ID: access.ManagerRoleID}, {ID: 77}}},
		"tag that is not":      {Username: "x", Scope: access.Scope{TagIDs: []int64{99}}},
		"more roles than may":  {Username: "x", Roles: make([]access.Role, 1001)},
		"more tags than may":   {Username: "x", Scope: access.Scope{TagIDs: make([]int64, 1001)}},
		"role without a proof": {Username: "x", Roles: []access.Role{{Manager: true}}},
	} {
		u.Created = Start
		if _, err := b.CreateUser(ctx, u); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want it refused as invalid", name, err)
		}
	}
	_, err = b.CreateUser(ctx, access.User{Username: "x", Roles: []access.Role{{ID: 77}}, Created: Start})
	if !strings.Contains(messageOf(err), "77") {
		t.Errorf("message %q does not name the role", messageOf(err))
	}
	if n := len(must(b.Users(ctx))(t)); n != 1 {
		t.Errorf("a refused user left something behind: %d users", n)
	}
}

func testUserChange(t *testing.T, b *bundle) {
	ctx := t.Context()
	before := createUser(t, b, "ada", access.ManagerRoleID)
	createUser(t, b, "grace", access.ManagerRoleID)
	tag := must(b.EnsureSystemTag(ctx, Start))(t)
	stop := errors.New("stop")
	_, err := b.UpdateUser(ctx, "ada", func(u *access.User) error { u.FirstName = "x"; return stop })
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want the error of the change", err)
	}
	for _, bad := range []func(*access.User){
		func(u *access.User) { u.Username = "" },
		func(u *access.User) { u.FirstName, u.Roles = "x", []access.Role{{ID: 77}} },
		func(u *access.User) { u.FirstName, u.Roles, u.Scope.TagIDs = "x", nil, []int64{99} },
	} {
		_, err := b.UpdateUser(ctx, "ada", func(u *access.User) error { bad(u); return nil })
		wantCode(t, err, fault.Invalid)
	}
	if diff := cmp.Diff(before, must(b.UserByName(ctx, "ada"))(t)); diff != "" {
		t.Errorf("a change that was refused left something behind: %s", diff)
	}
	want := before
	want.Username, want.LastName, want.Roles, want.Disabled = "ada2", "Lovelace", nil, true
	want.Scope = access.Scope{TagIDs: []int64{tag.ID}, Reach: []int64{tag.ID}}
	got, err := b.UpdateUser(ctx, "ada", func(u *access.User) error {
		u.ID, u.Created = 99, time.Time{} // not for anybody to change
		u.Username, u.LastName, u.Roles, u.Disabled, u.Scope = want.Username, want.LastName, nil, true, access.Scope{TagIDs: []int64{tag.ID, tag.ID}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []access.User{got, must(b.UserByName(ctx, "ada2"))(t)} {
		if diff := cmp.Diff(want, u); diff != "" {
			t.Error(diff)
		}
	}
}

func testPasswordChange(t *testing.T, b *bundle) {
	ctx := t.Context()
	createUser(t, b, "ada")
	*b.now = Start.Add(90 * time.Minute)
	got := must(b.UpdateUser(ctx, "ada", func(u *access.User) error { u.FirstName = "x"; return nil }))(t)
	if !got.PasswordChanged.IsZero() {
		t.Errorf("the password changed at %s, and it did not", got.PasswordChanged)
	}
	got = must(b.UpdateUser(ctx, "ada", func(u *access.User) error { u.PasswordHash = "$argon2id$2"; return nil }))(t)
	if !got.PasswordChanged.Equal(*b.now) || got.PasswordHash != "$argon2id$2" {
		t.Errorf("got hash %q, changed at %s", got.PasswordHash, got.PasswordChanged)
	}
	own := Start.Add(time.Hour)
	got = must(b.UpdateUser(ctx, "ada", func(u *access.User) error { u.PasswordHash, u.PasswordChanged = "$argon2id$3", own; return nil }))(t)
	if !got.PasswordChanged.Equal(own) {
		t.Errorf("the time the change gave became %s", got.PasswordChanged)
	}
}

func testUserDeletion(t *testing.T, b *bundle) {
	ctx := t.Context()
	role := must(b.CreateRole(ctx, access.Role{Name: "Scanner", Created: Start}))(t)
	tag := must(b.EnsureSystemTag(ctx, Start))(t)
	user := must(b.CreateUser(ctx, access.User{
		Username: "ada", Roles: []access.Role{{ID: role.ID}}, Scope: access.Scope{TagIDs: []int64{tag.ID}}, Created: Start,
	}))(t)
	createToken(t, b, user.ID, "script", 1)
	if err := b.DeleteUser(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	_, err := b.UserByID(ctx, user.ID)
	wantCode(t, err, fault.NotFound)
	_, _, err = b.UserOfToken(ctx, digestOf(1))
	wantCode(t, err, fault.NotFound)
	if err := b.DeleteRole(ctx, role.ID); err != nil {
		t.Errorf("the role is still somebody's: %v", err)
	}
	if again := createUser(t, b, "ada"); again.ID == user.ID {
		t.Error("the id of a deleted user was used again: tokens name users by it")
	}
}

func testManagers(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("the last enabled one stays", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ctx := t.Context()
		createUser(t, b, "ada", access.ManagerRoleID)
		createUser(t, b, "bob")
		grace := createUser(t, b, "grace", access.ManagerRoleID)
		disable := func(u *access.User) error { u.Disabled = true; return nil }
		must(b.UpdateUser(ctx, "grace", disable))(t)
		strip := func(u *access.User) error { u.Roles = nil; return nil }
		for name, attempt := range map[string]func() error{
			"delete":   func() error { return b.DeleteUser(ctx, "ada") },
			"disable":  func() error { _, err := b.UpdateUser(ctx, "ada", disable); return err },
			"strip":    func() error { _, err := b.UpdateUser(ctx, "ada", strip); return err },
			"unassign": func() error { return b.AssignRole(ctx, access.ManagerRoleID, []string{"grace", "ada"}, false) },
		} {
			err := attempt()
			if !fault.Is(err, fault.Conflict) || !strings.Contains(messageOf(err), "'ada'") {
				t.Errorf("%s: got %v, want a conflict that names the user", name, err)
			}
		}
		if diff := cmp.Diff([]string{"ada", "grace"}, must(b.RoleUsers(ctx, access.ManagerRoleID))(t)); diff != "" {
			t.Errorf("managers: %s", diff)
		}
		// Others, and managers who are disabled, may go.
		must(b.UpdateUser(ctx, "bob", disable))(t)
		for _, name := range []string{"bob", grace.Username} {
			if err := b.DeleteUser(ctx, name); err != nil {
				t.Errorf("delete %s: %v", name, err)
			}
		}
	})
	t.Run("of all who go at once one stays", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ctx := t.Context()
		names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		for _, name := range names {
			createUser(t, b, name, access.ManagerRoleID)
		}
		other := b.database(t, b.clock) // another replica, or another process
		var wait sync.WaitGroup
		results := make([]error, len(names))
		for i, name := range names {
			wait.Go(func() {
				s := b.Store
				if i%2 == 1 {
					s = other
				}
				switch i % 4 {
				case 0:
					results[i] = s.DeleteUser(ctx, name)
				case 1:
					_, results[i] = s.UpdateUser(ctx, name, func(u *access.User) error { u.Disabled = true; return nil })
				case 2:
					_, results[i] = s.UpdateUser(ctx, name, func(u *access.User) error { u.Roles = nil; return nil })
				case 3:
					results[i] = s.AssignRole(ctx, access.ManagerRoleID, []string{name}, false)
				}
			})
		}
		wait.Wait()
		refused := 0
		for i, err := range results {
			if err != nil {
				wantCode(t, err, fault.Conflict)
				refused++
				continue
			}
			if u, err := b.UserByName(ctx, names[i]); err == nil && u.Manager() && !u.Disabled {
				t.Errorf("user %s is still a manager", names[i])
			}
		}
		if refused != 1 {
			t.Errorf("%d were refused, want 1", refused)
		}
		left := slices.DeleteFunc(must(b.Users(ctx))(t), func(u access.User) bool { return u.Disabled || !u.Manager() })
		if len(left) != 1 {
			t.Errorf("%d enabled managers are left, want 1", len(left))
		}
	})
	t.Run("two that are made under one name at once are one", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		other := b.database(t, b.clock)
		var wait sync.WaitGroup
		results := make([]error, 6)
		for i := range results {
			wait.Go(func() {
				s := b.Store
				if i%2 == 1 {
					s = other
				}
				_, results[i] = s.CreateUser(t.Context(), access.User{Username: "admin", Roles: []access.Role{{ID: access.ManagerRoleID}}, Created: Start})
			})
		}
		wait.Wait()
		made := 0
		for _, err := range results {
			if err == nil {
				made++
				continue
			}
			wantCode(t, err, fault.Conflict)
		}
		if made != 1 {
			t.Errorf("%d were made, want 1", made)
		}
	})
}
