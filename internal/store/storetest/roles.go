package storetest

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

func testRoles(t *testing.T, create func(tb testing.TB) Database) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *bundle)
	}{
		{"begin with that of managers, which stays", testManagerRole},
		{"come back as they were", testRoleComesBack},
		{"are changed as a whole or not at all", testRoleChange},
		{"are given to several users, all or none", testAssignment},
		{"that somebody has are not deleted", testRoleInUse},
		{"that are given while they are deleted leave nothing dangling", testRoleAgainstDeletion},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, setup(t, create))
		})
	}
}

func testManagerRole(t *testing.T, b *bundle) {
	ctx := t.Context()
	roles := must(b.Roles(ctx))(t)
	if len(roles) != 1 || roles[0].Created.IsZero() {
		t.Fatalf("a new database has the roles %v", roles)
	}
	want := access.Role{
		ID: access.ManagerRoleID, Name: access.ManagerRole, Description: "May do everything, on every asset.", Manager: true, Created: roles[0].Created,
	}
	if diff := cmp.Diff(want, roles[0]); diff != "" {
		t.Error(diff)
	}
	_, err := b.UpdateRole(ctx, access.ManagerRoleID, func(*access.Role) error { t.Error("changed"); return nil })
	wantCode(t, err, fault.Conflict)
	wantCode(t, b.DeleteRole(ctx, access.ManagerRoleID), fault.Conflict)
	made := must(b.CreateRole(ctx, access.Role{Name: "another", Manager: true, Created: Start}))(t)
	if made.Manager || made.ID == access.ManagerRoleID {
		t.Errorf("a second role of managers was made: %+v", made)
	}
}

