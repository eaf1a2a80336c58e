package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// Files is where one agent keeps what it must not forget; a name may have one
// folder in front, with a slash. An agent on a host keeps it on disk; thousands
// in one process keep theirs in memory.
type Files interface {
	// Prepare makes what is missing, also the folders of scans.
	Prepare() error
	// Lock keeps other agents away until it is closed. It returns *LockedError while
	// one is there.
	Lock() (io.Closer, error)
	// Read returns a whole file of at most limit bytes, fs.ErrNotExist for none.
	Read(name string, limit int64) ([]byte, error)
	// ReadAt fills p from a file, as io.ReaderAt does.
	ReadAt(name string, p []byte, offset int64) (int, error)
	// Write replaces a file. It is there whole and for good when Write returns, or
	// nothing has changed.
	Write(name string, doc []byte) error
	// Rename renames a file for good.
	Rename(from, to string) error
	// Remove removes a file, or a folder with what is in it; it is gone for good with
	// the next Write. That there is none is no error.
	Remove(name string) error
	// List returns the names of the files in a folder.
	List(folder string) ([]string, error)
}

// diskFiles is the state folder of an agent on its host.
type diskFiles struct{ path string }

func (d diskFiles) at(name string) string { return filepath.Join(d.path, filepath.FromSlash(name)) }

func (d diskFiles) Prepare() error {
	for _, dir := range []string{d.path, d.at(snapshotsDir), d.at(spoolDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create state folder: %w", err)
		}
	}
	return nil
}

func (d diskFiles) Lock() (io.Closer, error) { return lock(d.path) }

func (d diskFiles) Read(name string, limit int64) ([]byte, error) {
	file, err := os.Open(d.at(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	doc, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(doc)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", file.Name(), limit)
	}
	return doc, nil
}

func (d diskFiles) ReadAt(name string, p []byte, offset int64) (int, error) {
	file, err := os.Open(d.at(name))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return file.ReadAt(p, offset)
}

// Write makes the file readable by its owner only.
func (d diskFiles) Write(name string, doc []byte) error {
	path := d.at(name)
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // fails after the rename, as it should
	_, err = temporary.Write(doc)
	if err == nil {
		err = temporary.Sync()
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

func (d diskFiles) Rename(from, to string) error {
	if err := os.Rename(d.at(from), d.at(to)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.at(to)))
}

func (d diskFiles) Remove(name string) error {
	return os.RemoveAll(d.at(name))
}

func (d diskFiles) List(folder string) ([]string, error) {
	entries, err := os.ReadDir(d.at(folder))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		if !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// syncDir makes renames in a folder durable. Windows does so by itself and
// cannot sync a folder.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
