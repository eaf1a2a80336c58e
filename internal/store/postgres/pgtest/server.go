//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// supervisor is a shell script that makes a cluster, starts the server, says
// "ready" and waits for the end of its input: the end of the test binary,
// however it comes. Then it stops the server and removes the folder.
//
//go:embed supervisor.sh
var supervisor string

// superuser is the PostgreSQL role that owns the cluster.
const superuser = "vedette"

// server is a PostgreSQL server. The zero value is one that has not started.
type server struct {
	once      sync.Once
	err       error // of the start
	folder    string
	admin     *sql.DB
	input     io.Closer // its end is the supervisor's order to stop
	process   *exec.Cmd
	databases atomic.Int64
}

// start starts the server at the first call and returns the outcome of that at
// every call.
func (s *server) start() error {
	s.once.Do(func() {
		var binaries string
		if binaries, s.err = findBinaries(os.Getenv("PATH"), "/"); s.err != nil {
			return
		}
		if s.err = s.launch(binaries); s.err != nil {
			s.err = fmt.Errorf("start PostgreSQL from %s: %w", binaries, s.err)
		}
	})
	return s.err
}

func (s *server) launch(binaries string) error {
	credential, err := unprivileged()
	if err != nil {
		return err
	}
	// In /tmp whatever TMPDIR says: the path of a socket has about a hundred
	// characters, and the other user must be able to reach the folder.
	if s.folder, err = os.MkdirTemp("/tmp", "vedette-postgres-"); err != nil {
		return err
	}
	if credential != nil {
		if err := os.Chown(s.folder, int(credential.Uid), int(credential.Gid)); err != nil {
			return errors.Join(err, os.RemoveAll(s.folder))
		}
	}
	if err := s.supervise(binaries, credential); err != nil {
		return errors.Join(err, s.stop(), os.RemoveAll(s.folder))
	}
	if err := s.connect(); err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

// supervise starts the supervisor and returns when the server is ready.
func (s *server) supervise(binaries string, credential *syscall.Credential) error {
	// No context: the supervisor ends with its input and must not be killed
	// before it has cleaned up.
	process := exec.CommandContext(context.Background(), "/bin/sh", "-c", supervisor, "pgtest", binaries, s.folder, superuser)
	process.Dir = s.folder
	process.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	// A group of its own, so that Ctrl-C at the terminal reaches the tests only.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	var complaints strings.Builder
	process.Stderr = &complaints
	input, err := process.StdinPipe()
	if err != nil {
		return err
	}
	output, err := process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := process.Start(); err != nil {
		return err
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil || line != "ready\n" {
		return errors.Join(errors.New("the server did not become ready"), input.Close(), process.Wait(), errors.New(complaints.String()))
	}
	s.input, s.process = input, process
	return nil
}

// connect opens the connections that make and drop databases.
func (s *server) connect() error {
	admin, err := sql.Open("pgx", s.dsn("postgres"))
	if err != nil {
		return err
	}
	s.admin = admin
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	var trigrams bool
	if err := admin.QueryRowContext(ctx, "SELECT count(*) = 1 FROM pg_available_extensions WHERE name = 'pg_trgm'").Scan(&trigrams); err != nil {
		return err
	}
	if !trigrams {
		return errors.New("the extension pg_trgm is missing; install the package postgresql-contrib")
	}
	return nil
}

// stop ends the server and removes its folder. It does nothing for a server that
// is not running.
func (s *server) stop() error {
	var failures []error
	if s.admin != nil {
		failures = append(failures, s.admin.Close())
		s.admin = nil
	}
	if s.process != nil {
		failures = append(failures, s.input.Close(), s.process.Wait())
		s.process = nil
	}
	return errors.Join(failures...)
}

// dsn returns the connection string of a database.
func (s *server) dsn(database string) string {
	parameters := url.Values{"host": {s.folder}, "user": {superuser}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + parameters.Encode()
}

// unprivileged returns whom the server shall run as, nil for the current user.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as; add one or run the tests as another user")
}