func testRoleComesBack(t *testing.T, b *bundle) {
	ctx := t.Context()
	want := access.Role{
		Name: `%_'"\`, Description: "ä", Created: Start,
		Permissions: []access.Permission{access.ReadAsset, access.APIAccess, access.ReadAsset},
	}
	stored := must(b.CreateRole(ctx, want))(t)
	want.ID, want.Permissions = stored.ID, []access.Permission{access.APIAccess, access.ReadAsset}
	b.reopen(t)
	for _, got := range []access.Role{stored, must(b.Roles(ctx))(t)[1]} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	_, err := b.CreateRole(ctx, access.Role{Name: want.Name, Created: Start})
	wantCode(t, err, fault.Conflict)
	_, err = b.CreateRole(ctx, access.Role{Name: access.ManagerRole, Created: Start})
	wantCode(t, err, fault.Conflict)
	for name, r := range map[string]access.Role{
		"no name":              {},
		"NUL":                  {Name: "\x00"},
		"long name":            {Name: strings.Repeat("x", 1001)},
		"broken UTF-8":         {Name: "x", Description: "\xff"},
		"empty permission":     {Name: "x", Permissions: []access.Permission{""}},
		"too many permissions": {Name: "x", Permissions: make([]access.Permission, 1001)},
	} {
		if _, err := b.CreateRole(ctx, r); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want it refused as invalid", name, err)
		}
	}
	if n := len(must(b.Roles(ctx))(t)); n != 2 {
		t.Errorf("a refused role left something behind: %d roles", n)
	}
}

func testRoleChange(t *testing.T, b *bundle) {
	ctx := t.Context()
	before := must(b.CreateRole(ctx, access.Role{Name: "Scanner", Permissions: []access.Permission{access.APIAccess}, Created: Start}))(t)
	createUser(t, b, "ada", before.ID)
	stop := errors.New("stop")
	_, err := b.UpdateRole(ctx, before.ID, func(r *access.Role) error { r.Name = "x"; return stop })
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want the error of the change", err)
	}
	_, err = b.UpdateRole(ctx, before.ID, func(r *access.Role) error { r.Name, r.Permissions = access.ManagerRole, nil; return nil })
	wantCode(t, err, fault.Conflict)
	_, err = b.UpdateRole(ctx, before.ID, func(r *access.Role) error { r.Name = ""; return nil })
	wantCode(t, err, fault.Invalid)
	_, err = b.UpdateRole(ctx, 77, func(*access.Role) error { t.Error("changed"); return nil })
	wantCode(t, err, fault.NotFound)
	if diff := cmp.Diff(before, must(b.Roles(ctx))(t)[1]); diff != "" {
		t.Errorf("a change that was refused left something behind: %s", diff)
	}
	want := access.Role{ID: before.ID, Name: "Reader", Description: "reads", Permissions: []access.Permission{access.ReadAsset, access.ViewActivationKey}, Created: Start}
	got := must(b.UpdateRole(ctx, before.ID, func(r *access.Role) error {
		r.ID, r.Manager = access.ManagerRoleID, true // not for anybody to change
		r.Name, r.Description, r.Permissions = want.Name, want.Description, want.Permissions
		return nil
	}))(t)
	for _, r := range []access.Role{got, must(b.UserByName(ctx, "ada"))(t).Roles[0]} {
		if diff := cmp.Diff(want, r); diff != "" {
			t.Error(diff)
		}
	}
}

func testAssignment(t *testing.T, b *bundle) {
	ctx := t.Context()
	role := must(b.CreateRole(ctx, access.Role{Name: "Scanner", Created: Start}))(t)
	for _, name := range []string{"cleo", "ada", "bob"} {
		createUser(t, b, name)
	}
	for _, step := range []struct {
		users []string
		give  bool
		code  fault.Code
		want  []string
	}{
		{[]string{"bob", "ada", "bob"}, true, "", []string{"ada", "bob"}},
		{[]string{"cleo", "nobody"}, true, fault.Invalid, []string{"ada", "bob"}},
		{[]string{"cleo", "nul\x00"}, true, fault.Invalid, []string{"ada", "bob"}},
		{[]string{"ada", "nobody"}, false, fault.Invalid, []string{"ada", "bob"}},
		{[]string{"ada", "cleo"}, false, "", []string{"bob"}},
		{nil, true, "", []string{"bob"}},
	} {
		wantCode(t, b.AssignRole(ctx, role.ID, step.users, step.give), step.code)
		if diff := cmp.Diff(step.want, must(b.RoleUsers(ctx, role.ID))(t)); diff != "" {
			t.Errorf("after %v, give %t: %s", step.users, step.give, diff)
		}
	}
	wantCode(t, b.AssignRole(ctx, 77, []string{"ada"}, true), fault.NotFound)
	_, err := b.RoleUsers(ctx, 77)
	wantCode(t, err, fault.NotFound)
	err = b.AssignRole(ctx, role.ID, []string{"nobody"}, true)
	if !strings.Contains(messageOf(err), `"nobody"`) {
		t.Errorf("message %q does not name the user", messageOf(err))
	}
}

func testRoleInUse(t *testing.T, b *bundle) {
	ctx := t.Context()
	role := must(b.CreateRole(ctx, access.Role{Name: "Scanner", Permissions: []access.Permission{access.APIAccess}, Created: Start}))(t)
	createUser(t, b, "ada", role.ID)
	err := b.DeleteRole(ctx, role.ID)
	wantCode(t, err, fault.Conflict)
	if !strings.Contains(messageOf(err), "'ada'") {
		t.Errorf("message %q does not name the user", messageOf(err))
	}
	if err := b.AssignRole(ctx, role.ID, []string{"ada"}, false); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteRole(ctx, role.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.DeleteRole(ctx, role.ID), fault.NotFound)
}

func testRoleAgainstDeletion(t *testing.T, b *bundle) {
	ctx := t.Context()
	other := b.database(t, b.clock)
	createUser(t, b, "ada")
	for range 12 {
		role := must(b.CreateRole(ctx, access.Role{Name: "Scanner", Created: Start}))(t)
		var wait sync.WaitGroup
		var given, deleted error
		wait.Go(func() { given = b.AssignRole(ctx, role.ID, []string{"ada"}, true) })
		wait.Go(func() { deleted = other.DeleteRole(ctx, role.ID) })
		wait.Wait()
		switch {
		case given == nil:
			wantCode(t, deleted, fault.Conflict)
			if err := b.AssignRole(ctx, role.ID, []string{"ada"}, false); err != nil {
				t.Fatal(err)
			}
			if err := b.DeleteRole(ctx, role.ID); err != nil {
				t.Fatal(err)
			}
		default:
			wantCode(t, given, fault.NotFound)
			wantCode(t, deleted, "")
		}
	}
}
