package automationapi

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// named returns the username that the path of a password or of tokens means.
func named(ctx context.Context, username string) string {
	if username == access.CallerName {
		return server.UserOf(ctx).Username
	}
	return username
}

// ListUsers implements GET /automation/v1/users.
func (a api) ListUsers(ctx context.Context, _ ListUsersRequestObject) (ListUsersResponseObject, error) {
	found, err := a.directory.Users(ctx, server.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	users, err := a.present(ctx, found)
	if err != nil {
		return nil, err
	}
	return ListUsers200JSONResponse{Users: users}, nil
}

// CreateUser implements POST /automation/v1/users.
func (a api) CreateUser(ctx context.Context, request CreateUserRequestObject) (CreateUserResponseObject, error) {
	body := request.Body
	server.Describe(ctx, server.Echo(body.Username), "")
	if err := checkEmail(&body.Email); err != nil {
		return nil, err
	}
	created, password, err := a.directory.CreateUser(ctx, server.PrincipalOf(ctx), access.NewUser{
		Username: body.Username, FirstName: body.FirstName, LastName: body.LastName, Email: body.Email, Password: body.Password,
		Roles: references(body.Roles), Scope: choice(body.Scope),
	})
	if err != nil {
		return nil, err
	}
	user, err := a.presentOne(ctx, created)
	if err != nil {
		return nil, err
	}
	details := "roles: " + texts(user.Roles) + "; scope: " + scopeText(user.Scope)
	if body.Email != "" {
		details += "; email: " + body.Email
	}
	server.Describe(ctx, "", details)
	return CreateUser201JSONResponse{User: user, Password: optional(password)}, nil
}

// GetCaller implements GET /automation/v1/users/me.
func (a api) GetCaller(ctx context.Context, _ GetCallerRequestObject) (GetCallerResponseObject, error) {
	principal := server.PrincipalOf(ctx)
	user, err := a.presentOne(ctx, principal.User)
	if err != nil {
		return nil, err
	}
	permissions := []string{}
	for _, permission := range principal.Permissions() {
		permissions = append(permissions, string(permission))
	}
	return GetCaller200JSONResponse{User: user, Manager: principal.Manager(), Permissions: permissions, ByToken: principal.ByToken, Settings: settingsOf(principal.User.Settings)}, nil
}

// ChangeSettings implements PATCH /automation/v1/users/me/settings.
func (a api) ChangeSettings(ctx context.Context, request ChangeSettingsRequestObject) (ChangeSettingsResponseObject, error) {
	principal, body := server.PrincipalOf(ctx), request.Body
	server.Describe(ctx, server.Echo(principal.User.Username), "")
	var change access.SettingsChange
	if body.TimeFormat != nil {
		format, err := automation.ParseTimeFormat(*body.TimeFormat)
		if err != nil {
			return nil, fault.New(fault.Invalid, "timeFormat: "+err.Error()+".", "")
		}
		change.TimeFormat = optional(string(format))
	}
	if body.TimeZone != nil {
		if _, err := automation.LoadZone(*body.TimeZone); err != nil {
			return nil, fault.New(fault.Invalid, "timeZone: "+err.Error(), "")
		}
		change.TimeZone = body.TimeZone
	}
	changed, err := a.directory.ChangeSettings(ctx, principal, change)
	if err != nil {
		return nil, err
	}
	now := settingsOf(changed)
	server.Describe(ctx, "", fmt.Sprintf("times: %s, %s", now.TimeFormat, now.TimeZone))
	return ChangeSettings200JSONResponse(now), nil
}

// settingsOf returns settings with what is not chosen filled in. A format of
// another release is the default.
func settingsOf(s access.Settings) Settings {
	format, err := automation.ParseTimeFormat(s.TimeFormat)
	if err != nil {
		format = automation.MonthDayYear
	}
	return Settings{TimeFormat: TimeFormat(format), TimeZone: cmp.Or(s.TimeZone, time.UTC.String()), Email: optional(s.Email)}
}

// checkEmail refuses what is no mail address, with a name or without one. Empty is
// none.
func checkEmail(email *string) error {
	if email == nil || *email == "" {
		return nil
	}
	if address, err := notice.ParseAddress(*email); err != nil || address.Mailbox != *email {
		return invalid("email", *email, "an address such as ann@example.org, without a name")
	}
	return nil
}

// emailText returns a mail address for the audit log.
func emailText(email string) string { return cmp.Or(email, "none") }

// GetUser implements GET /automation/v1/users/{username}.
func (a api) GetUser(ctx context.Context, request GetUserRequestObject) (GetUserResponseObject, error) {
	found, err := a.directory.User(ctx, server.PrincipalOf(ctx), request.Username)
	if err != nil {
		return nil, err
	}
	user, err := a.presentOne(ctx, found)
	return GetUser200JSONResponse(user), err
}

// UpdateUser implements PATCH /automation/v1/users/{username}.
func (a api) UpdateUser(ctx context.Context, request UpdateUserRequestObject) (UpdateUserResponseObject, error) {
	body := request.Body
	if err := checkEmail(body.Email); err != nil {
		return nil, err
	}
	change := access.UserChange{FirstName: body.FirstName, LastName: body.LastName, Email: body.Email, Disabled: body.Disabled}
	if body.Scope != nil {
		chosen := choice(*body.Scope)
		change.Scope = &chosen
	}
	changed, err := a.directory.UpdateUser(ctx, server.PrincipalOf(ctx), request.Username, change)
	if err != nil {
		return nil, err
	}
	user, err := a.presentOne(ctx, changed)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, "", changeText(body, user))
	return UpdateUser200JSONResponse(user), nil
}

