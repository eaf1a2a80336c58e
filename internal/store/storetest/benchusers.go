package storetest

import (
	"fmt"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/qps"
)

// BenchmarkUsers reads a user as every request of an operator does: a manager, and
// one with three roles and a scope of 200 tags.
func BenchmarkUsers(b *testing.B, create func(tb testing.TB) Database) {
	s := setup(b, create)
	ctx := b.Context()
	scoped := access.User{Username: "scoped", PasswordHash: "$argon2id$1", Created: Start}
	var all []access.Permission
	for _, module := range access.Modules() {
		all = append(all, module.Permissions()...)
	}
	for i := range 3 {
		role := must(s.CreateRole(ctx, access.Role{Name: fmt.Sprint("role ", i), Permissions: all, Created: Start}))(b)
		scoped.Roles = append(scoped.Roles, role)
	}
	for i := range 20 {
		top := must(s.CreateTag(ctx, qps.TagChange{Name: new(fmt.Sprint("tag ", i))}))(b)
		scoped.Scope.TagIDs = append(scoped.Scope.TagIDs, top)
		for j := range 9 {
			must(s.CreateTag(ctx, qps.TagChange{Name: new(fmt.Sprint("tag ", i, "/", j)), ParentTagID: &top}))(b)
		}
	}
	must(s.CreateUser(ctx, scoped))(b)
	must(s.CreateUser(ctx, access.User{Username: "manager", Roles: []access.Role{{ID: access.ManagerRoleID}}, Created: Start}))(b)
	for _, name := range []string{"manager", "scoped", "nobody"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				u, err := s.UserByName(ctx, name)
				if (err == nil) != (name != "nobody") || name == "scoped" && len(u.Scope.Reach) != 200 {
					b.Fatalf("got %d tags, %v", len(u.Scope.Reach), err)
				}
			}
		})
	}
}
