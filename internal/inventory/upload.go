package inventory

import (
	"context"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// Upload is one delta on its way in.
type Upload struct {
	HostID int64
	Digest string // hex SHA-256 of the compressed delta; with HostID its identity
	Start  agentwire.UploadStart
	State  agentwire.UploadState
	Offset int64 // bytes stored
}

// Uploads is the storage of uploads and of what they lead to.
type Uploads interface {
	// StartUpload stores an upload, or returns the one that is already there:
	// open with its offset, or committed. An upload whose Result the host holds
	// already is committed. An upload whose Base is not what the host holds is
	// stale and is not stored. Other open uploads of the same host and module are
	// dropped: an agent has one. The second value is the digest the host holds.
	StartUpload(ctx context.Context, u Upload, at time.Time) (Upload, string, error)
	// AppendFragment stores data at offset and returns the new offset. Data that is
	// stored already is accepted again when it is the same size; an offset beyond
	// what is stored is fault.Conflict, an unknown upload fault.NotFound.
	AppendFragment(ctx context.Context, hostID int64, digest string, offset int64, data []byte) (int64, error)
	// UploadContent returns an upload and the bytes stored for it.
	UploadContent(ctx context.Context, hostID int64, digest string) (Upload, []byte, error)
	// CommitUpload applies the delta to the host's inventory and records the
	// outcome, all in one transaction: the host's confirmed digest becomes
	// Result, the upload committed, its fragments go, the on-demand requests it
	// answers become complete, the host is modified now. It returns stale and
	// changes nothing when Base is not what the host holds, and committed when it
	// was committed before. The second value is the digest the host holds. A nil
	// delta only asks for the outcome of an upload that UploadContent called
	// committed; when another has taken its place since, that is fault.Conflict.
	CommitUpload(ctx context.Context, hostID int64, digest string, delta *agentwire.Delta, at time.Time) (agentwire.UploadState, string, error)
}
