package automationapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/server/automationapi"
)

func TestUsersRolesAndTheAuditLogAreShown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, as, method, target, body string
		status                         int
	}{
		{"users", "admin", "GET", "/users", "", 200},
		{"user", "admin", "GET", "/users/ann/", "", 200},
		{"user-me", "admin", "GET", "/users/me", "", 200},
		{"user-me-by-token", "token-of-ann", "GET", "/users/me", "", 200},
		{"settings-changed", "token-of-ann", "PATCH", "/users/me/settings", `{"timeFormat":"dd.mm.yyyy hh:mm","timeZone":"Europe/Berlin"}`, 200},
		{"user-created", "admin", "POST", "/users",
			`{"username":"soar@d3","firstName":"D3","lastName":"SOAR","password":"correct horse battery","roles":[{"name":"Reader"}],"scope":{"tags":[{"name":"Edge"},{"id":7}]}}`, 201},
		{"user-created-of-nothing", "admin", "POST", "/users", `{"username":"bob","password":"correct horse battery"}`, 201},
		{"user-updated", "admin", "PATCH", "/users/ann", `{"lastName":"Neil","disabled":true,"scope":{"allAssets":true}}`, 200},
		{"user-email", "admin", "PATCH", "/users/ann", `{"email":"ann@example.org"}`, 200},
		{"user-without-scope", "admin", "PATCH", "/users/ann", `{"scope":{}}`, 200},
		{"password-set", "admin", "PUT", "/users/ann/password", `{"password":"correct horse battery"}`, 200},
		{"tokens-none", "ann", "GET", "/users/me/tokens", "", 200},
		{"roles", "admin", "GET", "/roles", "", 200},
		{"role", "admin", "GET", "/roles/3", "", 200},
		{"role-created", "admin", "POST", "/roles", `{"name":"D3 SOAR","modules":["Cloud Agent"],"permissions":["CA API Access Permissions for subusers","Launch On-Demand Scan"]}`, 201},
		{"role-created-whole", "admin", "POST", "/roles", `{"name":"Console","description":"x","apiAccess":false,"uiAccess":true,"modules":["AM"]}`, 201},
		{"role-updated", "admin", "PATCH", "/roles/3", `{"name":"Writer","permissions":["UPDATE_ASSET"]}`, 200},
		{"role-users", "admin", "GET", "/roles/3/users", "", 200},
		{"role-given", "admin", "POST", "/roles/1/users", `{"add":["ann"]}`, 200},
		{"role-taken", "admin", "POST", "/roles/3/users", `{"remove":["ann"]}`, 200},
		{"permissions", "ann", "GET", "/permissions", "", 200},
		{"audit", "admin", "GET", "/audit", "", 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newOffice(t).call(tc.as, tc.method, tc.target, tc.body)
			if w.Code != tc.status || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("status %d, type %q: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			matchGolden(t, tc.name, w.Body.Bytes())
		})
	}
}

func TestSettingsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	change := func(as, body, want string, status int) {
		t.Helper()
		if w := o.call(as, "PATCH", "/users/me/settings", body); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s sent %s: status %d: %s, want %d with %s", as, body, w.Code, w.Body, status, want)
		}
	}
	change("ann", `{"timeZone":"Asia/Kathmandu"}`, `"timeFormat":"MM/DD/YYYY hh:mm AM/PM"`, 200)
	change("ann", `{"timeFormat":"RFC 3339"}`, `"timeZone":"Asia/Kathmandu"`, 200)
	change("ann", `{"timeZone":""}`, `"timeZone":"UTC"`, 200)
	change("ann", `{"timeZone":"Berlin"}`, `timeZone: \"Berlin\" is no time zone, did you mean Europe/Berlin?`, 400)
	change("ann", `{"email":"ann@example.org"}`, `email`, 400) // managers alone set it
	change("ann", `{"timeFormat":"MM-DD"}`, `use one of MM/DD/YYYY hh:mm AM/PM, DD/MM/YYYY HH:mm`, 400)
	change("ann", `{}`, `Nothing to change is given.`, 400)
	change("ann", `{"timezone":"UTC","zone":"UTC"}`, `zone`, 400)
	if body := o.call("ann", "GET", "/users/me", "").Body.String(); !strings.Contains(body, `"settings":{"timeFormat":"RFC 3339","timeZone":"UTC"}`) {
		t.Errorf("ann is %s", body)
	}
	if body := o.call("admin", "GET", "/users/me", "").Body.String(); !strings.Contains(body, `"settings":{"timeFormat":"MM/DD/YYYY hh:mm AM/PM","timeZone":"UTC"}`) {
		t.Errorf("admin is %s", body)
	}
}

