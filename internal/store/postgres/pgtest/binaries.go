//go:build unix

package pgtest

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// errNotInstalled tells a developer the next step.
var errNotInstalled = errors.New("no initdb, pg_ctl and postgres in one folder of PATH or in /usr/lib/postgresql/*/bin; " +
	"install PostgreSQL 13 or later, on Debian and Ubuntu with: apt-get install postgresql")

// findBinaries returns the folder that holds the programs of a PostgreSQL
// server: of the first pg_ctl in path, otherwise of the newest version in the
// places where Debian and Red Hat install them below root.
func findBinaries(path, root string) (string, error) {
	for _, folder := range filepath.SplitList(path) {
		// PATH may hold no more than a link to pg_ctl; its target has the rest.
		program, err := filepath.EvalSymlinks(filepath.Join(folder, "pg_ctl"))
		if err == nil && complete(filepath.Dir(program)) {
			return filepath.Dir(program), nil
		}
	}
	var found []string
	for _, pattern := range []string{"usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"} {
		folders, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return "", err
		}
		found = append(found, folders...)
	}
	found = slices.DeleteFunc(found, func(folder string) bool { return !complete(folder) })
	if len(found) == 0 {
		return "", errNotInstalled
	}
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) }), nil
}

// complete reports whether folder holds what a server needs.
func complete(folder string) bool {
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// version returns the major version in the name of the folder above bin, zero
// when there is none: 15 for /usr/lib/postgresql/15/bin and /usr/pgsql-15/bin.
func version(folder string) int {
	name := strings.TrimPrefix(filepath.Base(filepath.Dir(folder)), "pgsql-")
	n, _ := strconv.Atoi(name)
	return n
}
