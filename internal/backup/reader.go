package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/fault"
)

// Archive is a backup that is being read, once, from its beginning. Close it.
// It is not safe for concurrent use.
type Archive struct {
	Manifest Manifest // checked: its names and sizes may be relied on

	file  *os.File
	plain *zstd.Decoder
	tar   *tar.Reader
}

// Open opens a backup and reads its manifest. Files that are no backup, are
// damaged or were made by a newer format are fault.Conflict.
func Open(path string) (*Archive, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fault.New(fault.Conflict, fmt.Sprintf("%s is not a file.", path), "Name the file that vedette backup wrote."), err, file.Close())
	}
	plain, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(windowBytes))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	a := &Archive{file: file, plain: plain, tar: tar.NewReader(plain)}
	if err := a.readManifest(path); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func unreadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Conflict, fmt.Sprintf("There is no file %s.", path), "Name the file that vedette backup wrote.")
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Conflict, fmt.Sprintf("%s may not be read by this user.", path), "Run the command as the user that made the backup.")
	}
	return fmt.Errorf("open backup: %w", err)
}

// Close closes the file.
func (a *Archive) Close() error {
	a.plain.Close()
	return a.file.Close()
}

func (a *Archive) readManifest(path string) error {
	header, err := a.tar.Next()
	if err != nil || header.Typeflag != tar.TypeReg || header.Name != manifestName {
		return fault.New(fault.Conflict, fmt.Sprintf("%s is not a backup of a Vedette platform, or its beginning is damaged.", path), "Name the file that vedette backup wrote.")
	}
	if header.Size > maxManifestBytes {
		return damaged("its manifest has %d bytes, allowed are %d", header.Size, maxManifestBytes)
	}
	document, err := io.ReadAll(a.tar)
	if err != nil {
		return damaged("its manifest ends early")
	}
	if err := json.Unmarshal(document, &a.Manifest); err != nil {
		return damaged("its manifest is not the JSON that belongs there")
	}
	return a.Manifest.check()
}

// Verify reads everything and compares it with the manifest.
func (a *Archive) Verify(ctx context.Context, progress Progress) error {
	return a.each(ctx, "verifying", progress, func(_ Member, content io.Reader) error {
		_, err := io.Copy(io.Discard, content)
		return err
	})
}

// each gives visit the content of one member after the other and refuses the
// archive when anything differs from the manifest. Only when each returns nil
// was all of it as announced.
func (a *Archive) each(ctx context.Context, what string, progress Progress, visit func(Member, io.Reader) error) error {
	meter := &meter{ctx: ctx, what: what, total: a.Manifest.Bytes(), progress: progress}
	for _, member := range a.Manifest.Members {
		header, err := a.tar.Next()
		switch {
		case err != nil:
			return damaged("it ends before %q, or cannot be read from there", member.Name)
		case header.Name != member.Name || header.Typeflag != tar.TypeReg:
			return damaged("%q is where its manifest has the file %q", header.Name, member.Name)
		case header.Size != member.Size:
			return damaged("%q has %d bytes, its manifest says %d", member.Name, header.Size, member.Size)
		}
		if err := visitMember(member, meter.reader(a.tar), visit); err != nil {
			return err
		}
	}
	// The tar reader stops at the mark of its end; whatever follows is not ours.
	if _, err := a.tar.Next(); !errors.Is(err, io.EOF) {
		return damaged("it holds more than its manifest says")
	}
	if n, err := io.CopyN(io.Discard, a.plain, 1); n != 0 || !errors.Is(err, io.EOF) {
		return damaged("it holds more than its manifest says, or its end is missing")
	}
	return nil
}

func visitMember(member Member, content io.Reader, visit func(Member, io.Reader) error) error {
	hash := sha256.New()
	source := &source{from: io.TeeReader(content, hash)}
	if err := visit(member, source); err != nil {
		if source.failed != nil { // not the visitor's own failure
			return damaged("%q cannot be read to its end", member.Name)
		}
		return err
	}
	if hex.EncodeToString(hash.Sum(nil)) != member.SHA256 {
		return damaged("the content of %q is not what was backed up: its SHA-256 differs", member.Name)
	}
	return nil
}

// source remembers that reading the archive failed, apart from what becomes of
// the content. The end of a context is no failure of the archive.
type source struct {
	from   io.Reader
	failed error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		s.failed = err
	}
	return n, err
}
