package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"
)

// windowBytes is how far back the compression looks, and the memory that reading
// takes for it.
const windowBytes = 8 << 20

// writeArchive writes a whole archive to w. open returns the content of a member by
// its place in the manifest; it must have the size that the manifest says.
func writeArchive(ctx context.Context, w io.Writer, m *Manifest, open func(i int) (io.ReadCloser, error), progress Progress) error {
	document, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	// One goroutine: the platform on this machine goes on working.
	compressor, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowBytes))
	if err != nil {
		return fmt.Errorf("begin compression: %w", err)
	}
	archive := tar.NewWriter(compressor)
	meter := &meter{ctx: ctx, what: "compressing", total: m.Bytes(), progress: progress}
	err = func() error {
		if err := writeMember(archive, manifestName, 0o600, int64(len(document)), bytes.NewReader(document)); err != nil {
			return err
		}
		for i, member := range m.Members {
			content, err := open(i)
			if err != nil {
				return err
			}
			err = writeMember(archive, member.Name, member.Mode, member.Size, meter.reader(content))
			if err := errors.Join(err, content.Close()); err != nil {
				return err
			}
		}
		return archive.Close()
	}()
	return errors.Join(err, compressor.Close())
}

func writeMember(archive *tar.Writer, name string, mode fs.FileMode, size int64, content io.Reader) error {
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode), Size: size}); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	written, err := io.Copy(archive, content)
	if err == nil && written != size {
		err = fmt.Errorf("it has %d bytes, expected were %d", written, size)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Progress is called while there is something to wait for, with what is being done
// and the bytes done and in all.
type Progress func(what string, done, total int64)

// meter tells how far copying has come, and ends it with its context.
type meter struct {
	ctx         context.Context
	what        string
	done, total int64
	progress    Progress
}

func (m *meter) reader(from io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := m.ctx.Err(); err != nil {
			return 0, err
		}
		n, err := from.Read(p)
		m.done += int64(n)
		m.progress(m.what, m.done, m.total)
		return n, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
