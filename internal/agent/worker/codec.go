package worker

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agentwire"
)

// encoderWindowBytes is the distance back at which repetition is found, and
// most of the encoder's memory. The inventory of 700 packages has 100 KB. It
// must not exceed agentwire.MaxZstdWindowBytes, which is what decoders accept.
const encoderWindowBytes = 1 << 20

// compress returns one zstd frame that holds doc.
func compress(doc []byte) ([]byte, error) {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1), // one core at nice 19
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression),
		zstd.WithWindowSize(encoderWindowBytes),
		zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	return encoder.EncodeAll(doc, nil), encoder.Close()
}

// decodeSnapshot reads one compressed snapshot of at most agentwire.MaxDeltaBytes
// once decompressed; a bomb is given up there. The content is not verified:
// compare its digest.
func decodeSnapshot(r io.Reader) (*agentwire.Snapshot, error) {
	decoder, err := zstd.NewReader(io.LimitReader(r, agentwire.MaxUploadBytes),
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(agentwire.MaxZstdWindowBytes),
		zstd.WithDecoderMaxMemory(agentwire.MaxDeltaBytes),
	)
	if err != nil {
		return nil, fmt.Errorf("decompress snapshot: %w", err)
	}
	defer decoder.Close()
	doc, err := io.ReadAll(io.LimitReader(decoder, agentwire.MaxDeltaBytes+1))
	if err != nil {
		return nil, fmt.Errorf("decompress snapshot: %w", err)
	}
	if len(doc) > agentwire.MaxDeltaBytes {
		return nil, fmt.Errorf("decompress snapshot: more than %d bytes", agentwire.MaxDeltaBytes)
	}
	snapshot := new(agentwire.Snapshot)
	if err := json.Unmarshal(doc, snapshot); err != nil {
		return nil, fmt.Errorf("decode snapshot: %w", err)
	}
	return snapshot, nil
}