// changeText says for the audit log what was changed of a user.
func changeText(change *userChange, now User) string {
	var parts []string
	if change.FirstName != nil || change.LastName != nil {
		parts = append(parts, strings.TrimSpace("name: "+now.FirstName+" "+now.LastName))
	}
	if change.Email != nil {
		parts = append(parts, "email: "+emailText(*change.Email))
	}
	if change.Disabled != nil {
		parts = append(parts, fmt.Sprintf("disabled: %t", now.Disabled))
	}
	if change.Scope != nil {
		parts = append(parts, "scope: "+scopeText(now.Scope))
	}
	return strings.Join(parts, "; ")
}

// DeleteUser implements DELETE /automation/v1/users/{username}.
func (a api) DeleteUser(ctx context.Context, request DeleteUserRequestObject) (DeleteUserResponseObject, error) {
	if err := a.directory.DeleteUser(ctx, server.PrincipalOf(ctx), request.Username); err != nil {
		return nil, err
	}
	return DeleteUser204Response{}, nil
}

// SetPassword implements PUT /automation/v1/users/{username}/password.
func (a api) SetPassword(ctx context.Context, request SetPasswordRequestObject) (SetPasswordResponseObject, error) {
	username := named(ctx, request.Username)
	server.Describe(ctx, server.Echo(username), "")
	generated, err := a.directory.SetPassword(ctx, server.PrincipalOf(ctx), username, request.Body.OldPassword, request.Body.Password)
	if err != nil {
		return nil, err
	}
	return SetPassword200JSONResponse{Password: optional(generated)}, nil
}

// ListTokens implements GET /automation/v1/users/{username}/tokens.
func (a api) ListTokens(ctx context.Context, request ListTokensRequestObject) (ListTokensResponseObject, error) {
	found, err := a.directory.UserTokens(ctx, server.PrincipalOf(ctx), named(ctx, request.Username))
	if err != nil {
		return nil, err
	}
	answer := ListTokens200JSONResponse{Tokens: make([]Token, len(found))}
	for i, t := range found {
		answer.Tokens[i] = tokenOf(t)
	}
	return answer, nil
}

