package logfile

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	// Name is the name of the file in its folder.
	Name = "vedette-agent.log"
	// MaxBytes is where a file ends, as with the public agents.
	MaxBytes = 10 << 20
	// Keep is how many archives there are beside the file.
	Keep = 5

	packed  = ".gz"
	partial = ".partial"
	// mode is for the owner alone: a log names what runs on a host.
	mode = 0o600
)

// File is a log file that rotates. It is safe for concurrent use, also of several
// processes that have each opened it; Close it when done. No path leads out of its
// folder, whatever links are put into it.
type File struct {
	most     int64
	compress bool

	mu      sync.Mutex
	dir     *os.Root
	turn    *os.File    // the folder, which whoever writes has locked
	file    *os.File    // nil after a rotation whose new file could not be made
	info    fs.FileInfo // of file, when it was begun
	size    int64
	torn    bool // the file does not end with a line
	dropped int  // lines that could not be written
	problem error
}

// Open opens the log in a folder, which it creates for the owner alone, and goes on
// behind what is there. With compress archives are packed with gzip.
func Open(folder string, compress bool) (*File, error) {
	return open(folder, compress, MaxBytes)
}

func open(folder string, compress bool, most int64) (*File, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil { //nolint:gosec // whoever starts the agent says where it logs
		return nil, fmt.Errorf("create log folder: %w", err)
	}
	dir, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open log folder: %w", err)
	}
	f := &File{most: most, compress: compress, dir: dir}
	if f.turn, err = dir.Open("."); err != nil {
		dir.Close()
		return nil, fmt.Errorf("open log folder: %w", err)
	}
	defer f.takeTurn()()
	if err := f.begin(); err != nil {
		f.turn.Close()
		dir.Close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	_ = dir.Remove(Name + packed + partial) // of a process that was killed while it packed
	return f, nil
}

const (
	// turnPatience bounds the wait for another process that writes: longer than one
	// takes to pack an archive. Then a line is rather written without a turn.
	turnPatience = time.Second
	turnEvery    = time.Millisecond
)

// takeTurn waits until no other process writes to the folder. They are two only
// while a version of the agent is on trial.
func (f *File) takeTurn() (done func()) {
	for waited := time.Duration(0); waited < turnPatience; waited += turnEvery {
		if tryLock(f.turn) {
			return func() { unlock(f.turn) }
		}
		<-time.After(turnEvery)
	}
	return func() {}
}

// follow goes on with the file that has the name now, as another process left it.
func (f *File) follow() error {
	info, err := f.dir.Stat(Name)
	if f.file == nil || err != nil || !os.SameFile(info, f.info) {
		if f.file != nil {
			f.file.Close()
			f.file = nil
		}
		return f.begin()
	}
	if info.Size() != f.size {
		f.size = info.Size()
		f.look()
	}
	return nil
}

// begin opens the file and notes how it ends.
func (f *File) begin() error {
	file, err := f.dir.OpenFile(Name, os.O_CREATE|os.O_RDWR|os.O_APPEND, mode)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file.Name())
	}
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.info, f.size = file, info, info.Size()
	f.look()
	return nil
}

// look notes whether the file ends with a line.
func (f *File) look() {
	f.torn = false
	if f.size > 0 {
		var last [1]byte
		_, err := f.file.ReadAt(last[:], f.size-1)
		f.torn = err != nil || last[0] != '\n'
	}
}

// Write appends one whole line. It does not fail: a line that cannot be written is
// dropped and counted.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.append(line)
	switch {
	case err != nil:
		f.dropped++
		f.problem = err
	case f.dropped > 0:
		note := prefix(time.Now(), "vedette-agent", "Error") +
			fmt.Sprintf("log lines were dropped number=%d error=%q\n", f.dropped, f.problem.Error())
		if f.append([]byte(note)) == nil {
			f.dropped, f.problem = 0, nil
		}
	}
	return len(line), nil
}

// Dropped returns how many lines could not be written since the last that could.
func (f *File) Dropped() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dropped
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := errors.Join(f.turn.Close(), f.dir.Close())
	if f.file != nil {
		err = errors.Join(f.file.Close(), err)
	}
	f.file = nil
	return err
}

func (f *File) append(line []byte) error {
	defer f.takeTurn()()
	if err := f.follow(); err != nil {
		return err
	}
	if f.size+int64(len(line)) > f.most && f.size > 0 {
		if err := f.rotate(); err != nil {
			return fmt.Errorf("rotate log: %w", err)
		}
	}
	if f.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := f.file.Write(line)
	if err == nil {
		f.size, f.torn = f.size+int64(n), false
		return nil
	}
	if n > 0 { // half a line on a disk that is full now
		if f.file.Truncate(f.size) != nil {
			f.size, f.torn = f.size+int64(n), true
		}
	}
	return err
}

// rotate moves the file and its archives on by one number and begins a new file. It
// may be cut short anywhere and repeated: numbers may be missing in between.
func (f *File) rotate() error {
	if err := f.shift(); err != nil {
		return err // and stay within bounds
	}
	f.file.Close()
	f.file = nil
	if f.compress {
		f.pack()
	}
	return f.begin()
}

// shift makes room for the latest archive and renames the file to it.
func (f *File) shift() error {
	for n := Keep; n >= 1; n-- {
		for _, suffix := range []string{"", packed} {
			from := archive(n) + suffix
			var err error
			if n == Keep {
				err = f.dir.Remove(from)
			} else {
				err = f.dir.Rename(from, archive(n+1)+suffix)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return f.dir.Rename(Name, archive(1))
}

func archive(n int) string { return Name + "." + strconv.Itoa(n) }

// pack compresses the latest archive. One that cannot be stays as it is.
func (f *File) pack() {
	const temporary = Name + packed + partial
	err := f.packTo(temporary)
	if err == nil {
		err = f.dir.Rename(temporary, archive(1)+packed)
	}
	if err != nil {
		_ = f.dir.Remove(temporary)
		return
	}
	_ = f.dir.Remove(archive(1)) // otherwise both are there, with the same lines
}

func (f *File) packTo(name string) error {
	from, err := f.dir.Open(archive(1))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := f.dir.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	zip, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err == nil {
		_, err = io.Copy(zip, from)
		err = errors.Join(err, zip.Close())
	}
	if err == nil {
		err = to.Sync() // before what it is made of is removed
	}
	return errors.Join(err, to.Close())
}
