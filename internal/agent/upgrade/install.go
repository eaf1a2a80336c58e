package upgrade

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"vedette.dev/vedette/internal/agent/release"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agentwire"
)

const (
	// incoming is where a version is put together; the next start removes what was
	// left there.
	incoming = "incoming"
	// packaged is where the programs are in a package.
	packaged = "usr/lib/vedette-agent"
	// maxPrograms bounds agent and worker, unpacked: today's have 20 MB.
	maxPrograms = 256 << 20
)

// install puts a version beside the others. It is there whole or not at all.
func (u *Upgrader) install(ctx context.Context, target release.Target, get session.Download) error {
	work := u.Versions.file(incoming)
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("clear %s: %w", work, err)
	}
	if err := os.MkdirAll(work, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", work, err)
	}
	defer os.RemoveAll(work)
	archive, err := u.fetch(ctx, target, get)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, name := range []string{Program, worker} {
		if err := unpack(archive, name, u.Versions.file(incoming, name)); err != nil {
			return fmt.Errorf("package %s: %w", target.Name, err)
		}
	}
	if err := errors.Join(archive.Close(), os.Remove(archive.Name())); err != nil {
		return fmt.Errorf("remove package: %w", err)
	}
	version, err := u.Try(ctx, u.Versions.file(incoming, Program))
	if err != nil {
		return fmt.Errorf("version %s does not run on this host: %w", target.Version, err)
	}
	if version != target.Version {
		return fmt.Errorf("package %s holds version %q", target.Name, version)
	}
	return u.Versions.place(target.Version)
}

// place gives a version that was put together its name.
func (v *Versions) place(version string) error {
	if err := syncFolder(v.file(incoming)); err != nil {
		return err
	}
	return v.change(func(_ *record, current string) (string, error) {
		if current == version {
			return current, fmt.Errorf("version %s is the current one", version)
		}
		if err := os.RemoveAll(v.file(version)); err != nil { // of an attempt that got no further
			return current, fmt.Errorf("place version %s: %w", version, err)
		}
		if err := os.Rename(v.file(incoming), v.file(version)); err != nil {
			return current, fmt.Errorf("place version %s: %w", version, err)
		}
		return current, syncFolder(v.path)
	})
}

// fetch downloads a package and verifies it.
func (u *Upgrader) fetch(ctx context.Context, target release.Target, get session.Download) (*os.File, error) {
	file, err := os.OpenFile(u.Versions.file(incoming, "package.tar.gz"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep package: %w", err)
	}
	hash := sha256.New()
	err = get(ctx, agentwire.PathPackage+target.Name, io.MultiWriter(file, hash), target.Size)
	if sum := hex.EncodeToString(hash.Sum(nil)); err == nil && sum != target.SHA256 {
		err = fmt.Errorf("package %s has SHA-256 %s, the release says %s", target.Name, sum, target.SHA256)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// unpack writes one program of an archive to a file. Nothing else in the archive
// is looked at, whatever its name is.
func unpack(archive *os.File, name, to string) error {
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	for entries := tar.NewReader(io.LimitReader(unzipped, maxPrograms)); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s/%s is not in it", packaged, name)
		}
		if err != nil {
			return err
		}
		if path.Clean(entry.Name) != packaged+"/"+name {
			continue
		}
		if entry.Typeflag != tar.TypeReg {
			return fmt.Errorf("%s is not a file", entry.Name)
		}
		return writeProgram(entries, to)
	}
}

func writeProgram(from io.Reader, to string) error {
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700) //nolint:gosec // a program, for its owner
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
