package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// MaxUsers bounds the users of a platform: they are listed in one answer.
const MaxUsers = 2000

// TagNames is where the tags of scopes are found.
type TagNames interface {
	// TagNames returns the name of every tag by its id.
	TagNames(ctx context.Context) (map[int64]string, error)
}

// Directory is where users, their roles, their scopes, their passwords and their
// tokens are managed. It holds the rules of who may change what; storage holds
// those that depend on other users, such as that one manager remains.
//
// Managers may do everything, others see to their own password and tokens. What
// would outlast a token needs the password: who found a token must not be able
// to keep the access it gives. It is safe for concurrent use.
type Directory struct {
	Accounts Accounts
	Roles    Roles
	Tags     TagNames
	Now      func() time.Time

	hashing chan struct{}
}

// NewDirectory returns a directory over its storage.
func NewDirectory(accounts Accounts, roles Roles, tags TagNames, now func() time.Time) *Directory {
	return &Directory{Accounts: accounts, Roles: roles, Tags: tags, Now: now, hashing: make(chan struct{}, 1)}
}

// NewUser is what a user is made of.
type NewUser struct {
	Username  string
	FirstName string
	LastName  string
	Email     string // empty for none
	Password  string // empty for a generated one
	Roles     []Reference
	Scope     ScopeChoice
}

// UserChange is what to change of a user; nil leaves it as it is.
type UserChange struct {
	FirstName *string
	LastName  *string
	Email     *string
	Disabled  *bool
	Scope     *ScopeChoice
}

// Users returns all users in ascending order of username.
func (d *Directory) Users(ctx context.Context, by Principal) ([]User, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	return d.Accounts.Users(ctx)
}

// User returns a user. An unknown one is fault.NotFound and names those there
// are.
func (d *Directory) User(ctx context.Context, by Principal, username string) (User, error) {
	if err := mayManage(by); err != nil {
		return User{}, err
	}
	u, err := d.Accounts.UserByName(ctx, username)
	return u, d.explainMissing(ctx, username, err)
}

// CreateUser makes a user, who may sign in at once. The password is returned
// when it was generated; it is not kept anywhere.
func (d *Directory) CreateUser(ctx context.Context, by Principal, n NewUser) (created User, password string, err error) {
	if by, err = d.still(ctx, by); err != nil {
		return User{}, "", err
	}
	if err := mayManage(by); err != nil {
		return User{}, "", err
	}
	if err := needsPassword(by, "making a user"); err != nil {
		return User{}, "", err
	}
	u := User{Username: n.Username, FirstName: n.FirstName, LastName: n.LastName, Created: d.Now().UTC(), Settings: Settings{Email: n.Email}}
	if err := checkUsername(u.Username); err != nil {
		return User{}, "", err
	}
	if err := checkPersonName(u); err != nil {
		return User{}, "", err
	}
	if err := checkEmail(n.Email); err != nil {
		return User{}, "", err
	}
	if u.Roles, err = d.roles(ctx, n.Roles); err != nil {
		return User{}, "", err
	}
	if u.Scope, err = d.scope(ctx, n.Scope); err != nil {
		return User{}, "", err
	}
	secret, password, err := newPassword(n.Password)
	if err != nil {
		return User{}, "", err
	}
	if err := d.roomForUser(ctx, u.Username); err != nil {
		return User{}, "", err
	}
	if u.PasswordHash, err = d.hash(ctx, secret); err != nil {
		return User{}, "", err
	}
	created, err = d.Accounts.CreateUser(ctx, u)
	return created, password, err
}

// roomForUser refuses a user too many, and a name that is taken, before the
// password is hashed. Two at once may both pass; storage refuses the second of a
// name.
func (d *Directory) roomForUser(ctx context.Context, username string) error {
	users, err := d.Accounts.Users(ctx)
	switch {
	case err != nil:
		return err
	case len(users) >= MaxUsers:
		return fault.New(fault.Conflict, fmt.Sprintf("There are %d users, which is the most there may be.", len(users)), "Delete users who are not needed any more.")
	case slices.ContainsFunc(users, func(u User) bool { return u.Username == username }):
		return fault.New(fault.Conflict, "username: there is a user '"+username+"' already.", "Choose another username, or update that user.")
	}
	return nil
}

