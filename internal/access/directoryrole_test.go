package access_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

// of returns the permissions of modules with types of access, sorted.
func of(types []access.Permission, keys ...string) []access.Permission {
	all := slices.Clone(types)
	for _, m := range access.Modules() {
		if slices.Contains(keys, m.Key) {
			all = append(all, m.Permissions()...)
		}
	}
	slices.Sort(all)
	return all
}

func TestARoleHasAllOfItsModulesUnlessRefined(t *testing.T) {
	t.Parallel()
	api, ui := []access.Permission{access.APIAccess}, []access.Permission{access.UIAccess}
	both := append(slices.Clone(api), ui...)
	for _, tc := range []struct {
		name  string
		grant access.Grant
		want  []access.Permission
	}{
		{"a module by key", access.Grant{API: true, Modules: []string{"CA"}}, of(api, "CA")},
		{"a module by label", access.Grant{API: true, Modules: []string{"cloud agent"}}, of(api, "CA")},
		{"two modules", access.Grant{API: true, UI: true, Modules: []string{"CA", "Asset Management"}}, of(both, "CA", "AM")},
		{"a module twice", access.Grant{API: true, Modules: []string{"CA", "CA"}}, of(api, "CA")},
		{"access to the console alone", access.Grant{UI: true, Modules: []string{"AM"}}, of(ui, "AM")},
		{"no module", access.Grant{API: true}, api},
		{"refined to none", access.Grant{API: true, Modules: []string{"CA"}, Permissions: []string{}}, api},
		{"refined by key", access.Grant{API: true, Modules: []string{"CA"}, Permissions: []string{"LAUNCH_ON_DEMAND_SCAN"}}, []access.Permission{access.APIAccess, access.LaunchOnDemandScan}},
		{"refined by label", access.Grant{API: true, Modules: []string{"CA"}, Permissions: []string{"launch on-demand scan", "Enable/Disable Activation Key"}},
			[]access.Permission{access.APIAccess, access.EnableActivationKey, access.LaunchOnDemandScan}},
		{"permissions without a module", access.Grant{API: true, Permissions: []string{"READ_ASSET", "UNINSTALL_AGENT", "READ_ASSET"}},
			[]access.Permission{access.APIAccess, access.ReadAsset, access.UninstallAgent}},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			role, err := b.CreateRole(t.Context(), b.admin, access.NewRole{Name: "New", Grant: tc.grant})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, role.Permissions); diff != "" || role.Manager {
				t.Errorf("permissions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRolesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	api := access.Grant{API: true}
	for _, tc := range []struct {
		name string
		role access.NewRole
		says string
	}{
		{"no name", access.NewRole{Grant: api}, "name: invalid value ''"},
		{"a space at the end", access.NewRole{Name: "Reader ", Grant: api}, "no space at either end"},
		{"a name like an id", access.NewRole{Name: "12", Grant: api}, "taken for the id"},
		{"a control character", access.NewRole{Name: "Rea\x07der", Grant: api}, "control character"},
		{"too long a name", access.NewRole{Name: strings.Repeat("ü", 101), Grant: api}, "at most 100"},
		{"too long a description", access.NewRole{Name: "x", Description: strings.Repeat("x", 1001), Grant: api}, "description"},
		{"no access", access.NewRole{Name: "x", Grant: access.Grant{Modules: []string{"CA"}}}, "allows nothing"},
		{"an unknown module", access.NewRole{Name: "x", Grant: access.Grant{API: true, Modules: []string{"VM"}}}, "there is no module 'VM'. Use one of CA (Cloud Agent), AM (Asset Management), AUTO (Automation)."},
		{"an unknown permission", access.NewRole{Name: "x", Grant: access.Grant{API: true, Permissions: []string{"FLY"}}}, "there is no permission 'FLY'. Use one of CA_API_ACCESS, CA_UI_ACCESS, VIEW_ACTIVATION_KEY"},
		{"a permission of another module", access.NewRole{Name: "x", Grant: access.Grant{API: true, Modules: []string{"CA"}, Permissions: []string{"Read Asset"}}}, "READ_ASSET does not belong to Cloud Agent"},
		{"a type of access as permission", access.NewRole{Name: "x", Grant: access.Grant{API: true, Permissions: []string{"API Access"}}}, "Set apiAccess instead"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			_, err := b.CreateRole(t.Context(), b.admin, tc.role)
			refused(t, err, fault.Invalid, tc.says)
		})
	}
}

func TestARoleKeepsWhatAChangeDoesNotName(t *testing.T) {
	t.Parallel()
	yes, no, name := true, false, "Renamed"
	before := []access.Permission{access.APIAccess, access.ReadAsset}
	for _, tc := range []struct {
		name   string
		change access.RoleChange
		want   []access.Permission
	}{
		{"name alone", access.RoleChange{Name: &name}, before},
		{"console too", access.RoleChange{UI: &yes}, []access.Permission{access.APIAccess, access.ReadAsset, access.UIAccess}},
		{"console instead", access.RoleChange{API: &no, UI: &yes}, []access.Permission{access.ReadAsset, access.UIAccess}},
		{"other permissions", access.RoleChange{Permissions: []string{"UPDATE_ASSET"}}, []access.Permission{access.APIAccess, access.UpdateAsset}},
		{"no permissions", access.RoleChange{Permissions: []string{}}, []access.Permission{access.APIAccess}},
		{"a whole module", access.RoleChange{Modules: []string{"AM"}}, of([]access.Permission{access.APIAccess}, "AM")},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			role := b.role(t, "Reader", "READ_ASSET")
			changed, err := b.UpdateRole(t.Context(), b.admin, role.ID, tc.change)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, changed.Permissions); diff != "" || (changed.Name == name) != (tc.change.Name != nil) {
				t.Errorf("role %q, permissions (-want +got):\n%s", changed.Name, diff)
			}
		})
	}
}

