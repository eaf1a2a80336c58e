package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/backup"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/releases"
)

// keptOut are the names in a data folder that a backup does not take as they are:
// the lock, the database and the releases, which are copied by other means, and
// this host's own agent. The name of another file may begin with one of those that
// end with a star.
var keptOut = []string{"lock", databaseFile + "*", releasesFolder, "agent", "agent.log*", ".*"}

// maxSecretBytes bounds a file that is no package: keys and certificates have a few
// kilobytes.
const maxSecretBytes = 1 << 20

// A backup has room for every package that may be published.
var _ [backup.MaxFileBytes - agentwire.MaxPackageBytes]struct{}

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
		if !info.Mode().IsRegular() || info.Size() > maxSecretBytes || len(files) == backup.MaxFiles {
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

// releases returns the files of what is published that belong into a backup, of
// which at most so many may be. What is not offered to agents does not: in the end
// it would be more than a backup holds.
func (d *dataFolder) releases(most int) ([]backup.File, error) {
	names, err := releases.Files(d.file(releasesFolder))
	if err == nil && len(names) > most {
		err = fault.New(fault.Conflict, fmt.Sprintf("Too much is published for a backup: %d files, allowed are %d.", len(names), most), "Withdraw old versions.")
	}
	if err != nil {
		return nil, err
	}
	var files []backup.File
	for _, name := range names {
		path := d.file(releasesFolder, name)
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		file := backup.File{Name: releasesFolder + "/" + filepath.ToSlash(name), Mode: info.Mode(), Path: path}
		if info.Size() <= maxSecretBytes { // the timestamp may be replaced meanwhile
			file.Path = ""
			if file.Content, err = os.ReadFile(path); err != nil {
				return nil, err
			}
		}
		files = append(files, file)
	}
	return files, nil
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
