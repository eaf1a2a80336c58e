package qpsclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// usersPath is where a Vedette platform manages its users.
const usersPath = "/automation/v1/users"

// Reference names a role or a tag by its id, or by its name where ID is 0.
type Reference struct {
	ID   int64  `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Scope is the assets a user sees: those with one of the tags or a tag below one
// of them, or all.
type Scope struct {
	AllAssets bool        `json:"allAssets"`
	Tags      []Reference `json:"tags"`
}

// User is somebody, or something, that calls a platform.
type User struct {
	Username        string      `json:"username"`
	FirstName       string      `json:"firstName"`
	LastName        string      `json:"lastName"`
	Roles           []Reference `json:"roles"`
	Scope           Scope       `json:"scope"`
	Email           string      `json:"email,omitempty"` // where mail for them goes; empty for nowhere
	Disabled        bool        `json:"disabled"`
	Created         time.Time   `json:"created"`
	PasswordChanged time.Time   `json:"passwordChanged,omitzero"` // zero for the first password
}

// NewUser is what a user is made of. Without a password one is generated.
type NewUser struct {
	Username  string      `json:"username"`
	FirstName string      `json:"firstName,omitempty"`
	LastName  string      `json:"lastName,omitempty"`
	Email     string      `json:"email,omitempty"`
	Password  string      `json:"password,omitempty"`
	Roles     []Reference `json:"roles,omitempty"`
	Scope     *Scope      `json:"scope,omitempty"`
}

// UserChange is what to change of a user; nil leaves it as it is.
type UserChange struct {
	FirstName *string `json:"firstName,omitempty"`
	LastName  *string `json:"lastName,omitempty"`
	Email     *string `json:"email,omitempty"` // empty for none
	Disabled  *bool   `json:"disabled,omitempty"`
	Scope     *Scope  `json:"scope,omitempty"`
}

// Caller is who a client calls as, and what they may do.
type Caller struct {
	User        User     `json:"user"`
	Manager     bool     `json:"manager"`     // may do everything
	Permissions []string `json:"permissions"` // keys of everything they may do
	ByToken     bool     `json:"byToken"`
	Settings    Settings `json:"settings"`
}

// Settings are what a user of a platform chose for themselves, or the default, and the
// mail address that a manager gave them.
type Settings struct {
	// TimeFormat is the form in which they read and write times, such as
	// "MM/DD/YYYY hh:mm AM/PM".
	TimeFormat string `json:"timeFormat"`
	TimeZone   string `json:"timeZone"`        // IANA name
	Email      string `json:"email,omitempty"` // where mail for them goes; empty for nowhere
}

// SettingsChange is what to change of one's settings; nil leaves it as it is.
type SettingsChange struct {
	TimeFormat *string `json:"timeFormat,omitempty"`
	TimeZone   *string `json:"timeZone,omitempty"`
}

// Token is an API token without its secret.
type Token struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// Users lists the users of a platform by username. Platforms that have users of
// another kind, such as Qualys, give ErrNoAutomationAPI, here and below.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	var answer struct {
		Users []User `json:"users"`
	}
	err := c.automation(ctx, "list users", http.MethodGet, usersPath, nil, &answer)
	return answer.Users, err
}

// User returns one user. A *StatusError with status 404 means that there is none
// of this name.
func (c *Client) User(ctx context.Context, username string) (User, error) {
	var u User
	err := c.ofUser(ctx, "read", username, http.MethodGet, "", nil, &u)
	return u, err
}

// Me returns who the client calls as.
func (c *Client) Me(ctx context.Context) (Caller, error) {
	var me Caller
	err := c.automation(ctx, "read own user", http.MethodGet, usersPath+"/me", nil, &me)
	return me, err
}

// ChangeSettings changes the settings of who the client calls as, and returns all
// of them.
func (c *Client) ChangeSettings(ctx context.Context, change SettingsChange) (Settings, error) {
	var now Settings
	err := c.automation(ctx, "change own settings", http.MethodPatch, usersPath+"/me/settings", change, &now)
	return now, err
}

// CreateUser makes a user and returns the password if it was generated, which
// can be had this once.
func (c *Client) CreateUser(ctx context.Context, n NewUser) (User, string, error) {
	var answer struct {
		User     User   `json:"user"`
		Password string `json:"password"`
	}
	err := c.automation(ctx, "create user "+n.Username, http.MethodPost, usersPath, n, &answer)
	return answer.User, answer.Password, err
}

// UpdateUser changes a user and returns them as they are then.
func (c *Client) UpdateUser(ctx context.Context, username string, change UserChange) (User, error) {
	var u User
	err := c.ofUser(ctx, "update", username, http.MethodPatch, "", change, &u)
	return u, err
}

// DeleteUser deletes a user with their tokens.
func (c *Client) DeleteUser(ctx context.Context, username string) error {
	return c.ofUser(ctx, "delete", username, http.MethodDelete, "", nil, nil)
}

// SetPassword sets a password, a generated one for an empty text, which it then
// returns. Who changes their own gives the present one as old.
func (c *Client) SetPassword(ctx context.Context, username, old, password string) (string, error) {
	body := struct {
		OldPassword string `json:"oldPassword,omitempty"`
		Password    string `json:"password,omitempty"`
	}{old, password}
	var answer struct {
		Password string `json:"password"`
	}
	err := c.ofUser(ctx, "set password of", username, http.MethodPut, "/password", body, &answer)
	return answer.Password, err
}

// Tokens lists the API tokens of a user; "me" is the caller, here and below.
func (c *Client) Tokens(ctx context.Context, username string) ([]Token, error) {
	var answer struct {
		Tokens []Token `json:"tokens"`
	}
	err := c.ofUser(ctx, "list tokens of", username, http.MethodGet, "/tokens", nil, &answer)
	return answer.Tokens, err
}

// CreateToken makes a token of the caller's that lasts for lifetime, in whole
// seconds, and returns its secret, which can be had this once.
func (c *Client) CreateToken(ctx context.Context, name string, lifetime time.Duration) (Token, string, error) {
	body := struct {
		Name      string `json:"name"`
		ExpiresIn int64  `json:"expiresIn"`
	}{name, int64(lifetime / time.Second)}
	var answer struct {
		Token  Token  `json:"token"`
		Secret string `json:"secret"`
	}
	err := c.automation(ctx, "create token", http.MethodPost, usersPath+"/me/tokens", body, &answer)
	return answer.Token, answer.Secret, err
}

// RevokeToken ends a token of a user.
func (c *Client) RevokeToken(ctx context.Context, username string, id int64) error {
	return c.ofUser(ctx, fmt.Sprintf("revoke token %d of", id), username, http.MethodDelete, "/tokens/"+strconv.FormatInt(id, 10), nil, nil)
}

// ofUser makes a call about a user. Names that would make another path are no
// names of users.
func (c *Client) ofUser(ctx context.Context, act, username, method, rest string, body, out any) error {
	if strings.Trim(username, ".") == "" {
		return fmt.Errorf("%s user: %q is not the name of a user", act, username)
	}
	return c.automation(ctx, act+" user "+username, method, usersPath+"/"+url.PathEscape(username)+rest, body, out)
}

// automation makes a call of the automation API with a JSON body, nil for none,
// and reads its answer into out; with nil the answer has no body. what names the
// call in errors.
func (c *Client) automation(ctx context.Context, what, method, path string, body, out any) error {
	in := call{method: method, path: path, accept: mediaJSON, write: method != http.MethodGet, maxBytes: accessBytes}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		in.body, in.media = text, mediaJSON
	}
	var err error
	if out == nil {
		err = c.retry(ctx, in.write, func() error { return c.attempt(ctx, in, noBody) })
	} else {
		err = c.state(ctx, in, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, noAutomationAPI(err))
	}
	return nil
}

// noBody reads an answer that has none. A page says that this is no automation
// API.
func noBody(_ http.Header, body io.Reader) error {
	if n, err := io.ReadFull(body, make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return errNotJSON
	}
	return nil
}
