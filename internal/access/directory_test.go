package access_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/access/accesstest"
	"vedette.dev/vedette/internal/fault"
)

var start = time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)

const goodPassword = "correct horse battery"

// managers is the role of managers, as users have it.
var managers = access.Role{ID: access.ManagerRoleID}

// goodHash is the hash of goodPassword. Hashing is slow on purpose, so it is done
// once for all tests.
var goodHash = sync.OnceValues(func() (string, error) { return access.HashPassword(goodPassword) })

// bundle is a directory over storage in memory, whose one manager is admin.
type bundle struct {
	*access.Directory
	memory *accesstest.Memory
	admin  access.Principal
}

func newBundle(t *testing.T) bundle {
	t.Helper()
	hash, err := goodHash()
	if err != nil {
		t.Fatal(err)
	}
	memory := accesstest.New(access.User{Username: "admin", PasswordHash: hash, Created: start}, map[int64]string{
		7: "Cloud Agent", 8: "Edge", 9: "West", 10: "West",
	})
	b := bundle{Directory: access.NewDirectory(memory, memory, memory, func() time.Time { return start }), memory: memory}
	b.admin = b.principal(t, "admin")
	return b
}

// principal returns a user as a request with their password would be made by.
func (b bundle) principal(t *testing.T, username string) access.Principal {
	t.Helper()
	u, err := b.memory.UserByName(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	return access.NewPrincipal(u)
}

// user stores a user with the password goodPassword.
func (b bundle) user(t *testing.T, username string, roles ...access.Role) {
	t.Helper()
	u := access.User{Username: username, Roles: roles, PasswordHash: b.admin.User.PasswordHash, Created: start}
	if _, err := b.memory.CreateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
}

func (b bundle) role(t *testing.T, name string, permissions ...string) access.Role {
	t.Helper()
	r, err := b.CreateRole(t.Context(), b.admin, access.NewRole{Name: name, Grant: access.Grant{API: true, Permissions: append([]string{}, permissions...)}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// refused checks that err is a fault with the code which says the text, and a
// next step.
func refused(t *testing.T, err error, code fault.Code, says string) {
	t.Helper()
	f := fault.CodeOf(err)
	explanation := ""
	if e, ok := err.(*fault.Error); ok { //nolint:errorlint // the message that reaches the caller is the outermost
		explanation = e.Message + " " + e.Resolution
		if e.Resolution == "" {
			t.Errorf("%q has no next step", e.Message)
		}
	}
	if f != code || !strings.Contains(explanation, says) {
		t.Errorf("error %q %q, want %q that says %q", f, explanation, code, says)
	}
}

// The steps of the published integration: a role with API access and the module
// Cloud Agent, refined to two scopes, added to users, with a scope tag.
func TestTheStepsOfThePublishedIntegrationGiveTwoPermissions(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	role, err := b.CreateRole(t.Context(), b.admin, access.NewRole{Name: "D3 SOAR", Grant: access.Grant{
		API: true, Modules: []string{"Cloud Agent"},
		Permissions: []string{"CA API Access Permissions for subusers", "Launch On-Demand Scan"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.user(t, "soar")
	b.user(t, "soar2")
	if err := b.AssignRole(t.Context(), b.admin, role.ID, []string{"soar", "soar2", "soar"}, true); err != nil {
		t.Fatal(err)
	}
	scope := access.ScopeChoice{Tags: []access.Reference{{Name: "Cloud Agent"}}}
	if _, err := b.UpdateUser(t.Context(), b.admin, "soar", access.UserChange{Scope: &scope}); err != nil {
		t.Fatal(err)
	}
	soar := b.principal(t, "soar")
	if diff := cmp.Diff([]access.Permission{access.APIAccess, access.CAAPIAccess, access.LaunchOnDemandScan}, soar.User.Roles[0].Permissions); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
	if !soar.May(access.LaunchOnDemandScan) || soar.May(access.UninstallAgent) || soar.Everywhere() || len(soar.Reach()) != 1 || soar.Reach()[0] != 7 {
		t.Errorf("soar may %v", soar.User)
	}
	if names, err := b.RoleUsers(t.Context(), b.admin, role.ID); err != nil || cmp.Diff([]string{"soar", "soar2"}, names) != "" {
		t.Errorf("users of the role = %v, %v", names, err)
	}
}

func TestANewUserMayDoNothingAndSeesNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	created, password, err := b.CreateUser(t.Context(), b.admin, access.NewUser{Username: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if len(password) < 20 || strings.Contains(created.PasswordHash, password) {
		t.Errorf("generated password %q, stored as %q", password, created.PasswordHash)
	}
	ann := b.principal(t, "ann")
	if ann.May(access.APIAccess) || ann.Everywhere() || len(ann.Reach()) != 0 {
		t.Errorf("ann may something: %v", ann.User)
	}
	if _, password, err := b.CreateUser(t.Context(), b.admin, access.NewUser{Username: "bob", Password: goodPassword}); err != nil || password != "" {
		t.Errorf("a given password was returned: %q, %v", password, err)
	}
}

func TestUsersThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	long := strings.Repeat("x", 101)
	for _, tc := range []struct {
		name string
		user access.NewUser
		says string
	}{
		{"no name", access.NewUser{}, "username: invalid value ''. Use 1 to 100"},
		{"a space", access.NewUser{Username: "a b"}, "username"},
		{"a colon", access.NewUser{Username: "a:b"}, "username"},
		{"a slash", access.NewUser{Username: "a/b"}, "username"},
		{"dots alone", access.NewUser{Username: ".."}, "beginning with"},
		{"a letter that looks like another", access.NewUser{Username: "аdmin"}, "username"},
		{"a line feed", access.NewUser{Username: "ann\n"}, "username"},
		{"too long a name", access.NewUser{Username: long}, "username"},
		{"the word for the caller", access.NewUser{Username: "me"}, "whoever asks"},
		{"an escape sequence", access.NewUser{Username: "ann", FirstName: "A\x1b[2J"}, "firstName"},
		{"too long a last name", access.NewUser{Username: "ann", LastName: long}, "lastName: the value has 101 characters. Use at most 100."},
		{"broken UTF-8", access.NewUser{Username: "ann", LastName: "\xff"}, "UTF-8"},
		{"a short password", access.NewUser{Username: "ann", Password: "elevenchars"}, "Use 12 characters or more"},
		{"a long password", access.NewUser{Username: "ann", Password: strings.Repeat("x", access.MaxPasswordBytes+1)}, "too long"},
		{"a password of two lines", access.NewUser{Username: "ann", Password: "correct horse\nbattery"}, "control character"},
		{"an unknown role", access.NewUser{Username: "ann", Roles: []access.Reference{{Name: "Reader"}}}, "roles: there is no role 'Reader'. There is: 1 Manager."},
		{"an unknown role id", access.NewUser{Username: "ann", Roles: []access.Reference{{ID: 99}}}, "there is no role 99"},
		{"an id with another name", access.NewUser{Username: "ann", Roles: []access.Reference{{ID: 1, Name: "Boss"}}}, "role 1 is called 'Manager', not 'Boss'"},
		{"an unknown tag", access.NewUser{Username: "ann", Scope: access.ScopeChoice{Tags: []access.Reference{{Name: "East"}}}}, "scope: there is no tag 'East'. There is: 7 Cloud Agent, 8 Edge, 9 West, 10 West."},
		{"a tag of two", access.NewUser{Username: "ann", Scope: access.ScopeChoice{Tags: []access.Reference{{Name: "West"}}}}, "2 tags are called 'West': 9 10"},
		{"everything and tags", access.NewUser{Username: "ann", Scope: access.ScopeChoice{All: true, Tags: []access.Reference{{ID: 7}}}}, "exclude each other"},
		{"too many tags", access.NewUser{Username: "ann", Scope: access.ScopeChoice{Tags: make([]access.Reference, 101)}}, "at most 100"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := b.CreateUser(t.Context(), b.admin, tc.user)
			refused(t, err, fault.Invalid, tc.says)
			if users, err := b.memory.Users(t.Context()); err != nil || len(users) != 1 {
				t.Errorf("there are %d users, %v", len(users), err)
			}
		})
	}
}

func TestAUsernameIsTakenOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann")
	_, _, err := b.CreateUser(t.Context(), b.admin, access.NewUser{Username: "ann"})
	refused(t, err, fault.Conflict, "a user 'ann' already")
	b.user(t, "Ann") // names are case-sensitive
}

func TestOnlyManagersManage(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann", b.role(t, "Reader", "READ_ASSET"))
	ann, yes, name := b.principal(t, "ann"), true, "x"
	for what, act := range map[string]func(ctx context.Context) error{
		"list users": func(ctx context.Context) error { _, err := b.Users(ctx, ann); return err },
		"get a user": func(ctx context.Context) error { _, err := b.User(ctx, ann, "admin"); return err },
		"create a user": func(ctx context.Context) error {
			_, _, err := b.CreateUser(ctx, ann, access.NewUser{Username: "x"})
			return err
		},
		"update a user": func(ctx context.Context) error {
			_, err := b.UpdateUser(ctx, ann, "admin", access.UserChange{Disabled: &yes})
			return err
		},
		"delete a user": func(ctx context.Context) error { return b.DeleteUser(ctx, ann, "admin") },
		"list roles":    func(ctx context.Context) error { _, err := b.AllRoles(ctx, ann); return err },
		"get a role":    func(ctx context.Context) error { _, err := b.Role(ctx, ann, 1); return err },
		"create a role": func(ctx context.Context) error {
			_, err := b.CreateRole(ctx, ann, access.NewRole{Name: "x"})
			return err
		},
		"update a role": func(ctx context.Context) error {
			_, err := b.UpdateRole(ctx, ann, 3, access.RoleChange{Name: &name})
			return err
		},
		"delete a role":  func(ctx context.Context) error { return b.DeleteRole(ctx, ann, 3) },
		"list holders":   func(ctx context.Context) error { _, err := b.RoleUsers(ctx, ann, 1); return err },
		"make a manager": func(ctx context.Context) error { return b.AssignRole(ctx, ann, 1, []string{"ann"}, true) },
		"set a password": func(ctx context.Context) error {
			_, err := b.SetPassword(ctx, ann, "admin", goodPassword, "another password")
			return err
		},
		"list others' tokens":  func(ctx context.Context) error { _, err := b.UserTokens(ctx, ann, "admin"); return err },
		"revoke others' token": func(ctx context.Context) error { return b.RevokeToken(ctx, ann, "admin", 1) },
	} {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			t.Parallel()
			refused(t, act(t.Context()), fault.Forbidden, "sk a manager")
		})
	}
}

func TestWhatIsUnknownIsNamedWithWhatThereIs(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann")
	ctx, yes := t.Context(), true
	const there = "There is no user 'bob'. The users are: admin, ann."
	_, err := b.User(ctx, b.admin, "bob")
	refused(t, err, fault.NotFound, there)
	_, err = b.UpdateUser(ctx, b.admin, "bob", access.UserChange{Disabled: &yes})
	refused(t, err, fault.NotFound, there)
	refused(t, b.DeleteUser(ctx, b.admin, "bob"), fault.NotFound, there)
	_, err = b.SetPassword(ctx, b.admin, "bob", "", goodPassword)
	refused(t, err, fault.NotFound, there)
	_, err = b.UserTokens(ctx, b.admin, "bob")
	refused(t, err, fault.NotFound, there)
	refused(t, b.AssignRole(ctx, b.admin, 1, []string{"ann", "bob"}, true), fault.Invalid, there)
	refused(t, b.AssignRole(ctx, b.admin, 99, []string{"ann"}, true), fault.NotFound, "There is no role 99. The roles are: 1 Manager.")
	refused(t, b.DeleteRole(ctx, b.admin, 99), fault.NotFound, "1 Manager")
	refused(t, b.RevokeToken(ctx, b.admin, "ann", 5), fault.NotFound, "User 'ann' has no token 5.")
	if b.principal(t, "ann").Manager() {
		t.Error("an assignment was made by half")
	}
}

func TestManagersDoNotLockThemselvesOut(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann", managers) // so that it is not the last one
	ctx, yes := t.Context(), true
	_, err := b.UpdateUser(ctx, b.admin, "admin", access.UserChange{Disabled: &yes})
	refused(t, err, fault.Conflict, "cannot disable yourself")
	refused(t, b.DeleteUser(ctx, b.admin, "admin"), fault.Conflict, "cannot delete yourself")
	refused(t, b.AssignRole(ctx, b.admin, 1, []string{"ann", "admin"}, false), fault.Conflict, "from yourself")
	if err := b.AssignRole(ctx, b.admin, 1, []string{"ann"}, false); err != nil {
		t.Error(err)
	}
}

func TestNothingIsChangedByAnEmptyChange(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	role := b.role(t, "Reader", "READ_ASSET")
	_, err := b.UpdateUser(t.Context(), b.admin, "admin", access.UserChange{})
	refused(t, err, fault.Invalid, "Nothing to change")
	_, err = b.UpdateRole(t.Context(), b.admin, role.ID, access.RoleChange{})
	refused(t, err, fault.Invalid, "Nothing to change")
	for _, names := range [][]string{nil, make([]string, access.MaxUsersPerRequest+1)} {
		refused(t, b.AssignRole(t.Context(), b.admin, role.ID, names, true), fault.Invalid, "Give 1 to 500 usernames")
	}
}

func TestSettingsChangeOneByOneAndForOneUser(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann")
	ann := b.principal(t, "ann")
	ann.ByToken = true
	format, zone, endless, broken := "RFC 3339", "Asia/Kathmandu", strings.Repeat("x", access.MaxNameLength+1), "UTC\n"
	for _, c := range []access.SettingsChange{{TimeFormat: &format}, {TimeZone: &zone}} {
		if _, err := b.ChangeSettings(t.Context(), ann, c); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []access.SettingsChange{{}, {TimeFormat: &endless}, {TimeZone: &broken}} {
		if _, err := b.ChangeSettings(t.Context(), ann, c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if got := b.principal(t, "ann").User.Settings; got != (access.Settings{TimeFormat: format, TimeZone: zone}) {
		t.Errorf("ann has %+v", got)
	}
	if got := b.principal(t, "admin").User.Settings; got != (access.Settings{}) {
		t.Errorf("admin has %+v", got)
	}
	if _, err := b.memory.UpdateUser(t.Context(), "ann", func(u *access.User) error { u.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ChangeSettings(t.Context(), ann, access.SettingsChange{TimeZone: &zone}); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("disabled, ann gets %v", err)
	}
}

func TestAMailAddressIsChangedByManagersWithTheirPasswordAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann")
	ann, own, other, endless := b.principal(t, "ann"), "ann@example.org", "sec@example.org", strings.Repeat("x", 255)
	_, err := b.UpdateUser(t.Context(), ann, "ann", access.UserChange{Email: &own})
	refused(t, err, fault.Forbidden, "Only users with the role Manager")
	if got := b.principal(t, "ann").User.Settings; got != (access.Settings{}) {
		t.Errorf("ann has %+v", got)
	}
	if u, err := b.UpdateUser(t.Context(), b.admin, "ann", access.UserChange{Email: &other}); err != nil || u.Settings.Email != other {
		t.Errorf("a manager makes it %+v, %v", u.Settings, err)
	}
	_, err = b.UpdateUser(t.Context(), b.admin, "ann", access.UserChange{Email: &endless})
	refused(t, err, fault.Invalid, "email")
	byToken := b.admin
	byToken.ByToken = true
	_, err = b.UpdateUser(t.Context(), byToken, "ann", access.UserChange{Email: &own})
	refused(t, err, fault.Forbidden, "needs the password")
	if got := b.principal(t, "ann").User.Settings.Email; got != other {
		t.Errorf("it is %q by now", got)
	}
}

func TestAScopeIsReplacedAndTheRestStays(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann", managers)
	first := "Ann"
	if _, err := b.UpdateUser(t.Context(), b.admin, "ann", access.UserChange{FirstName: &first, Scope: &access.ScopeChoice{All: true}}); err != nil {
		t.Fatal(err)
	}
	scope := access.ScopeChoice{Tags: []access.Reference{{ID: 8}, {Name: "Cloud Agent"}, {ID: 7, Name: "Cloud Agent"}}}
	u, err := b.UpdateUser(t.Context(), b.admin, "ann", access.UserChange{Scope: &scope})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(access.Scope{TagIDs: []int64{7, 8}, Reach: []int64{7, 8}}, u.Scope); diff != "" || u.FirstName != "Ann" || !u.Manager() {
		t.Errorf("ann is %+v, scope (-want +got):\n%s", u, diff)
	}
}

func TestThereIsAnEndToUsersAndRoles(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for i := range access.MaxUsers - 1 {
		if _, err := b.memory.CreateUser(t.Context(), access.User{Username: fmt.Sprint("u", i)}); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := b.CreateUser(t.Context(), b.admin, access.NewUser{Username: "one-more"})
	refused(t, err, fault.Conflict, "2000 users")
	_, err = b.User(t.Context(), b.admin, "nobody")
	refused(t, err, fault.NotFound, "and 1980 more")
	for i := range access.MaxRoles - 1 {
		if _, err := b.memory.CreateRole(t.Context(), access.Role{Name: fmt.Sprint("r", i)}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.CreateRole(t.Context(), b.admin, access.NewRole{Name: "one-more", Grant: access.Grant{API: true}})
	refused(t, err, fault.Conflict, "500 roles")
}
