package collect

import (
	"context"

	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/inventory"
)

// paced is an extractor that pauses between two files.
type paced struct {
	filesystem.Extractor
	pause func(context.Context) error
	files int
}

// Extract pauses unless this is the first file: the collector itself began after
// a pause.
func (p *paced) Extract(ctx context.Context, input *filesystem.ScanInput) (inventory.Inventory, error) {
	if p.files++; p.files > 1 {
		if err := p.pause(ctx); err != nil {
			return inventory.Inventory{}, err
		}
	}
	return p.Extractor.Extract(ctx, input)
}
