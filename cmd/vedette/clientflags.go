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

	"vedette.dev/vedette/qps/qpsclient"
)

// defaultDataFolder is where "vedette up" keeps its platform unless told
// otherwise; client commands find admin.env there.
const defaultDataFolder = "vedette-data"

// maxPasswordBytes bounds a password file; a larger one is the wrong file.
const maxPasswordBytes = 4096

// clientFlags are the flags of every client command. There is none for the
// password itself: other users of the machine can read command lines.
type clientFlags struct {
	url          string
	username     string
	passwordFile string
	caFile       string
	connection   string
	output       string
}

// newClientGroup returns a group of commands that call a platform.
func newClientGroup(a *app, use, short, long string) (*cobra.Command, *clientFlags) {
	cmd := newGroup(use, short, long)
	f := &clientFlags{output: string(formatTable)}
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.url, "url", "", "platform `URL` (VEDETTE_URL)")
	flags.StringVar(&f.username, "username", "", "user `name` (VEDETTE_USERNAME)")
	flags.StringVar(&f.passwordFile, "password-file", "", "`file` with the password, - for standard input (VEDETTE_PASSWORD holds the password itself)")
	flags.StringVar(&f.caFile, "ca-file", "", "`file` with the certificates to trust instead of the system's (VEDETTE_CA_FILE)")
	flags.StringVar(&f.connection, "connection", "", "use the saved connection of this `name`, and ignore the environment")
	flags.VarP(oneOf{&f.output, outputFormats()}, "output", "o", "output format")
	completeOneOf(cmd, "output", outputFormats())
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
	source   string // where the URL came from, for people
}

// filledFrom completes s with what a source of lower precedence says. Its
// password is never used with another platform or another user: a saved
// password must not reach an address that was given for another reason.
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
	if s.username != "" && s.username != o.username {
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
	if f.passwordFile != "" {
		password, err := a.readPasswordFile(f.passwordFile)
		if err != nil {
			return s, err
		}
		s.password = func() (string, error) { return password, nil }
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
	return s.filledFrom(env)
}

// complete reports what is missing.
func (s settings) complete() (settings, error) {
	switch {
	case s.url == "":
		return s, usagef("no platform is named: give --url or VEDETTE_URL, save one with 'vedette connections add', or start one with 'vedette up'")
	case s.username == "":
		return s, usagef("no user name is given for %s: use --username or VEDETTE_USERNAME", s.url)
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

// readPasswordFile returns the content of a file without the line feed at its
// end.
func (a *app) readPasswordFile(path string) (string, error) {
	in := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", usagef("read password: %w", err)
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxPasswordBytes+1))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	if len(content) > maxPasswordBytes {
		return "", usagef("password file %s is larger than %d bytes", path, maxPasswordBytes)
	}
	password := string(bytes.TrimRight(content, "\r\n"))
	if password == "" {
		return "", usagef("password file %s is empty", path)
	}
	return password, nil
}

// client makes the client of the platform that the flags and so on name. tries
// bounds the attempts of a call; zero leaves it to the client.
func (a *app) client(f *clientFlags, tries int) (*qpsclient.Client, settings, error) {
	s, err := a.settings(f)
	if err != nil {
		return nil, s, err
	}
	password, err := s.password()
	if err != nil {
		return nil, s, err
	}
	client, err := qpsclient.New(qpsclient.Config{
		BaseURL: s.url, Username: s.username, Password: password, APIVersion: s.apiVersion, CAFile: s.caFile,
		UserAgent: "vedette/" + buildVersion(), Tries: tries, OnRetry: a.announceRetry,
	})
	if err != nil {
		return nil, s, usageError{err}
	}
	return client, s, nil
}

// announceRetry tells why nothing happens for a while.
func (a *app) announceRetry(r qpsclient.Retry) {
	fmt.Fprintf(a.stderr, "%s; trying again in %.1f s (%d of %d)\n", printable(r.Err.Error()), r.Wait.Seconds(), r.Attempt+1, r.Tries)
}
