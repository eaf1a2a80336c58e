package collect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// maxLinks is how many symbolic links are followed for one file, as in the kernel.
const maxLinks = 40

// errNotRegular is returned for what is neither a regular file nor a folder.
var errNotRegular = errors.New("neither a regular file nor a folder")

// rootFS is the host's file system. Names are slash-separated and relative, as
// in io/fs. Below a mounted root no symbolic link leads out of it: what lies
// there may be a stranger's. Only regular files and folders open; a FIFO in the
// place of a file would otherwise block the scan.
type rootFS struct {
	dir  string
	root *os.Root // nil for the running system's own "/"
}

// openRoot opens the file system at dir. It refuses an empty folder, which is
// what a mount point looks like before its mount: a host is never emptied
// because its file system was not there. Close it after use.
func openRoot(dir string) (*rootFS, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("root folder %q is not an absolute path", dir)
	}
	if filepath.Clean(dir) == "/" {
		return &rootFS{dir: "/"}, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open root folder: %w", err)
	}
	f := &rootFS{dir: dir, root: root}
	if err := f.checkNotEmpty(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

func (f *rootFS) checkNotEmpty() error {
	folder, err := f.root.Open(".")
	if err != nil {
		return fmt.Errorf("open root folder %s: %w", f.dir, err)
	}
	defer folder.Close()
	if _, err := folder.ReadDir(1); errors.Is(err, io.EOF) {
		return fmt.Errorf("root folder %s is empty: no file system is mounted there", f.dir)
	} else if err != nil {
		return fmt.Errorf("read root folder %s: %w", f.dir, err)
	}
	return nil
}

// Close releases the root folder.
func (f *rootFS) Close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// Open opens a regular file or a folder. It implements fs.FS.
func (f *rootFS) Open(name string) (fs.File, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, err // not a nil *os.File in an interface
	}
	return file, nil
}

func (f *rootFS) open(name string) (*os.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	file, err := f.openAny(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (f *rootFS) openAny(name string) (*os.File, error) {
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	if f.root == nil {
		return os.OpenFile(filepath.Join("/", name), flags, 0)
	}
	return f.root.OpenFile(f.follow(name), flags, 0)
}

// follow resolves absolute links in the last element of name, such as
// /etc/localtime -> /usr/share/zoneinfo/…, within the root; os.Root refuses
// those. Relative links are os.Root's business.
func (f *rootFS) follow(name string) string {
	for range maxLinks {
		target, err := f.root.Readlink(name)
		switch {
		case err != nil:
			return name
		case path.IsAbs(target):
			name = path.Clean(target)[1:]
		default:
			name = path.Join(path.Dir(name), target)
		}
	}
	return name
}

// Stat describes what Open would open. It implements fs.StatFS.
func (f *rootFS) Stat(name string) (fs.FileInfo, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

// ReadDir lists a folder. It implements fs.ReadDirFS.
func (f *rootFS) ReadDir(name string) ([]fs.DirEntry, error) {
	folder, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return folder.ReadDir(-1)
}

// read returns the content of a file of at most limit bytes.
func (f *rootFS) read(name string, limit int64) ([]byte, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return content, nil
}

// lstat describes name itself, whatever it is.
func (f *rootFS) lstat(name string) (fs.FileInfo, error) {
	if f.root == nil {
		return os.Lstat(filepath.Join("/", name))
	}
	return f.root.Lstat(name)
}
