package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// defaultDataFolder is where "vedette up" keeps its platform unless told
// otherwise; client commands find admin.env there.
const defaultDataFolder = "vedette-data"

// maxPasswordBytes bounds a password file; a larger one is the wrong file.
const maxPasswordBytes = 4096

// clientFlags are the flags of every client command. There is none for the
// password or the token itself: other users of the machine can read command
// lines.
type clientFlags struct {
	url          string
	username     string
	passwordFile string
	tokenFile    string
	caFile       string
	connection   string
	output       string
	chosen       chosenTimes
	program      string // in the User-Agent; empty for vedette

	times    automation.Times // how times are read and shown
	platform string           // URL of the one that was called last, without a slash at its end
}

// newClientGroup returns a group of commands that call a platform and print in
// these formats, by default in all.
func newClientGroup(a *app, use, short, long string, formats ...string) (*cobra.Command, *clientFlags) {
	if len(formats) == 0 {
		formats = outputFormats()
	}
	cmd := newGroup(use, short, long)
	f := &clientFlags{output: string(formatTable)}
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.url, "url", "", "platform `URL` (VEDETTE_URL)")
	flags.StringVar(&f.username, "username", "", "user `name` (VEDETTE_USERNAME)")
	flags.StringVar(&f.passwordFile, "password-file", "", "`file` with the password, - for standard input (VEDETTE_PASSWORD holds the password itself)")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with an API token, in place of name and password, - for standard input (VEDETTE_TOKEN holds the token itself)")
	flags.StringVar(&f.caFile, "ca-file", "", "`file` with the certificates to trust instead of the system's (VEDETTE_CA_FILE)")
	flags.StringVar(&f.connection, "connection", "", "use the saved connection of this `name`, and ignore the environment")
	flags.VarP(oneOf{&f.output, formats}, "output", "o", "output format")
	completeOneOf(cmd, "output", formats)
	f.chosen.define(cmd)
	cmd.PersistentPreRunE = func(*cobra.Command, []string) (err error) {
		f.times, err = a.times(f.chosen)
		return err
	}
	if err := cmd.RegisterFlagCompletionFunc("connection", a.completeConnections); err != nil {
		panic(err) // the flag was not defined, or this is called twice
	}
	return cmd, f
}

func (f *clientFlags) format() outputFormat { return outputFormat(f.output) }

// settings say where the platform is and who calls it.
type settings struct {
	url, username, caFile, apiVersion string
	// password is nil while none is known. It is a function because a keyring
	// may ask the user.
	password func() (string, error)
	// token, where it is not nil, is used in place of name and password.
	token  func() (string, error)
	source string // where the URL came from, for people
}

// caller says whose credentials are used.
func (s settings) caller() string {
	if s.token != nil {
		return "the token's user"
	}
	return s.username
}

// filledFrom completes s with what a source of lower precedence says. Its
// password is never used with another platform or another user: a saved
// password must not reach an address that was given for another reason. Its token
// is for a user of its own, and used where no user is named.
func (s settings) filledFrom(o settings) settings {
	if s.url != "" && !sameURL(s.url, o.url) {
		return s
	}
	if s.url == "" {
		s.url, s.source = o.url, o.source
	}
	if s.caFile == "" {
		s.caFile = o.caFile
	}
	if s.apiVersion == "" {
		s.apiVersion = o.apiVersion
	}
	switch {
	case s.token != nil:
		return s
	case o.token != nil && s.username == "" && s.password == nil:
		s.token = o.token
		return s
	case s.username != "" && s.username != o.username:
		return s
	}
	s.username = o.username
	if s.password == nil {
		s.password = o.password
	}
	return s
}

func sameURL(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(strings.TrimSpace(a), "/"), strings.TrimRight(strings.TrimSpace(b), "/"))
}

// settings resolves where to call, in this order: flags, then a connection named
// by a flag, or else the environment, the connection in use, and the platform of
// the data folder.
func (a *app) settings(f *clientFlags) (settings, error) {
	s := settings{url: f.url, username: f.username, caFile: f.caFile, source: "--url"}
	s, err := a.withSecret(f, s)
	if err != nil {
		return s, err
	}
	if f.connection != "" {
		saved, err := a.namedSettings(f.connection)
		if err != nil {
			return s, err
		}
		if s.url != "" && !sameURL(s.url, saved.url) {
			return s, usagef("--url %s and --connection %s, which is for %s, exclude each other", quote(s.url), quote(f.connection), saved.url)
		}
		return s.filledFrom(saved).complete()
	}
	s = s.filledFromEnvironment(a.getenv)
	current, ok, err := a.currentSettings()
	if err != nil {
		return s, err
	}
	if !ok {
		if current, err = a.dataFolderSettings(); err != nil {
			return s, err
		}
	}
	return s.filledFrom(current).complete()
}

