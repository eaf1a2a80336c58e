package swarm

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"strings"
	"sync"
)

// files is the state folder of one agent, in memory. It implements session.Files
// and is safe for concurrent use. The zero value is an empty folder.
type files struct {
	mu   sync.Mutex
	docs map[string][]byte // replaced, never changed
}

// clone copies a folder, as the image of a machine does.
func (f *files) clone() *files {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &files{docs: maps.Clone(f.docs)}
}

// Prepare implements session.Files: folders are part of names.
func (f *files) Prepare() error { return nil }

// Lock implements session.Files: nobody else knows of this folder.
func (f *files) Lock() (io.Closer, error) { return io.NopCloser(nil), nil }

// Read implements session.Files.
func (f *files) Read(name string, limit int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	doc, ok := f.docs[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if int64(len(doc)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return doc, nil
}

// ReadAt implements session.Files.
func (f *files) ReadAt(name string, p []byte, offset int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	doc, ok := f.docs[name]
	if !ok {
		return 0, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	n := copy(p, doc[min(offset, int64(len(doc))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements session.Files.
func (f *files) Write(name string, doc []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.docs == nil {
		f.docs = make(map[string][]byte)
	}
	f.docs[name] = doc
	return nil
}

// Rename implements session.Files.
func (f *files) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	doc, ok := f.docs[from]
	if !ok {
		return fmt.Errorf("%s: %w", from, fs.ErrNotExist)
	}
	delete(f.docs, from)
	f.docs[to] = doc
	return nil
}

// Remove implements session.Files.
func (f *files) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.docs, func(held string, _ []byte) bool {
		return held == name || strings.HasPrefix(held, name+"/")
	})
	return nil
}

// List implements session.Files.
func (f *files) List(folder string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range f.docs {
		if path.Dir(name) == folder {
			names = append(names, path.Base(name))
		}
	}
	return names, nil
}