func TestAMailAddressIsOneThatAManagerSets(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, tc := range []struct {
		as, body, want string
		status         int
	}{
		{"admin", `{"email":"Ann <ann@example.org>"}`, `Specify email as an address such as ann@example.org, without a name.`, 400},
		{"admin", `{"email":"ann@example.org\r\nBcc: x@example.org"}`, `email: invalid value`, 400},
		{"ann", `{"email":"x@example.net"}`, `it needs the role Manager`, 403},
		{"admin", `{"email":"ann@example.org"}`, `"email":"ann@example.org"`, 200},
	} {
		if w := o.call(tc.as, "PATCH", "/users/ann", tc.body); w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s sent %s: status %d: %s, want %d with %s", tc.as, tc.body, w.Code, w.Body, tc.status, tc.want)
		}
	}
	if body := o.call("ann", "GET", "/users/me", "").Body.String(); !strings.Contains(body, `"settings":{"email":"ann@example.org"`) {
		t.Errorf("ann is %s", body)
	}
}

func TestTheDescriptionNamesEveryTimeFormat(t *testing.T) {
	t.Parallel()
	description := newOffice(t).call("ann", "GET", "/openapi.yaml", "").Body.String()
	for _, format := range automation.TimeFormats() {
		if !strings.Contains(description, `"`+string(format)+`"`) {
			t.Errorf("%s is not in the description", format)
		}
	}
}

func TestWhatIsDeletedIsGone(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, target := range []string{"/users/ann", "/roles/3"} {
		if w := o.call("admin", "DELETE", target, ""); w.Code != 204 || w.Body.Len() != 0 {
			t.Errorf("DELETE %s: status %d: %s", target, w.Code, w.Body)
		}
		if w := o.call("admin", "DELETE", target, ""); w.Code != 404 {
			t.Errorf("DELETE %s again: status %d: %s", target, w.Code, w.Body)
		}
	}
}

func TestASecretIsShownOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var secrets []string
	for _, tc := range []struct{ method, target, body, member string }{
		{"POST", "/users", `{"username":"bob"}`, `"password":"`},
		{"PUT", "/users/ann/password", `{}`, `"password":"`},
		{"POST", "/users/me/tokens", `{"name":"ci","expiresIn":3600}`, `"secret":"vdt_`},
	} {
		w := o.call("admin", tc.method, tc.target, tc.body)
		_, rest, found := strings.Cut(w.Body.String(), tc.member)
		secret, _, _ := strings.Cut(rest, `"`)
		if !found || len(secret) < 20 || w.Code > 201 {
			t.Fatalf("%s %s: status %d: %s", tc.method, tc.target, w.Code, w.Body)
		}
		secrets = append(secrets, secret)
	}
	shown := fmt.Sprint(o.memory.Entries())
	for _, target := range []string{"/users", "/users/bob", "/users/me", "/users/me/tokens"} {
		shown += o.call("admin", "GET", target, "").Body.String()
	}
	for _, secret := range secrets {
		if strings.Contains(shown, secret) {
			t.Errorf("secret %q is shown again", secret)
		}
	}
	if strings.Contains(shown, "argon2id") || !strings.Contains(shown, `"name":"ci"`) {
		t.Errorf("shown: %s", shown)
	}
}

func TestBadRequestsAboutAccessAreProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, as, method, target, body string
		status                         int
		says                           string
	}{
		{"a misspelled member", "admin", "POST", "/users", `{"username":"bob","pasword":"x"}`, 400, "pasword"},
		{"a member of a scope", "admin", "PATCH", "/users/ann", `{"scope":{"all":true}}`, 400, "all"},
		{"a member of a role", "admin", "POST", "/roles", `{"name":"x","manager":true}`, 400, "manager"},
		{"a member of a change", "admin", "PATCH", "/roles/3", `{"id":1}`, 400, "id"},
		{"a member of an assignment", "admin", "POST", "/roles/3/users", `{"users":["ann"]}`, 400, "users"},
		{"a member of a password", "ann", "PUT", "/users/ann/password", `{"old":"right"}`, 400, "old"},
		{"a member of a token", "ann", "POST", "/users/ann/tokens", `{"name":"ci","expires":"2031-01-01T00:00:00Z"}`, 400, "expires"},
		{"a list as body", "admin", "POST", "/users", `[]`, 400, "must be an object"},
		{"no body", "admin", "POST", "/users", ``, 400, "EOF"},
		{"a word for a switch", "admin", "PATCH", "/users/ann", `{"disabled":"yes"}`, 400, "disabled must be true or false"},
		{"a text for a list", "admin", "POST", "/roles", `{"name":"x","modules":"CA"}`, 400, "modules must be a list"},
		{"an empty change", "admin", "PATCH", "/users/ann", `{}`, 400, "Nothing to change"},
		{"an unknown user", "admin", "GET", "/users/bob", "", 404, "There is no user 'bob'. The users are: admin, ann."},
		{"a user with a strange name", "admin", "GET", "/users/%00%ff%2e%2e", "", 404, "There is no user"},
		{"a change of nobody", "admin", "PATCH", "/users/bob", `{"disabled":true}`, 404, "There is no user 'bob'"},
		{"a change of oneself by another name", "admin", "PATCH", "/users/me", `{"disabled":true}`, 405, "GET"},
		{"an unknown role", "admin", "GET", "/roles/9", "", 404, "The roles are: 1 Manager, 3 Reader."},
		{"a role by name", "admin", "GET", "/roles/Reader", "", 400, "id: invalid value 'Reader'. Specify id as one integer."},
		{"a taken name", "admin", "POST", "/users", `{"username":"ann"}`, 409, "a user 'ann' already"},
		{"an unknown tag", "admin", "PATCH", "/users/ann", `{"scope":{"tags":[{"name":"West"}]}}`, 400, "There is: 7 Cloud Agent, 8 Edge."},
		{"the last manager", "admin", "POST", "/roles/1/users", `{"remove":["admin"]}`, 409, "yourself"},
		{"oneself", "admin", "DELETE", "/users/admin", "", 409, "cannot delete yourself"},
		{"the role of managers", "admin", "PATCH", "/roles/1", `{"name":"Boss"}`, 409, "cannot be changed"},
		{"a role in use", "admin", "DELETE", "/roles/3", "", 409, "ann"},
		{"both lists", "admin", "POST", "/roles/3/users", `{"add":["ann"],"remove":["ann"]}`, 400, "not both"},
		{"neither list", "admin", "POST", "/roles/3/users", `{}`, 400, "one of the two lists"},
		{"a token without an end", "ann", "POST", "/users/me/tokens", `{"name":"ci"}`, 400, "expiresIn: the member is missing."},
		{"a token for ages", "ann", "POST", "/users/me/tokens", `{"name":"ci","expiresIn":9223372036854775807}`, 400, "invalid value '9223372036854775807'. Specify expiresIn as an integer from 60 to 31536000"},
		{"a token from before", "ann", "POST", "/users/me/tokens", `{"name":"ci","expiresIn":-9223372036854775808}`, 400, "expiresIn"},
		{"a token for another", "admin", "POST", "/users/ann/tokens", `{"name":"ci","expiresIn":3600}`, 403, "Sign in as that user."},
		{"a wrong old password", "ann", "PUT", "/users/me/password", `{"oldPassword":"wrong","password":"correct horse battery"}`, 403, "not your present password"},
		{"a password by token", "token-of-ann", "PUT", "/users/me/password", `{"oldPassword":"right","password":"correct horse battery"}`, 403, "needs the password"},
		{"a token by token", "token-of-ann", "POST", "/users/me/tokens", `{"name":"ci","expiresIn":3600}`, 403, "needs the password"},
		{"a user by token", "token-of-admin", "POST", "/users", `{"username":"bob"}`, 403, "needs the password"},
		{"a role by token", "token-of-admin", "POST", "/roles/3/users", `{"add":["ann"]}`, 403, "needs the password"},
		{"a scope by token", "token-of-admin", "PATCH", "/users/ann", `{"scope":{"allAssets":true}}`, 403, "needs the password"},
		{"permissions by token", "token-of-admin", "PATCH", "/roles/3", `{"modules":["CA"]}`, 403, "needs the password"},
		{"an unknown outcome", "admin", "GET", "/audit?outcome=ok", "", 400, "one of done, refused, failed"},
		{"a day", "admin", "GET", "/audit?since=yesterday", "", 400, "since: invalid value 'yesterday'. Specify since as one time such as 2031"},
		{"no rows", "admin", "GET", "/audit?limit=0", "", 400, "from 1 to 1000"},
		{"before of zero", "admin", "GET", "/audit?before=0", "", 400, "at least 1"},
		{"an object that no row has", "admin", "GET", "/audit?object=%00", "", 400, "object: invalid value"},
		{"an actor that is no text", "admin", "GET", "/audit?actor=%ff", "", 400, "actor: invalid value"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			w := newOffice(t).call(tc.as, tc.method, tc.target, tc.body)
			if _, text := explanation(t, w); w.Code != tc.status || !strings.Contains(text, tc.says) {
				t.Errorf("status %d: %q; want %d that says %q", w.Code, text, tc.status, tc.says)
			}
		})
	}
}

