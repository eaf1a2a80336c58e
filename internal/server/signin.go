package server

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

const (
	// maxSignInBody holds a name and a password, every byte of them encoded as
	// three.
	maxSignInBody = 8 << 10
	// signInBodyTimeout is short: the form is sent in one piece, and strangers send
	// it as well.
	signInBodyTimeout = 5 * time.Second
)

// SessionIssuer makes session tokens.
type SessionIssuer interface {
	Issue(p access.Principal, listPermissions bool) (string, error)
}

// SignInRoute returns POST /auth, which takes username and password in a form and
// answers 201 with a session token as text (Qualys Cloud Agent API, gateway
// authentication). The token is then sent as Authorization: Bearer. token=true is
// part of the form; permissions=true makes the token list what the user may do.
// A query string is not looked at: passwords do not belong where they are logged.
func SignInRoute(users Authenticator, sessions SessionIssuer) Route {
	return Route{
		Methods: []string{http.MethodPost},
		Path:    "/auth",
		MaxBody: maxSignInBody, BodyTimeout: signInBodyTimeout,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := signIn(r, users, sessions)
			if err != nil {
				Fail(w, r, err)
				return
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, token) // a client that is gone cannot be told
		}),
	}
}

func signIn(r *http.Request, users Authenticator, sessions SessionIssuer) (string, error) {
	form, err := readSignIn(r)
	if err != nil {
		return "", err
	}
	principal, err := users.Authenticate(r.Context(), form.username, form.password, addressOf(r))
	if err != nil {
		return "", err
	}
	exchangeOf(r.Context()).user = principal.User.Username
	return sessions.Issue(principal, form.listPermissions)
}

type signInForm struct {
	username, password string
	listPermissions    bool
}

// readSignIn reads the form, whatever Content-Type says. Parameters it does not
// know are passed over.
func readSignIn(r *http.Request) (signInForm, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return signInForm{}, err
	}
	const wanted = "Send username, password and token=true as application/x-www-form-urlencoded."
	values, err := url.ParseQuery(string(body))
	if err != nil { // which would repeat a part of the body
		return signInForm{}, fault.New(fault.Invalid, "The body is not a form.", wanted)
	}
	for _, name := range []string{"username", "password", "token", "permissions"} {
		if len(values[name]) > 1 {
			return signInForm{}, fault.New(fault.Invalid, name+" is given "+fmt.Sprint(len(values[name]))+" times.", "Give it once.")
		}
		if values.Get(name) == "" && name != "permissions" {
			return signInForm{}, fault.New(fault.Invalid, name+" is missing.", wanted)
		}
	}
	if values.Get("token") != "true" {
		return signInForm{}, fault.New(fault.Invalid, "token: '"+Echo(values.Get("token"))+"' is not allowed, only 'true'.", wanted)
	}
	form := signInForm{username: values.Get("username"), password: values.Get("password")}
	switch values.Get("permissions") {
	case "true":
		form.listPermissions = true
	case "", "false":
	default:
		return signInForm{}, fault.New(fault.Invalid, "permissions: '"+Echo(values.Get("permissions"))+"' is not allowed, only 'true' or 'false'.",
			"Leave it out, or send permissions=true to have the token list what the user may do.")
	}
	return form, nil
}