// UpdateUser changes a user. Nobody disables themselves, and the last enabled
// manager stays enabled; both are fault.Conflict.
func (d *Directory) UpdateUser(ctx context.Context, by Principal, username string, c UserChange) (User, error) {
	by, err := d.still(ctx, by)
	if err != nil {
		return User{}, err
	}
	if err := mayManage(by); err != nil {
		return User{}, err
	}
	if c == (UserChange{}) {
		return User{}, fault.New(fault.Invalid, "Nothing to change is given.", "Give at least one of firstName, lastName, email, disabled and scope.")
	}
	if c.Scope != nil || c.Disabled != nil && !*c.Disabled {
		if err := needsPassword(by, "enabling a user or changing their scope"); err != nil {
			return User{}, err
		}
	}
	if c.Email != nil {
		// Mail would go on to go where whoever found a token said.
		if err := needsPassword(by, "changing a mail address"); err != nil {
			return User{}, err
		}
	}
	if c.Disabled != nil && *c.Disabled && username == by.User.Username {
		return User{}, fault.New(fault.Conflict, "You cannot disable yourself.", "Ask another manager to do so.")
	}
	var scope Scope
	if c.Scope != nil {
		if scope, err = d.scope(ctx, *c.Scope); err != nil {
			return User{}, err
		}
	}
	changed, err := d.Accounts.UpdateUser(ctx, username, func(u *User) error {
		if c.FirstName != nil {
			u.FirstName = *c.FirstName
		}
		if c.LastName != nil {
			u.LastName = *c.LastName
		}
		if c.Email != nil {
			u.Settings.Email = *c.Email
		}
		if c.Disabled != nil {
			u.Disabled = *c.Disabled
		}
		if c.Scope != nil {
			u.Scope = scope
		}
		return cmp.Or(checkPersonName(*u), checkEmail(u.Settings.Email))
	})
	return changed, d.explainMissing(ctx, username, err)
}

// SettingsChange is what to change of one's settings; nil leaves it as it is. Which
// formats and zones there are is for those to say who read times. A mail address is not
// among them: who edits playbooks could have the platform write to anybody, in words of
// their own, by asking themselves.
type SettingsChange struct {
	TimeFormat *string
	TimeZone   *string
}

// ChangeSettings changes the settings of who asks, and returns all of them.
func (d *Directory) ChangeSettings(ctx context.Context, by Principal, c SettingsChange) (Settings, error) {
	by, err := d.still(ctx, by)
	if err != nil {
		return Settings{}, err
	}
	if c == (SettingsChange{}) {
		return Settings{}, fault.New(fault.Invalid, "Nothing to change is given.", "Give at least one of timeFormat and timeZone.")
	}
	changed, err := d.Accounts.UpdateUser(ctx, by.User.Username, func(u *User) error {
		if c.TimeFormat != nil {
			u.Settings.TimeFormat = *c.TimeFormat
		}
		if c.TimeZone != nil {
			u.Settings.TimeZone = *c.TimeZone
		}
		return cmp.Or(checkText("timeFormat", u.Settings.TimeFormat, MaxNameLength), checkText("timeZone", u.Settings.TimeZone, MaxNameLength))
	})
	return changed.Settings, err
}

// DeleteUser removes a user with their tokens. Nobody deletes themselves, and
// the last enabled manager stays; both are fault.Conflict.
func (d *Directory) DeleteUser(ctx context.Context, by Principal, username string) error {
	by, err := d.still(ctx, by)
	if err != nil {
		return err
	}
	if err := mayManage(by); err != nil {
		return err
	}
	if username == by.User.Username {
		return fault.New(fault.Conflict, "You cannot delete yourself.", "Ask another manager to do so.")
	}
	return d.explainMissing(ctx, username, d.Accounts.DeleteUser(ctx, username))
}

