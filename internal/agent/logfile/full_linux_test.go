package logfile

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestAFullDiskDropsLinesAndSaysSoWhenThereIsRoom writes to the kernel's own full
// device in place of the file.
func TestAFullDiskDropsLinesAndSaysSoWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	f := opened(t, folder, false)
	fmt.Fprint(f, "before\n")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	file := f.file
	f.file = full
	fmt.Fprint(f, "lost\n")
	fmt.Fprint(f, "lost\n")
	f.file = file
	fmt.Fprint(f, "after\n")
	text := strings.Join(everything(t, folder), "\n")
	if !strings.HasPrefix(text, "before\nafter\n") || !strings.Contains(text, "dropped number=2") || !strings.Contains(text, "no space left") {
		t.Errorf("log has %q; want what could be written, and why 2 lines were not", text)
	}
}
