package packages

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vedette.dev/vedette/internal/fleet"
)

// Limits of a folder.
const (
	// MaxFiles bounds the entries of the folder: every platform and architecture
	// in ten versions. With more it is not a folder of packages.
	MaxFiles = 1000
	// MaxPackageBytes bounds one package (1 GiB); they have some 10 MB.
	MaxPackageBytes = 1 << 30
)

// hashChunk is how much is hashed between two looks at whether anybody still
// waits for the result.
const hashChunk = 1 << 20

// Folder offers the packages in a folder of the file system. Create it with
// NewFolder; it is safe for concurrent use.
type Folder struct {
	path string
	// turn is held by the one call that looks into the folder: several that come
	// at once must not read the same files side by side.
	turn  chan struct{}
	known map[string]hashed // by file name; owned by the holder of turn
}

// hashed is a hash and what it was computed from.
type hashed struct {
	size     int64
	modified time.Time
	sum      [sha256.Size]byte
}

// NewFolder returns the packages of a folder, which need not exist: then there
// are none.
func NewFolder(path string) *Folder {
	return &Folder{path: path, turn: make(chan struct{}, 1), known: make(map[string]hashed)}
}

// Path returns the folder as it was named.
func (f *Folder) Path() string { return f.path }

// List returns the newest package for each platform and architecture of the API,
// ordered by both. A file that changes while it is read is left out.
func (f *Folder) List(ctx context.Context) ([]fleet.Package, error) {
	all, err := f.all(ctx)
	return slices.DeleteFunc(all, func(p fleet.Package) bool { return p.Platform == archives }), err
}

// all returns the packages of List, and archives.
func (f *Folder) all(ctx context.Context) ([]fleet.Package, error) {
	release, err := f.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	candidates, err := f.candidates()
	if err != nil {
		return nil, err
	}
	var list []fleet.Package
	for _, p := range candidates {
		if n := len(list); n > 0 && list[n-1].Platform == p.Platform && list[n-1].Architecture == p.Architecture {
			continue // an older one
		}
		file, err := f.open(ctx, &p)
		if err != nil {
			return nil, err
		}
		if file == nil {
			continue
		}
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("close agent package: %w", err)
		}
		list = append(list, p)
	}
	return list, nil
}

// Open returns the newest package for a platform and an architecture, or
// fault.NotFound. Its content is what the hash says even if another file takes
// the name meanwhile; the caller closes it.
func (f *Folder) Open(ctx context.Context, platform, architecture string) (fleet.Package, io.ReadSeekCloser, error) {
	release, err := f.take(ctx)
	if err != nil {
		return fleet.Package{}, nil, err
	}
	defer release()
	candidates, err := f.candidates()
	if err != nil {
		return fleet.Package{}, nil, err
	}
	for _, p := range candidates {
		if p.Platform != platform || p.Architecture != architecture {
			continue
		}
		file, err := f.open(ctx, &p)
		if err != nil {
			return fleet.Package{}, nil, err
		}
		if file != nil {
			return p, file, nil
		}
	}
	return fleet.Package{}, nil, fleet.NoPackage(platform, architecture)
}

// take waits for the turn of this call.
func (f *Folder) take(ctx context.Context) (release func(), err error) {
	select {
	case f.turn <- struct{}{}:
		return func() { <-f.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// candidates returns the packages by their names, newest first, and forgets the
// hashes of files that are gone.
func (f *Folder) candidates() ([]fleet.Package, error) {
	dir, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		clear(f.known)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the folder of agent packages: %w", err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(MaxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) { // an empty folder ends at once
		return nil, fmt.Errorf("read the folder of agent packages: %w", err)
	}
	if len(entries) > MaxFiles {
		return nil, fmt.Errorf("folder of agent packages %s has more than %d entries", f.path, MaxFiles)
	}
	var candidates []fleet.Package
	there := make(map[string]bool)
	for _, entry := range entries {
		if p, ok := parseName(entry.Name()); ok && entry.Type().IsRegular() {
			candidates = append(candidates, p)
			there[p.Name] = true
		}
	}
	for name := range f.known {
		if !there[name] {
			delete(f.known, name)
		}
	}
	slices.SortFunc(candidates, byPairAndAge)
	return candidates, nil
}

// open opens the file of a package and fills in its size and hash. It returns nil
// for one that is no package after all: gone, too large, not a regular file, or
// changing while it is read.
func (f *Folder) open(ctx context.Context, p *fleet.Package) (*os.File, error) {
	path := filepath.Join(f.path, p.Name)
	listed, err := os.Lstat(path)
	if err == nil && !listed.Mode().IsRegular() {
		return nil, nil
	}
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open agent package: %w", err)
	}
	ok, err := f.describe(ctx, p, file, listed)
	if err == nil && ok {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err == nil && ok {
		return file, nil
	}
	if err != nil {
		err = fmt.Errorf("read agent package %s: %w", path, err)
	}
	return nil, errors.Join(err, file.Close())
}

// describe fills in size and hash. ok is false for a file that is not the one
// that was listed, as when a link took its place, or that cannot be offered.
func (f *Folder) describe(ctx context.Context, p *fleet.Package, file *os.File, listed fs.FileInfo) (ok bool, err error) {
	info, err := file.Stat()
	if err != nil || !os.SameFile(listed, info) || info.Size() > MaxPackageBytes {
		return false, err
	}
	p.Size = info.Size()
	p.SHA256, ok, err = f.hash(ctx, p.Name, file, info)
	return ok, err
}

// hash returns the hash of a file from its content, or as it is known. ok is
// false when the file changed meanwhile.
func (f *Folder) hash(ctx context.Context, name string, file *os.File, info fs.FileInfo) (sum [sha256.Size]byte, ok bool, err error) {
	if k, found := f.known[name]; found && k.size == info.Size() && k.modified.Equal(info.ModTime()) {
		return k.sum, true, nil
	}
	h := sha256.New()
	for read := int64(0); ; {
		n, err := io.CopyN(h, file, hashChunk)
		read += n
		if err == nil && read <= info.Size() {
			if ctx.Err() != nil {
				return sum, false, ctx.Err()
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return sum, false, err
		}
		after, err := file.Stat()
		if err != nil || read != info.Size() || after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime()) {
			return sum, false, err
		}
		h.Sum(sum[:0])
		f.known[name] = hashed{size: info.Size(), modified: info.ModTime(), sum: sum}
		return sum, true, nil
	}
}