// A number is repeated by the messages of Go's decoder.
func TestAPasswordThatIsNoTextIsNotRepeated(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	w := o.call("admin", "POST", "/users", `{"username":"bob","password":123456789012}`)
	_, text := explanation(t, w)
	if log := fmt.Sprint(o.memory.Entries()); w.Code != 400 || !strings.Contains(text, "password must be a string") || strings.Contains(text+log, "123456789012") {
		t.Errorf("status %d: %q, audit log %s", w.Code, text, log)
	}
}

// TestOnlyManagersReachWhatIsTheirs asks for everything as a user with a role
// that allows everything a role can allow.
func TestOnlyManagersReachWhatIsTheirs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	everything := []access.Permission{access.APIAccess, access.UIAccess}
	for _, m := range access.Modules() {
		everything = append(everything, m.Permissions()...)
	}
	if _, err := o.memory.UpdateRole(t.Context(), 3, func(r *access.Role) error { r.Permissions = everything; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{
		"GET /users", "POST /users", "GET /users/admin", "PATCH /users/admin", "DELETE /users/admin", "PUT /users/admin/password",
		"GET /users/admin/tokens", "DELETE /users/admin/tokens/1", "GET /roles", "POST /roles", "GET /roles/3", "PATCH /roles/3",
		"DELETE /roles/3", "GET /roles/3/users", "POST /roles/3/users", "GET /audit",
	} {
		method, target, _ := strings.Cut(request, " ")
		w := o.call("ann", method, target, `{}`)
		if code, _ := explanation(t, w); w.Code != http.StatusForbidden || code != "forbidden" {
			t.Errorf("%s: status %d %s", request, w.Code, code)
		}
	}
	entries := o.memory.Entries()
	if len(entries) != 16 {
		t.Fatalf("%d refusals are in the audit log, want 16", len(entries))
	}
	if e := entries[4]; e.Actor != "ann" || e.Action != "delete user" || e.Object != "admin" || e.Outcome != access.Refused {
		t.Errorf("refusal %+v", e)
	}
}

func TestWithoutAPIAccessNothingIsAnswered(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if _, err := o.memory.UpdateRole(t.Context(), 3, func(r *access.Role) error { r.Permissions = []access.Permission{access.UIAccess}; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/users/me", "/permissions", "/users/ann/tokens"} {
		w := o.call("ann", "GET", target, "")
		if _, text := explanation(t, w); w.Code != http.StatusForbidden || !strings.Contains(text, "API Access") {
			t.Errorf("%s: status %d: %s", target, w.Code, text)
		}
	}
}

func TestWritesAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, request := range []struct{ as, method, target, body string }{
		{"admin", "POST", "/users", `{"username":"bob","roles":[{"id":3}],"scope":{"tags":[{"id":7}]}}`},
		{"admin", "PATCH", "/users/bob", `{"firstName":"Bob","disabled":false,"scope":{"allAssets":true}}`},
		{"bob", "PUT", "/users/me/password", `{"oldPassword":"guess"}`},
		{"ann", "POST", "/users/me/tokens", `{"name":"ci","expiresIn":3600}`},
		{"admin", "DELETE", "/users/ann/tokens/5", ""},
		{"admin", "POST", "/roles", `{"name":"SOAR","permissions":["LAUNCH_ON_DEMAND_SCAN"]}`},
		{"admin", "PATCH", "/roles/7", `{"uiAccess":true}`},
		{"admin", "POST", "/roles/7/users", `{"add":["ann","bob"]}`},
		{"admin", "DELETE", "/roles/7", ""},
		{"admin", "POST", "/roles/7/users", `{"remove":["ann","bob"]}`},
		{"admin", "DELETE", "/roles/7", ""},
		{"admin", "DELETE", "/roles/9", ""},
		{"admin", "POST", "/users", `{"username":"bob","pasword":"x"}`},
		{"admin", "DELETE", "/users/bob", ""},
		{"admin", "GET", "/users", ""},
	} {
		o.call(request.as, request.method, request.target, request.body)
	}
	var got []string
	for _, e := range o.memory.Entries() {
		got = append(got, fmt.Sprintf("%s | %s | %s | %s | %s", e.Actor, e.Action, e.Object, e.Outcome, e.Detail))
	}
	want := []string{
		"admin | create user | bob | done | roles: Reader; scope: Cloud Agent",
		"admin | update user | bob | done | name: Bob; disabled: false; scope: all assets",
		"bob | set password | bob | refused | oldPassword: this is not your present password.",
		"ann | create token | ann | done | token 6 'ci' until 2031-04-01T07:00:00Z",
		"admin | revoke token | ann | failed | User 'ann' has no token 5.",
		"admin | create role | 7 SOAR | done | API_ACCESS, LAUNCH_ON_DEMAND_SCAN",
		"admin | update role | 7 SOAR | done | API_ACCESS, LAUNCH_ON_DEMAND_SCAN, UI_ACCESS",
		"admin | assign role | 7 SOAR | done | given to 2: ann, bob",
		"admin | delete role | 7 SOAR | failed | Users have role 7: [ann bob].",
		"admin | assign role | 7 SOAR | done | taken from 2: ann, bob",
		"admin | delete role | 7 SOAR | done | ",
		"admin | delete role | 9 | failed | There is no role 9.",
		"admin | create user |  | failed | The body of the request cannot be read: can't decode JSON body: json: unknown field \"pasword\".",
		"admin | delete user | bob | done | ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

func TestParametersBecomeTheFilterOfTheAuditLog(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]access.AuditFilter{
		"": {Limit: 100},
		"?actor=ann&action=user&object=b%25_&outcome=refused&since=2031-04-01T06:00:00%2B02:00&until=2031-04-02T00:00:00Z&before=7&limit=1000": {
			Actor: "ann", Action: "user", Object: "b%_", Outcome: access.Refused, Since: start.Add(-2 * time.Hour), Until: start.Add(18 * time.Hour), Before: 7, Limit: 1000,
		},
	} {
		o := newOffice(t)
		if w := o.call("admin", "GET", "/audit"+query, ""); w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		if diff := cmp.Diff(want, o.log.asked); diff != "" {
			t.Errorf("filter of %q (-want +got):\n%s", query, diff)
		}
	}
}

func TestTheDescriptionKnowsEveryOutcome(t *testing.T) {
	t.Parallel()
	for _, outcome := range []access.Outcome{access.Done, access.Refused, access.Failed} {
		if !automationapi.AuditOutcome(outcome).Valid() {
			t.Errorf("outcome %q is not described", outcome)
		}
	}
}