// CreateToken implements POST /automation/v1/users/{username}/tokens.
func (a api) CreateToken(ctx context.Context, request CreateTokenRequestObject) (CreateTokenResponseObject, error) {
	username, body := named(ctx, request.Username), request.Body
	server.Describe(ctx, server.Echo(username), "")
	lifetime, err := lifetimeOf(body.ExpiresIn)
	if err != nil {
		return nil, err
	}
	token, secret, err := a.directory.CreateToken(ctx, server.PrincipalOf(ctx), username, body.Name, lifetime)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, "", fmt.Sprintf("token %d '%s' until %s", token.ID, token.Name, token.Expires.Format(time.RFC3339)))
	return CreateToken201JSONResponse{Token: tokenOf(token), Secret: secret}, nil
}

// lifetimeOf checks the seconds before they become a Duration, which holds no more
// than 292 years.
func lifetimeOf(seconds *int64) (time.Duration, error) {
	const least, most = int64(access.MinTokenLife / time.Second), int64(access.MaxTokenLife / time.Second)
	expected := fmt.Sprintf("an integer from %d to %d, in seconds", least, most)
	if seconds == nil {
		return 0, fault.New(fault.Invalid, "expiresIn: the member is missing.", "Specify expiresIn as "+expected+".")
	}
	if *seconds < least || *seconds > most {
		return 0, invalid("expiresIn", fmt.Sprint(*seconds), expected)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// RevokeToken implements DELETE /automation/v1/users/{username}/tokens/{id}.
func (a api) RevokeToken(ctx context.Context, request RevokeTokenRequestObject) (RevokeTokenResponseObject, error) {
	username := named(ctx, request.Username)
	server.Describe(ctx, server.Echo(username), fmt.Sprintf("token %d", request.Id))
	if err := a.directory.RevokeToken(ctx, server.PrincipalOf(ctx), username, request.Id); err != nil {
		return nil, err
	}
	return RevokeToken204Response{}, nil
}

func tokenOf(t access.Token) Token {
	return Token{Id: t.ID, Name: t.Name, Created: wireTime(t.Created), Expires: wireTime(t.Expires)}
}

// present returns users as the API has them, with the names of their tags.
func (a api) present(ctx context.Context, found []access.User) ([]User, error) {
	var tags map[int64]string
	if slices.ContainsFunc(found, func(u access.User) bool { return len(u.Scope.TagIDs) > 0 }) {
		var err error
		if tags, err = a.directory.Tags.TagNames(ctx); err != nil {
			return nil, err
		}
	}
	users := make([]User, len(found))
	for i, u := range found {
		users[i] = User{
			Username: u.Username, FirstName: u.FirstName, LastName: u.LastName, Roles: []reference{}, Email: optional(u.Settings.Email), Disabled: u.Disabled,
			Scope: scope{AllAssets: u.Scope.All, Tags: []reference{}}, Created: wireTime(u.Created), PasswordChanged: reached(u.PasswordChanged),
		}
		for _, r := range u.Roles {
			users[i].Roles = append(users[i].Roles, reference{ID: r.ID, Name: r.Name})
		}
		for _, id := range u.Scope.TagIDs {
			users[i].Scope.Tags = append(users[i].Scope.Tags, reference{ID: id, Name: tags[id]})
		}
	}
	return users, nil
}

func (a api) presentOne(ctx context.Context, u access.User) (User, error) {
	users, err := a.present(ctx, []access.User{u})
	if err != nil {
		return User{}, err
	}
	return users[0], nil
}

func references(list []reference) []access.Reference {
	var all []access.Reference
	for _, r := range list {
		all = append(all, access.Reference(r))
	}
	return all
}

func choice(s scope) access.ScopeChoice {
	return access.ScopeChoice{All: s.AllAssets, Tags: references(s.Tags)}
}

// texts returns names for the audit log.
func texts(list []reference) string {
	if len(list) == 0 {
		return "none"
	}
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}

func scopeText(s scope) string {
	if s.AllAssets {
		return "all assets"
	}
	return texts(s.Tags)
}

// optional is nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
