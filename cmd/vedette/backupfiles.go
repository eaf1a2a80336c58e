package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vedette.dev/vedette/internal/backup"
	"vedette.dev/vedette/internal/fault"
)

// keptOut are the names in a data folder that a backup leaves out: the lock, the
// database, which is copied by other means, and this host's own agent. The name of
// another file may begin with one of those that end with a star.
var keptOut = []string{"lock", databaseFile + "*", "agent", "agent.log*", ".*"}

// secrets returns the files of the data folder that belong into a backup, and the
// names of those that cannot be a platform's: anything large or irregular. What a
// later version adds to the folder is in the backup without being listed here.
func (d *dataFolder) secrets() (files []backup.File, skipped []string, err error) {
	err = filepath.WalkDir(d.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == d.path {
			return err
		}
		name, err := filepath.Rel(d.path, path)
		if err != nil {
			return err
		}
		switch {
		case outOfBackup(name) && entry.IsDir():
			return fs.SkipDir
		case outOfBackup(name) || entry.IsDir():
			return nil
		}
		info, err := os.Stat(path) // of what a link stands for
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() > backup.MaxFileBytes || len(files) == backup.MaxFiles {
			skipped = append(skipped, name)
			return nil
		}
		content, err := os.ReadFile(path) //nolint:gosec // links are followed on purpose: a key may be on another disk
		files = append(files, backup.File{Name: filepath.ToSlash(name), Mode: info.Mode(), Content: content})
		return err
	})
	if errors.Is(err, fs.ErrPermission) {
		err = &fault.Error{Code: fault.Conflict, Message: fmt.Sprintf("A file of data folder %s may not be read by this user.", d.path), Resolution: "Run the command as the user that runs the platform.", Err: err}
	}
	return files, skipped, err
}

// outOfBackup reports whether a path in the data folder is left out.
func outOfBackup(name string) bool {
	first, _, _ := strings.Cut(filepath.ToSlash(name), "/")
	for _, pattern := range keptOut {
		if prefix, ok := strings.CutSuffix(pattern, "*"); first == pattern || ok && strings.HasPrefix(first, prefix) {
			return true
		}
	}
	return strings.HasPrefix(filepath.Base(name), ".") // a file that is just being replaced
}
