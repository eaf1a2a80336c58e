package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

const downloadFailed = "Download Agent Package failed."

// packageDownload downloads one package into a file.
type packageDownload struct {
	client *qpsclient.Client
	path   string // empty for a name made of what the platform says
	show   *transfer
}

// run returns the path of the file.
func (d *packageDownload) run(ctx context.Context, platform, architecture string) (string, error) {
	list, err := d.client.BinaryInfo(ctx, platform, architecture)
	if err != nil {
		return "", outcomeOf(automation.Failure(downloadFailed, err))
	}
	if len(list) != 1 {
		return "", outcomeOf(automation.Failure(downloadFailed, fault.New(fault.NotFound,
			fmt.Sprintf("The platform has %d agent packages for platform %s and architecture %s.", len(list), quote(platform), quote(architecture)),
			"Run 'vedette agents packages' to see which there are, and name one.")))
	}
	path := d.path
	if path == "" {
		if path, err = packageFileName(platform, architecture, list[0]); err != nil {
			return "", err
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return "", cannotWrite(path, err)
	}
	if list[0].Hash == "" {
		fmt.Fprintln(d.show.out, "The platform announces no hash of this package: it is not verified.")
	}
	download := qpsclient.BinaryDownload{Platform: platform, Architecture: architecture, Hash: list[0].Hash}
	err = writeNew(path, func(file io.Writer) error {
		_, err := d.client.DownloadBinary(ctx, download, io.MultiWriter(file, d.show))
		if err == nil {
			return nil
		}
		if _, local := errors.AsType[*fs.PathError](err); local {
			return cannotWrite(path, err)
		}
		return outcomeOf(automation.Failure(downloadFailed, err))
	})
	return path, err
}

// cannotWrite explains why a file is not written: err, or without one that there
// is something of its name.
func cannotWrite(path string, err error) error {
	if diskFull(err) {
		return &fault.Error{Code: fault.Conflict, Message: fmt.Sprintf("There is no space left for %s, which was not written.", quote(path)),
			Resolution: "Free some, or name a file on another file system with -O.", Err: err}
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, fmt.Sprintf("%s exists already and is not overwritten.", quote(path)), "Remove it, or name another file with -O.")
	}
	return fmt.Errorf("write package: %w", err)
}

// writeNew makes a file that is complete or not there: write fills it under
// another name in the same folder.
func writeNew(path string, write func(io.Writer) error) error {
	partial := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()[:8]+".part")
	file, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666) //nolint:gosec // an installer holds no secret; the umask decides
	if err != nil {
		return cannotWrite(path, err)
	}
	defer os.Remove(partial) // gone already where it was renamed
	err = write(file)
	if closing := file.Close(); err == nil && closing != nil {
		err = cannotWrite(path, closing)
	}
	if err != nil {
		return err
	}
	return publish(partial, path)
}

// publish gives a complete file its name, unless something has got that name
// meanwhile.
func publish(partial, path string) error {
	// Unlike a rename, a link replaces nothing.
	err := os.Link(partial, path)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return cannotWrite(path, err)
	}
	// There are file systems without links.
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return cannotWrite(path, err)
	}
	if err := os.Rename(partial, path); err != nil {
		return cannotWrite(path, err)
	}
	return nil
}

// A transfer stays silent for transferFirst and then tells how far it is, ever
// more rarely up to every transferLast.
const transferFirst, transferLast = 2 * time.Second, 30 * time.Second

// transfer tells a person how much has arrived. Nothing is told while nothing
// arrives.
type transfer struct {
	out     io.Writer
	now     func() time.Time
	arrived int64
	next    time.Time // zero before the first byte
	pause   time.Duration
}

func newTransfer(out io.Writer, now func() time.Time) *transfer {
	return &transfer{out: out, now: now, pause: transferFirst}
}

// Write counts what arrives and never fails.
func (t *transfer) Write(p []byte) (int, error) {
	const megabyte = 1_000_000
	now := t.now()
	if t.next.IsZero() {
		t.next = now.Add(t.pause)
	}
	t.arrived += int64(len(p))
	if !now.Before(t.next) {
		fmt.Fprintf(t.out, "%.1f MB received\n", float64(t.arrived)/megabyte)
		t.pause = min(2*t.pause, transferLast)
		t.next = now.Add(t.pause)
	}
	return len(p), nil
}
