package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"vedette.dev/vedette/internal/fault"
)

// Target is where a backup is put back.
type Target struct {
	// Folder is the data folder. It must not exist or be empty.
	Folder string
	// DatabaseName is the name of the database's copy in the folder.
	DatabaseName string
	// Database takes the copy of the database into use. It is called when
	// everything has been verified and written to a folder that is not in place yet.
	// It may change the copy or remove it.
	Database func(ctx context.Context, path string) error
}

// Restore puts a backup back. The folder is there when all of it is complete and
// on disk, never before. The archive must just have been opened.
func Restore(ctx context.Context, a *Archive, t Target, progress Progress) error {
	folder, err := emptyFolder(t.Folder)
	if err != nil {
		return err
	}
	parent := filepath.Dir(folder)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return explained(fmt.Errorf("restore to %s: %w", folder, err), parent)
	}
	partial, err := os.MkdirTemp(parent, filepath.Base(folder)+partialSuffix)
	if err != nil {
		return explained(fmt.Errorf("restore to %s: %w", folder, err), parent)
	}
	err = a.extract(ctx, partial, t.DatabaseName, progress)
	if err == nil {
		err = t.Database(ctx, filepath.Join(partial, t.DatabaseName))
	}
	if err == nil {
		err = syncTree(partial)
	}
	if err != nil {
		return explained(errors.Join(err, os.RemoveAll(partial)), parent)
	}
	if err := replaceEmpty(partial, folder); err != nil {
		// The work is done, and a database may hold its result: nothing is taken back.
		return &fault.Error{
			Code: fault.Conflict, Message: fmt.Sprintf("Everything is restored, but the data folder could not be put in place as %s: %v.", folder, err),
			Resolution: fmt.Sprintf("Move %s there, or start the platform with it as its data folder.", partial), Err: err,
		}
	}
	return syncFolder(parent)
}

// replaceEmpty renames a folder to the name of one that is empty or not there.
func replaceEmpty(complete, folder string) error {
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(complete, folder)
}

// emptyFolder returns the path of a folder that is empty or not there, links
// followed.
func emptyFolder(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		path = followed
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", fault.New(fault.Conflict, fmt.Sprintf("The data folder cannot be restored as %s: %v.", path, err), "Name a folder that does not exist or is empty.")
	case len(entries) > 0:
		return "", fault.New(fault.Conflict, fmt.Sprintf("Data folder %s is not empty: it holds %s.", path, entries[0].Name()), "Name a folder that does not exist or is empty; a restore overwrites nothing.")
	}
	return path, nil
}

// extract writes the members to a folder. Nothing is written outside of it,
// whatever the names say.
func (a *Archive) extract(ctx context.Context, folder, database string, progress Progress) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	err = a.each(ctx, "verifying and extracting", progress, func(member Member, content io.Reader) error {
		name, inFolder := member.File()
		if !inFolder {
			name = database
		}
		return extractFile(root, filepath.FromSlash(name), member.Mode, content)
	})
	return errors.Join(err, root.Close())
}

func extractFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("extract %s: %w", name, err)
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm()&0o644|0o600)
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			return damaged("it holds %q twice", name)
		}
		return fmt.Errorf("extract %s: %w", name, err)
	}
	if _, err = io.Copy(file, content); err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("extract %s: %w", name, err)
	}
	return nil
}

// syncTree brings the names in a folder and in those below to the disk. The
// files are there already.
func syncTree(path string) error {
	return filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return syncFolder(path)
	})
}
