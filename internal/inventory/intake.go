package inventory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// commitsAtOnce bounds the deltas that are decoded in memory at the same time.
const commitsAtOnce = 2

// Intake takes uploads in. It is safe for concurrent use.
type Intake struct {
	uploads    Uploads
	now        func() time.Time
	committing chan struct{}
}

// NewIntake returns an Intake over the given storage.
func NewIntake(uploads Uploads, now func() time.Time) *Intake {
	return &Intake{uploads: uploads, now: now, committing: make(chan struct{}, commitsAtOnce)}
}

// Start announces an upload and says where it stands: open from an offset on,
// committed, or stale. It may be repeated at any time.
func (in *Intake) Start(ctx context.Context, hostID int64, digest string, start agentwire.UploadStart) (agentwire.UploadAnswer, error) {
	if err := checkStart(digest, start); err != nil {
		return agentwire.UploadAnswer{}, err
	}
	upload, confirmed, err := in.uploads.StartUpload(ctx, Upload{
		HostID: hostID, Digest: digest, Start: start, State: agentwire.UploadOpen,
	}, in.now())
	if err != nil {
		return agentwire.UploadAnswer{}, fmt.Errorf("start upload %s of host %d: %w", digest, hostID, err)
	}
	return agentwire.UploadAnswer{State: upload.State, Offset: upload.Offset, Confirmed: confirmed}, nil
}

// Fragment stores data at offset.
func (in *Intake) Fragment(ctx context.Context, hostID int64, digest string, offset int64, data []byte) (agentwire.UploadAnswer, error) {
	if err := checkDigest("upload", digest); err != nil {
		return agentwire.UploadAnswer{}, err
	}
	if offset < 0 || len(data) == 0 || len(data) > agentwire.MaxFragmentBytes {
		return agentwire.UploadAnswer{}, fault.Newf(fault.Invalid,
			"fragment at offset %d has %d bytes; offsets start at 0, 1 to %d bytes are allowed", offset, len(data), agentwire.MaxFragmentBytes)
	}
	next, err := in.uploads.AppendFragment(ctx, hostID, digest, offset, data)
	if err != nil {
		return agentwire.UploadAnswer{}, fmt.Errorf("store fragment of upload %s of host %d: %w", digest, hostID, err)
	}
	return agentwire.UploadAnswer{State: agentwire.UploadOpen, Offset: next}, nil
}

// Commit checks what was uploaded against its digest and announcement, decodes
// it and applies it. When it returns committed, the change is durable.
func (in *Intake) Commit(ctx context.Context, hostID int64, digest string) (agentwire.UploadAnswer, error) {
	if err := checkDigest("upload", digest); err != nil {
		return agentwire.UploadAnswer{}, err
	}
	select {
	case in.committing <- struct{}{}:
		defer func() { <-in.committing }()
	case <-ctx.Done():
		return agentwire.UploadAnswer{}, fault.Newf(fault.Busy, "too many uploads at once, repeat the commit")
	}
	upload, content, err := in.uploads.UploadContent(ctx, hostID, digest)
	if err != nil {
		return agentwire.UploadAnswer{}, fmt.Errorf("read upload %s of host %d: %w", digest, hostID, err)
	}
	var delta *agentwire.Delta
	if upload.State != agentwire.UploadCommitted {
		if delta, err = decode(upload, content); err != nil {
			return agentwire.UploadAnswer{}, err
		}
	}
	state, confirmed, err := in.uploads.CommitUpload(ctx, hostID, digest, delta, in.now())
	if err != nil {
		return agentwire.UploadAnswer{}, fmt.Errorf("commit upload %s of host %d: %w", digest, hostID, err)
	}
	return agentwire.UploadAnswer{State: state, Offset: upload.Offset, Confirmed: confirmed}, nil
}

func checkStart(digest string, start agentwire.UploadStart) error {
	if err := checkDigest("upload", digest); err != nil {
		return err
	}
	if err := checkDigest("result", start.Result); err != nil {
		return err
	}
	if start.Base != "" {
		if err := checkDigest("base", start.Base); err != nil {
			return err
		}
	}
	switch {
	case start.Module != agentwire.ModuleInventory:
		return fault.Newf(fault.Invalid, "module %q is not known, allowed: %s", start.Module, agentwire.ModuleInventory)
	case start.Size < 1:
		return fault.Newf(fault.Invalid, "size %d is not allowed, an upload has at least 1 byte", start.Size)
	case start.Size > agentwire.MaxUploadBytes:
		return fault.Newf(fault.TooLarge, "size %d is above the limit of %d bytes", start.Size, agentwire.MaxUploadBytes)
	case len(start.Scans) > agentwire.MaxDemands:
		return fault.Newf(fault.Invalid, "%d scans in one upload, %d are allowed", len(start.Scans), agentwire.MaxDemands)
	}
	return nil
}

func checkDigest(what, digest string) error {
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != digest {
		return fault.Newf(fault.Invalid, "%s digest %q is not a SHA-256 in lower-case hexadecimal", what, digest)
	}
	return nil
}

// decode returns the delta an upload holds. What an agent signs is still only
// what the agent says: sizes, digests and every text are checked.
func decode(upload Upload, content []byte) (*agentwire.Delta, error) {
	if int64(len(content)) != upload.Start.Size {
		return nil, fault.Newf(fault.Conflict, "%d of %d bytes are here, send the rest before the commit", len(content), upload.Start.Size)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != upload.Digest {
		return nil, fault.Newf(fault.Invalid, "the uploaded bytes do not match digest %s", upload.Digest)
	}
	decoder, err := zstd.NewReader(bytes.NewReader(content), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(agentwire.MaxZstdWindowBytes), zstd.WithDecoderMaxMemory(agentwire.MaxDeltaBytes))
	if err != nil {
		return nil, fmt.Errorf("open zstd decoder: %w", err)
	}
	defer decoder.Close()
	doc, err := io.ReadAll(io.LimitReader(decoder, agentwire.MaxDeltaBytes+1))
	if err != nil {
		return nil, &fault.Error{Code: fault.Invalid, Message: "the upload is not a valid zstd stream", Err: err}
	}
	if len(doc) > agentwire.MaxDeltaBytes {
		return nil, fault.Newf(fault.TooLarge, "the delta is larger than %d bytes", agentwire.MaxDeltaBytes)
	}
	var delta agentwire.Delta
	if err := json.Unmarshal(doc, &delta); errors.Is(err, agentwire.ErrTooManyEntries) {
		return nil, fault.Newf(fault.TooLarge, "%v", err)
	} else if err != nil {
		return nil, &fault.Error{Code: fault.Invalid, Message: "the upload is not a delta", Err: err}
	}
	if delta.Base != upload.Start.Base || delta.Result != upload.Start.Result {
		return nil, fault.Newf(fault.Invalid, "the delta leads from %q to %q, announced was %q to %q",
			delta.Base, delta.Result, upload.Start.Base, upload.Start.Result)
	}
	if err := check(&delta); err != nil {
		return nil, err
	}
	return &delta, nil
}