func TestRoleChangesThatCannotBeLeaveTheRole(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	role := b.role(t, "Reader", "READ_ASSET")
	b.role(t, "Writer", "UPDATE_ASSET")
	no, taken, number := false, "Writer", "7"
	for _, change := range []struct {
		access.RoleChange
		code fault.Code
	}{
		{access.RoleChange{API: &no}, fault.Invalid},
		{access.RoleChange{Name: &number}, fault.Invalid},
		{access.RoleChange{Permissions: []string{"READ_ASSET", "FLY"}}, fault.Invalid},
		{access.RoleChange{Name: &taken}, fault.Conflict},
	} {
		if _, err := b.UpdateRole(t.Context(), b.admin, role.ID, change.RoleChange); !fault.Is(err, change.code) {
			t.Errorf("%+v: %v, want %s", change.RoleChange, err, change.code)
		}
	}
	after, err := b.Role(t.Context(), b.admin, role.ID)
	if diff := cmp.Diff(role, after); err != nil || diff != "" {
		t.Errorf("%v, role (-want +got):\n%s", err, diff)
	}
}

func TestTheRoleOfManagersStaysAsItIs(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	name := "Boss"
	_, err := b.UpdateRole(t.Context(), b.admin, 1, access.RoleChange{Name: &name})
	refused(t, err, fault.Conflict, "cannot be changed")
	refused(t, b.DeleteRole(t.Context(), b.admin, 1), fault.Conflict, "cannot be deleted")
}

func TestARoleInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	role := b.role(t, "Reader", "READ_ASSET")
	b.user(t, "ann", role)
	refused(t, b.DeleteRole(t.Context(), b.admin, role.ID), fault.Conflict, "ann")
	if err := b.AssignRole(t.Context(), b.admin, role.ID, []string{"ann"}, false); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteRole(t.Context(), b.admin, role.ID); err != nil {
		t.Error(err)
	}
}

func TestEveryPermissionIsFoundByKeyAndByLabel(t *testing.T) {
	t.Parallel()
	seen := map[string]access.Permission{}
	for _, m := range access.Modules() {
		for _, p := range m.Permissions() {
			for _, text := range []string{string(p), p.Label(), strings.ToLower(p.Label())} {
				if found, err := access.FindPermission(text); err != nil || found != p {
					t.Errorf("%q is %q, %v; want %q", text, found, err, p)
				}
			}
			if other, twice := seen[p.Label()]; twice || !p.Known() || p.Label() == string(p) {
				t.Errorf("label %q of %s, also of %q", p.Label(), p, other)
			}
			seen[p.Label()] = p
		}
	}
}

func TestTheManualListsEveryPermission(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range access.Modules() {
		for _, g := range m.Groups {
			for _, p := range g.Permissions {
				if row := "| " + p.Label + " | `" + string(p.Permission) + "` |"; !strings.Contains(string(manual), row) || !strings.Contains(string(manual), "| "+g.Label+" |") {
					t.Errorf("docs/access.md has no %q in %q", row, g.Label)
				}
			}
		}
	}
}
