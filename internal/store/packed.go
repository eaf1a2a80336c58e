package store

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/automation/run"
)

// Documents that are only read back are kept compressed.
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault)) // without a writer it cannot fail
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*run.MaxOutcomeBytes))
)

func pack(doc []byte) []byte { return packer.EncodeAll(doc, nil) }

func unpack(packed []byte) ([]byte, error) {
	doc, err := unpacker.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return doc, nil
}
