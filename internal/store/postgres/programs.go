package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// maxComplaint bounds what is kept of the standard error of a program.
const maxComplaint = 4 << 10

// program is one of PostgreSQL's own.
type program struct {
	path  string
	major int
}

// findProgram returns the oldest installed program of a name that is at least of
// the given major version: the nearer to the server, the fewer surprises. It looks
// in the folders of path, as PATH has them, and where Debian and Red Hat install
// below root. why says what needs the version.
func findProgram(ctx context.Context, name string, atLeast int, why, path, root string) (program, error) {
	var found []program
	for _, candidate := range candidates(name, path, root) {
		output, err := exec.CommandContext(ctx, candidate, "--version").Output()
		if err != nil {
			continue // a link to nothing, or not for this machine
		}
		if major, ok := majorVersion(string(output)); ok {
			found = append(found, program{candidate, major})
		}
	}
	next := fmt.Sprintf("Install PostgreSQL's client programs of version %d or newer; on Debian and Ubuntu: apt-get install postgresql-client-%d.", atLeast, atLeast)
	if len(found) == 0 {
		return program{}, fault.New(fault.Conflict, fmt.Sprintf("PostgreSQL's program %s is not installed: not in PATH, nor where Debian and Red Hat put it.", name), next)
	}
	slices.SortStableFunc(found, func(a, b program) int { return cmp.Compare(a.major, b.major) })
	for _, p := range found {
		if p.major >= atLeast {
			return p, nil
		}
	}
	newest := found[len(found)-1]
	return program{}, fault.New(fault.Conflict, fmt.Sprintf("%s has version %d; %s needs %d or newer.", newest.path, newest.major, why, atLeast), next)
}

func candidates(name, path, root string) []string {
	var folders []string
	for _, folder := range filepath.SplitList(path) {
		if filepath.IsAbs(folder) {
			folders = append(folders, folder)
		}
	}
	for _, pattern := range []string{"usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"} {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err == nil {
			folders = append(folders, matches...)
		}
	}
	var programs []string
	for _, folder := range folders {
		//nolint:gosec // PATH is that of the user who runs the command
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.Mode().IsRegular() {
			programs = append(programs, filepath.Join(folder, name))
		}
	}
	return programs
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// majorVersion reads "pg_dump (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)".
func majorVersion(output string) (int, bool) {
	match := versionPattern.FindStringSubmatch(output)
	if match == nil {
		return 0, false
	}
	major, err := strconv.Atoi(match[1])
	return major, err == nil
}

// command is a program that connects to the database of dsn. The password goes
// by the environment: command lines can be read by everybody on the machine.
func command(ctx context.Context, p program, dsn string, args ...string) (*exec.Cmd, *complaint, error) {
	address, password, err := clientAddress(dsn)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, p.path, append(args, "--no-password", "--dbname="+address)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGAPPNAME=vedette")
	if password != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	}
	said := &complaint{}
	cmd.Stderr = said
	return cmd, said, nil
}

// clientParameters are the parameters of a URL that libpq knows and that say
// where the database is and how to reach it. pgx takes others besides, run-time
// settings of its connections, at which libpq stops.
var clientParameters = []string{
	"host", "hostaddr", "port", "dbname", "user", "passfile", "connect_timeout", "channel_binding",
	"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslsni", "ssl_min_protocol_version", "ssl_max_protocol_version",
	"gssencmode", "krbsrvname", "service", "target_session_attrs",
}

// clientAddress splits a URL into one for libpq, without a password, and the
// password.
func clientAddress(dsn string) (address, password string, err error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		// The error of the parser would show the password.
		return "", "", fault.New(fault.Invalid, "database: only postgres:// URLs are allowed.", "Write it as postgres://USER@HOST/DATABASE.")
	}
	if u.User != nil {
		password, _ = u.User.Password()
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	password = cmp.Or(password, query.Get("password"))
	for name := range query {
		if !slices.Contains(clientParameters, name) {
			query.Del(name)
		}
	}
	// libpq takes a plus sign for itself, not for a space.
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String(), password, nil
}

// complaint keeps the beginning of what a program says on standard error.
type complaint struct{ text []byte }

func (c *complaint) Write(p []byte) (int, error) {
	c.text = append(c.text, p[:min(len(p), maxComplaint-len(c.text))]...)
	return len(p), nil
}

// failed is the error of a program that ended badly.
func (c *complaint) failed(p program, err error) error {
	if _, ended := errors.AsType[*exec.ExitError](err); !ended {
		return fmt.Errorf("run %s: %w", p.path, err)
	}
	said := strings.Join(strings.Fields(string(c.text)), " ")
	return &fault.Error{
		Code: fault.Conflict, Message: fmt.Sprintf("%s failed (%v): %s", p.path, err, cmp.Or(said, "it did not say why")),
		Resolution: "Mend what it names, and repeat the command.", Err: err,
	}
}
