package qpsclient

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

// said returns a handler that sends JSON.
func said(status int, body string) http.HandlerFunc {
	return answer(status, body, "Content-Type", "application/json")
}

func TestUsersAndRolesGoToTheirEndpoints(t *testing.T) {
	t.Parallel()
	yes, name := true, "x"
	for _, tt := range []struct {
		name         string
		act          func(c *Client) (any, error)
		answer, sent string
		want         any
	}{
		{"users", func(c *Client) (any, error) { return c.Users(t.Context()) }, `{"users":[{"username":"ann"}]}`, "GET /automation/v1/users ", []User{{Username: "ann"}}},
		{"user", func(c *Client) (any, error) { return c.User(t.Context(), "ann@x+y") }, `{"username":"ann@x+y"}`, "GET /automation/v1/users/ann@x+y ", User{Username: "ann@x+y"}},
		{"a name that looks like a path", func(c *Client) (any, error) { return c.User(t.Context(), "a/../b?c%") }, `{}`, "GET /automation/v1/users/a%2F..%2Fb%3Fc%25 ", User{}},
		{"me", func(c *Client) (any, error) { return c.Me(t.Context()) }, `{"user":{"username":"ann"},"manager":true,"byToken":true}`, "GET /automation/v1/users/me ",
			Caller{User: User{Username: "ann"}, Manager: true, ByToken: true}},
		{"settings", func(c *Client) (any, error) {
			return c.ChangeSettings(t.Context(), SettingsChange{TimeZone: &name})
		}, `{"timeFormat":"RFC 3339","timeZone":"x"}`, `PATCH /automation/v1/users/me/settings {"timeZone":"x"}`, Settings{TimeFormat: "RFC 3339", TimeZone: "x"}},
		{"create user", func(c *Client) (any, error) {
			_, password, err := c.CreateUser(t.Context(), NewUser{Username: "ann", Roles: []Reference{{Name: "R"}}, Scope: &Scope{Tags: []Reference{{ID: 7}}}})
			return password, err
		}, `{"user":{},"password":"p"}`, `POST /automation/v1/users {"username":"ann","roles":[{"name":"R"}],"scope":{"allAssets":false,"tags":[{"id":7}]}}`, "p"},
		{"update user", func(c *Client) (any, error) { return c.UpdateUser(t.Context(), "ann", UserChange{Disabled: &yes}) }, `{"disabled":true}`,
			`PATCH /automation/v1/users/ann {"disabled":true}`, User{Disabled: true}},
		{"set password", func(c *Client) (any, error) { return c.SetPassword(t.Context(), "ann", "old", "new") }, `{}`,
			`PUT /automation/v1/users/ann/password {"oldPassword":"old","password":"new"}`, ""},
		{"generate password", func(c *Client) (any, error) { return c.SetPassword(t.Context(), "ann", "", "") }, `{"password":"p"}`, `PUT /automation/v1/users/ann/password {}`, "p"},
		{"tokens", func(c *Client) (any, error) { return c.Tokens(t.Context(), "me") }, `{"tokens":[{"id":7}]}`, "GET /automation/v1/users/me/tokens ", []Token{{ID: 7}}},
		{"create token", func(c *Client) (any, error) {
			_, secret, err := c.CreateToken(t.Context(), "ci", 36*time.Hour)
			return secret, err
		}, `{"token":{"id":7},"secret":"s"}`, `POST /automation/v1/users/me/tokens {"name":"ci","expiresIn":129600}`, "s"},
		{"roles", func(c *Client) (any, error) { return c.Roles(t.Context()) }, `{"roles":[{"id":1,"manager":true}]}`, "GET /automation/v1/roles ", []Role{{ID: 1, Manager: true}}},
		{"create role", func(c *Client) (any, error) {
			return c.CreateRole(t.Context(), NewRole{Name: "R", APIAccess: true, Modules: []string{"CA"}, Permissions: []string{}})
		}, `{"id":3}`, `POST /automation/v1/roles {"name":"R","apiAccess":true,"uiAccess":false,"modules":["CA"],"permissions":[]}`, Role{ID: 3}},
		{"create role with all of a module", func(c *Client) (any, error) {
			return c.CreateRole(t.Context(), NewRole{Name: "R", APIAccess: true, Modules: []string{"CA"}})
		}, `{"id":3}`, `POST /automation/v1/roles {"name":"R","apiAccess":true,"uiAccess":false,"modules":["CA"]}`, Role{ID: 3}},
		{"update role", func(c *Client) (any, error) {
			return c.UpdateRole(t.Context(), 3, RoleChange{Name: &name, Permissions: []string{}})
		}, `{"id":3}`, `PATCH /automation/v1/roles/3 {"name":"x","permissions":[]}`, Role{ID: 3}},
		{"role users", func(c *Client) (any, error) { return c.RoleUsers(t.Context(), 3) }, `{"users":["ann"]}`, "GET /automation/v1/roles/3/users ", []string{"ann"}},
		{"give role", func(c *Client) (any, error) { return c.AssignRole(t.Context(), 3, []string{"ann", "bob"}, true) }, `{"users":["ann"]}`,
			`POST /automation/v1/roles/3/users {"add":["ann","bob"]}`, []string{"ann"}},
		{"take role", func(c *Client) (any, error) { return c.AssignRole(t.Context(), 3, []string{"ann"}, false) }, `{"users":[]}`,
			`POST /automation/v1/roles/3/users {"remove":["ann"]}`, []string{}},
		{"permissions", func(c *Client) (any, error) { return c.Permissions(t.Context()) }, `{"access":[{"key":"API_ACCESS"}]}`, "GET /automation/v1/permissions ",
			PermissionCatalogue{Access: []Permission{{Key: "API_ACCESS"}}}},
		{"audit", func(c *Client) (any, error) {
			return c.Audit(t.Context(), AuditQuery{Actor: "a b", Action: "x", Object: "y", Outcome: AuditRefused, Since: testNow(), Until: testNow().Add(time.Hour), Limit: 5, Before: 9})
		}, `{"entries":[{"id":7}]}`, "GET /automation/v1/audit?action=x&actor=a+b&before=9&limit=5&object=y&outcome=refused&since=2031-04-01T06%3A00%3A00Z&until=2031-04-01T07%3A00%3A00Z ", []AuditEntry{{ID: 7}}},
		{"installation", func(c *Client) (any, error) { return c.Installation(t.Context()) }, `{"url":"https://v","authority":"0f","customerId":"c","packages":[{"system":"deb","machine":"x86_64","version":"2.0.0"}]}`,
			"GET /automation/v1/installation ", &Installation{URL: "https://v", Authority: "0f", CustomerID: "c", Packages: []InstallPackage{{"deb", "x86_64", "2.0.0"}}}},
		{"whole audit", func(c *Client) (any, error) { return c.Audit(t.Context(), AuditQuery{}) }, `{"entries":[]}`, "GET /automation/v1/audit ", []AuditEntry{}},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, said(200, tt.answer))
			c, _ := newClient(t, p.URL)
			got, err := tt.act(c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			sent := p.received()[0]
			if diff := cmp.Diff(tt.sent, fmt.Sprintf("%s %s %s", sent.method, sent.uri, sent.body)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsDeletedHasNoAnswer(t *testing.T) {
	t.Parallel()
	for uri, act := range map[string]func(c *Client) error{
		"/automation/v1/users/ann":          func(c *Client) error { return c.DeleteUser(t.Context(), "ann") },
		"/automation/v1/users/ann/tokens/7": func(c *Client) error { return c.RevokeToken(t.Context(), "ann", 7) },
		"/automation/v1/roles/3":            func(c *Client) error { return c.DeleteRole(t.Context(), 3) },
	} {
		p := newPlatform(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		c, _ := newClient(t, p.URL)
		if err := act(c); err != nil {
			t.Error(err)
		}
		if sent := p.received()[0]; sent.method != http.MethodDelete || sent.uri != uri {
			t.Errorf("sent %s %s, want DELETE %s", sent.method, sent.uri, uri)
		}
	}
}

func TestAPlatformWithoutUsersOfThisKindSaysSo(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"no such path": answer(404, ""),
		"a page":       answer(200, "<html>", "Content-Type", "text/html"),
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, handler)
			c, _ := newClient(t, p.URL)
			_, listing := c.Users(t.Context())
			_, reading := c.Audit(t.Context(), AuditQuery{})
			for _, err := range []error{listing, reading, c.DeleteUser(t.Context(), "ann")} {
				if !errors.Is(err, ErrNoAutomationAPI) {
					t.Errorf("error %v, want ErrNoAutomationAPI", err)
				}
			}
		})
	}
}

