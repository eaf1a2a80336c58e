package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"vedette.dev/vedette/internal/fault"
)

// dataFolder is the folder in which one platform keeps everything:
//
//	lock                 held while a platform runs on the folder
//	admin.env            how to reach it and sign in; 0600
//	vedette.db           the SQLite store, unless another database is configured
//	tls/                 the certificate authority and the server certificate
//	trust/               the keys that sign what agents are told, and session tokens
//	releases/            what agents upgrade to, see package releases
//	agent/, agent.log    the state and the log of this host's own agent
type dataFolder struct {
	path string
	lock *flock.Flock
}

// openDataFolder makes the folder if it is missing and locks it. A folder in
// use by another process is refused.
func openDataFolder(path string) (*dataFolder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", path, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("The data folder cannot be made: %v.", err),
			"Choose another folder with --data, one in which this user may write.")
	}
	d := &dataFolder{path: path, lock: flock.New(filepath.Join(path, "lock"))}
	locked, err := d.lock.TryLock()
	if errors.Is(err, fs.ErrPermission) {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("Data folder %s belongs to another user: %v.", path, err),
			"Run the command as the user that runs the platform, or choose another folder with --data.")
	}
	if err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	if !locked {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("Data folder %s is in use by another process.", path),
			"Stop that one, or choose another folder with --data.")
	}
	return d, nil
}

func (d *dataFolder) close() error { return d.lock.Unlock() }

func (d *dataFolder) file(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

// read returns the content of a file, nil when it does not exist.
func (d *dataFolder) read(elements ...string) ([]byte, error) {
	content, err := os.ReadFile(d.file(elements...))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return content, err
}

// write replaces a file as a whole: a crash leaves the old content or the new.
func (d *dataFolder) write(content []byte, mode fs.FileMode, elements ...string) error {
	path := d.file(elements...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := renameio.WriteFile(path, content, mode, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// adminEnv is the content of admin.env.
type adminEnv struct {
	url, username, password, caFile, activationKey, customerID string
}

const adminEnvFile = "admin.env"

func (e *adminEnv) variables() []struct {
	name  string
	value *string
} {
	return []struct {
		name  string
		value *string
	}{
		{"VEDETTE_URL", &e.url},
		{"VEDETTE_USERNAME", &e.username},
		{"VEDETTE_PASSWORD", &e.password},
		{"VEDETTE_CA_FILE", &e.caFile},
		{"VEDETTE_ACTIVATION_KEY", &e.activationKey},
		{"VEDETTE_CUSTOMER_ID", &e.customerID},
	}
}

func (e *adminEnv) encode() []byte {
	var b bytes.Buffer
	b.WriteString("# How to reach this platform. Written by vedette; keep it secret.\n")
	for _, variable := range e.variables() {
		if *variable.value == "" {
			continue // shells that source the file keep what they know
		}
		fmt.Fprintf(&b, "%s=%s\n", variable.name, shellWord(*variable.value))
	}
	return b.Bytes()
}

// readAdminEnv reads admin.env; unknown lines are passed over.
func readAdminEnv(content []byte) adminEnv {
	var e adminEnv
	values := map[string]*string{}
	for _, variable := range e.variables() {
		values[variable.name] = variable.value
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && values[name] != nil {
			*values[name] = plainWord(value)
		}
	}
	return e
}

// shellWord quotes a value for shells that source the file, where it needs to be.
func shellWord(value string) string {
	if strings.IndexFunc(value, func(r rune) bool { return !strings.ContainsRune(plainRunes, r) }) < 0 {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", quotedQuote) + "'"
}

// plainWord undoes shellWord.
func plainWord(word string) string {
	if inner, ok := strings.CutPrefix(word, "'"); ok {
		return strings.ReplaceAll(strings.TrimSuffix(inner, "'"), quotedQuote, "'")
	}
	return word
}

const (
	plainRunes  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-[]"
	quotedQuote = `'\''`
)