// SetPassword sets a user's password, a generated one for an empty text, which
// is then returned. Who changes their own gives the present one too; managers
// set everybody's. It ends all tokens of the user.
func (d *Directory) SetPassword(ctx context.Context, by Principal, username, old, password string) (generated string, err error) {
	if by, err = d.still(ctx, by); err != nil {
		return "", err
	}
	if err := needsPassword(by, "changing a password"); err != nil {
		return "", err
	}
	own := username == by.User.Username
	if !own && !by.Manager() {
		return "", fault.New(fault.Forbidden, "You may change no password but your own.", "Ask a manager.")
	}
	secret, generated, err := newPassword(password)
	if err != nil {
		return "", err
	}
	if own {
		if err := d.checkPresent(ctx, by, old, secret); err != nil {
			return "", err
		}
	}
	hash, err := d.hash(ctx, secret)
	if err != nil {
		return "", err
	}
	_, err = d.Accounts.UpdateUser(ctx, username, func(u *User) error {
		u.PasswordHash, u.PasswordChanged = hash, d.Now().UTC()
		return nil
	})
	return generated, d.explainMissing(ctx, username, err)
}

// checkPresent refuses who does not know their password, and one that is not
// new.
func (d *Directory) checkPresent(ctx context.Context, by Principal, old, secret string) error {
	match := false
	if len(old) <= MaxPasswordBytes {
		var err error
		if match, err = d.matches(ctx, by.User.PasswordHash, old); err != nil {
			return err
		}
	}
	switch {
	case !match:
		return fault.New(fault.Forbidden, "oldPassword: this is not your present password.", "Give the present password, or ask a manager to set a new one.")
	case old == secret:
		return fault.New(fault.Invalid, "password: this is your present password.", "Choose another one.")
	}
	return nil
}

// still returns who asks as they are now, and refuses them if they are gone, are
// disabled or have another password. Between the check of credentials and a change
// there is the body, which may take its time to arrive: somebody who is shut out
// must not have the last word.
func (d *Directory) still(ctx context.Context, by Principal) (Principal, error) {
	u, err := d.Accounts.UserByID(ctx, by.User.ID)
	switch {
	case fault.Is(err, fault.NotFound) || err == nil && (u.Disabled || u.PasswordHash != by.User.PasswordHash):
		return Principal{}, refused()
	case err != nil:
		return Principal{}, err
	}
	now := NewPrincipal(u)
	now.ByToken = by.ByToken
	return now, nil
}

// mayManage refuses who is no manager.
func mayManage(by Principal) error {
	if by.Manager() {
		return nil
	}
	return fault.New(fault.Forbidden, "Only users with the role "+ManagerRole+" manage users and roles.", "Ask a manager.")
}

// needsPassword refuses what would outlast a token that was found.
func needsPassword(by Principal, what string) error {
	if !by.ByToken {
		return nil
	}
	return fault.New(fault.Forbidden, "A token was shown, and "+what+" needs the password.", "Sign in with username and password.")
}

// maxEmailLength is that of a mailbox (RFC 5321, section 4.5.3.1.3).
const maxEmailLength = 254

func checkEmail(email string) error { return checkText("email", email, maxEmailLength) }

func checkPersonName(u User) error {
	if err := checkText("firstName", u.FirstName, MaxNameLength); err != nil {
		return err
	}
	return checkText("lastName", u.LastName, MaxNameLength)
}

// explainMissing says which users there are when one was not found.
func (d *Directory) explainMissing(ctx context.Context, username string, err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	users, listErr := d.Accounts.Users(ctx)
	if listErr != nil {
		return listErr
	}
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = u.Username
	}
	return fault.New(fault.NotFound, "There is no user '"+echo(username)+"'.", "The users are: "+listed(names)+".")
}