func TestNamesThatAreNoNamesAreNotSent(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, said(200, `{}`))
	c, _ := newClient(t, p.URL)
	for _, name := range []string{"", ".", ".."} {
		if err := c.DeleteUser(t.Context(), name); err == nil {
			t.Errorf("user %q was deleted", name)
		}
	}
	if n := len(p.received()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestARefusedWriteIsExplainedAndNotRepeated(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, said(409, `{"code":"conflict","message":"Taken.","resolution":"Choose another."}`))
	c, _ := newClient(t, p.URL)
	_, _, err := c.CreateUser(t.Context(), NewUser{Username: "ann", Password: "a new password"})
	status, ok := errors.AsType[*StatusError](err)
	if !ok || status.Code != "conflict" || status.Message != "Taken." || strings.Contains(err.Error(), "a new password") {
		t.Errorf("error %v", err)
	}
	if n := len(p.received()); n != 1 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestATokenIsSentInPlaceOfNameAndPassword(t *testing.T) {
	t.Parallel()
	const token = "vdt_abc-DEF_123"
	p := newPlatform(t, countOf(4), said(403, `{"code":"forbidden","message":"No.","resolution":"Ask."}`))
	c, _ := newClient(t, p.URL, func(cfg *Config) { cfg.Username, cfg.Password, cfg.Token = "", "", token })
	if _, err := c.CountHostAssets(t.Context(), []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: "Cloud Agent"}}); err != nil {
		t.Fatal(err)
	}
	if sent := p.received()[0].header.Get("Authorization"); sent != "Bearer "+token {
		t.Errorf("Authorization: %s", sent)
	}
	if _, err := c.Me(t.Context()); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("error %v", err)
	}
	cfg := Config{BaseURL: p.URL, Token: token}
	if text := fmt.Sprintf("%v %+v %#v %+v", cfg, cfg, cfg, c); strings.Contains(text, token) {
		t.Errorf("the token is printed: %s", text)
	}
}

func TestTokensThatNoPlatformIssuesAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"two words":              {Token: "two words"},
		"a line feed":            {Token: "vdt_abc\nX-Injected: 1"},
		"a password beside it":   {Username: "ann", Password: "secret", Token: "vdt_abc"},
		"nothing":                {},
		"a name without a token": {Username: "ann"},
	} {
		cfg.BaseURL = "https://vedette.example"
		if _, err := New(cfg); err == nil || strings.Contains(err.Error(), "vdt_") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
