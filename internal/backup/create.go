package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// File is a file of the data folder.
type File struct {
	Name    string // path in the folder, with slashes
	Mode    fs.FileMode
	Content []byte
	// Path is where to read the content instead, for one too large to be held in
	// memory; it must not change.
	Path string
}

func (f File) size() (int64, error) {
	if f.Path == "" {
		return int64(len(f.Content)), nil
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f File) open() (io.ReadCloser, error) {
	if f.Path != "" {
		return os.Open(f.Path)
	}
	return io.NopCloser(bytes.NewReader(f.Content)), nil
}

// Source is what a backup is made of.
type Source struct {
	Vedette string // version of the program
	Created time.Time
	// Database writes a consistent copy of the database to the new file path.
	Database func(ctx context.Context, path string) (Database, error)
	// Files returns the files of the data folder. It is called after Database: the
	// keys are there before the database refers to them.
	Files func() ([]File, error)
}

// Create writes a backup to the new file path, mode 0600, and returns its
// manifest. The file is there when it is complete and on disk, never before; a
// file that is there already is refused. Beside it Create needs room for one
// uncompressed copy of the database.
func Create(ctx context.Context, path string, s Source, progress Progress) (*Manifest, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("back up to %s: %w", path, err)
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, existsAlready(path)
	}
	work, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+partialSuffix)
	if err != nil {
		return nil, explained(fmt.Errorf("back up to %s: %w", path, err), filepath.Dir(path))
	}
	m, err := create(ctx, path, work, s, progress)
	if err := errors.Join(err, os.RemoveAll(work)); err != nil {
		return nil, explained(err, filepath.Dir(path))
	}
	return m, nil
}

// partialSuffix ends, with a number, the names of folders with unfinished work.
const partialSuffix = ".partial-*"

func existsAlready(path string) error {
	return fault.New(fault.Conflict, fmt.Sprintf("%s exists already; a backup overwrites nothing.", path), "Choose another name, or move the file away.")
}

func create(ctx context.Context, path, work string, s Source, progress Progress) (*Manifest, error) {
	copied := filepath.Join(work, databaseName)
	database, err := s.Database(ctx, copied)
	if err != nil {
		return nil, err
	}
	found, err := s.Files()
	if err != nil {
		return nil, err
	}
	files := []File{{Name: databaseName, Mode: 0o600, Path: copied}}
	for _, file := range found {
		file.Name = filePrefix + file.Name
		files = append(files, file)
	}
	m := &Manifest{Format: Format, Vedette: s.Vedette, Created: s.Created.UTC(), Database: database}
	if err := m.list(ctx, files, progress); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	open := func(i int) (io.ReadCloser, error) { return files[i].open() }
	complete := filepath.Join(work, filepath.Base(path))
	err = writeFile(complete, 0o600, func(w io.Writer) error { return writeArchive(ctx, w, m, open, progress) })
	if err != nil {
		return nil, err
	}
	return m, place(complete, path)
}

// list fills in the members with their sizes and digests.
func (m *Manifest) list(ctx context.Context, files []File, progress Progress) error {
	meter := &meter{ctx: ctx, what: "computing the digest", progress: progress}
	for _, file := range files {
		size, err := file.size()
		if err != nil {
			return fmt.Errorf("read %s: %w", file.Name, err)
		}
		meter.total += size
	}
	for _, file := range files {
		content, err := file.open()
		if err != nil {
			return fmt.Errorf("read %s: %w", file.Name, err)
		}
		hash := sha256.New()
		size, err := io.Copy(hash, meter.reader(content))
		if err := errors.Join(err, content.Close()); err != nil {
			return fmt.Errorf("read %s: %w", file.Name, err)
		}
		m.Members = append(m.Members, Member{Name: file.Name, Size: size, SHA256: hex.EncodeToString(hash.Sum(nil)), Mode: file.Mode.Perm()})
	}
	return nil
}

// writeFile writes a new file and brings it to the disk.
func writeFile(path string, mode fs.FileMode, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err = write(file); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// place gives a complete file its name, unless something has taken that.
func place(complete, path string) error {
	err := os.Link(complete, path)
	switch {
	case err == nil:
		return syncFolder(filepath.Dir(path))
	case errors.Is(err, fs.ErrExist):
		return existsAlready(path)
	}
	// This file system has no links.
	if _, err := os.Lstat(path); err == nil {
		return existsAlready(path)
	}
	if err := os.Rename(complete, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder brings the names in a folder to the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// explained gives failures of the disk that folder is on their next step.
func explained(err error, folder string) error {
	var next, message string
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		message, next = fmt.Sprintf("No space is left on the disk of %s.", folder), "Free some, or choose a folder on another disk."
	case errors.Is(err, fs.ErrPermission):
		message, next = firstSentence(err), fmt.Sprintf("Run the command as a user that may write to %s, or choose another folder.", folder)
	case errors.Is(err, fs.ErrNotExist):
		message, next = firstSentence(err), "Make the folder first, or choose another one."
	default:
		return err
	}
	if _, said := errors.AsType[*fault.Error](err); said {
		return err
	}
	return &fault.Error{Code: fault.Conflict, Message: message, Resolution: next, Err: err}
}

// firstSentence is an error as a sentence.
func firstSentence(err error) string {
	text := strings.TrimSpace(err.Error())
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