// withSecret completes s with the password or the token of a file that a flag
// names.
func (a *app) withSecret(f *clientFlags, s settings) (settings, error) {
	if f.tokenFile != "" && (f.username != "" || f.passwordFile != "") {
		return s, usagef("--token-file excludes --username and --password-file: a token has a user of its own")
	}
	for _, given := range []struct {
		path, what string
		into       *func() (string, error)
	}{{f.passwordFile, "password", &s.password}, {f.tokenFile, "token", &s.token}} {
		if given.path == "" {
			continue
		}
		secret, err := a.readSecretFile(given.path, given.what)
		if err != nil {
			return s, err
		}
		*given.into = func() (string, error) { return secret, nil }
	}
	return s, nil
}

// filledFromEnvironment completes s with the user's variables. Variables that
// name a platform are for that platform alone; without VEDETTE_URL they are meant
// for whichever call is made with them, as is a password without a name.
func (s settings) filledFromEnvironment(getenv func(string) string) settings {
	env := settings{
		url: cmp.Or(getenv("VEDETTE_URL"), s.url), source: "VEDETTE_URL",
		username: cmp.Or(getenv("VEDETTE_USERNAME"), s.username), caFile: getenv("VEDETTE_CA_FILE"),
	}
	if password := getenv("VEDETTE_PASSWORD"); password != "" {
		env.password = func() (string, error) { return password, nil }
	}
	if token := getenv("VEDETTE_TOKEN"); token != "" {
		env.token = func() (string, error) { return token, nil }
	}
	return s.filledFrom(env)
}

// complete reports what is missing.
func (s settings) complete() (settings, error) {
	switch {
	case s.url == "":
		return s, usagef("no platform is named: give --url or VEDETTE_URL, save one with 'vedette connections add', or start one with 'vedette up'")
	case s.token != nil:
		return s, nil
	case s.username == "":
		return s, usagef("no user name is given for %s: use --username or VEDETTE_USERNAME, or a token with --token-file or VEDETTE_TOKEN", s.url)
	case s.password == nil:
		return s, usagef("no password is given for %s at %s: use --password-file or VEDETTE_PASSWORD", s.username, s.url)
	}
	return s, nil
}

// dataFolderSettings reads the admin.env of a platform in this folder, which
// need not be there.
func (a *app) dataFolderSettings() (settings, error) {
	path := filepath.Join(defaultDataFolder, adminEnvFile)
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return settings{}, nil
	}
	if os.IsPermission(err) {
		return settings{}, &fault.Error{Code: fault.Conflict, Message: fmt.Sprintf("The credentials of the platform in this folder, %s, may not be read by this user.", path), Err: err,
			Resolution: "Run the command as the user that runs the platform, or name platform and user with --url, --username and --password-file."}
	}
	if err != nil {
		return settings{}, fmt.Errorf("read the platform's credentials: %w", err)
	}
	env := readAdminEnv(content)
	s := settings{url: env.url, username: env.username, caFile: env.caFile, source: path}
	if env.password != "" {
		s.password = func() (string, error) { return env.password, nil }
	}
	return s, nil
}

// readSecretFile returns the content of a file without the line feed at its end;
// what is the word for it in errors.
func (a *app) readSecretFile(path, what string) (string, error) {
	in := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", usagef("read %s: %w", what, err)
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxPasswordBytes+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	if len(content) > maxPasswordBytes {
		return "", usagef("%s file %s is larger than %d bytes", what, path, maxPasswordBytes)
	}
	secret := string(bytes.TrimRight(content, "\r\n"))
	if secret == "" {
		return "", usagef("%s file %s is empty", what, path)
	}
	return secret, nil
}

// client makes the client of the platform that the flags and so on name. tries
// bounds the attempts of a call; zero leaves it to the client.
func (a *app) client(f *clientFlags, tries int) (*qpsclient.Client, settings, error) {
	s, err := a.settings(f)
	if err != nil {
		return nil, s, err
	}
	return a.clientOf(f, s, tries)
}

// clientOf makes the client of settings that are complete; see client.
func (a *app) clientOf(f *clientFlags, s settings, tries int) (*qpsclient.Client, settings, error) {
	f.platform = strings.TrimRight(s.url, "/")
	config, _, err := s.credentials()
	if err != nil {
		return nil, s, err
	}
	config.UserAgent, config.Tries, config.OnRetry = cmp.Or(f.program, "vedette")+"/"+buildVersion(), tries, a.announceRetry
	client, err := qpsclient.New(config)
	if err != nil {
		return nil, s, usageError{err}
	}
	return client, s, nil
}

// credentials returns the configuration of a client, and the secret in it, of
// settings that are complete.
func (s settings) credentials() (config qpsclient.Config, secret string, err error) {
	config = qpsclient.Config{BaseURL: s.url, APIVersion: s.apiVersion, CAFile: s.caFile}
	if s.token != nil {
		config.Token, err = s.token()
		return config, config.Token, err
	}
	config.Username = s.username
	config.Password, err = s.password()
	return config, config.Password, err
}

// announceRetry tells why nothing happens for a while.
func (a *app) announceRetry(r qpsclient.Retry) {
	fmt.Fprintf(a.stderr, "%s; trying again in %.1f s (%d of %d)\n", printable(r.Err.Error()), r.Wait.Seconds(), r.Attempt+1, r.Tries)
}
