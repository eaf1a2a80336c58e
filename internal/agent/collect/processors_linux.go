package collect

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"

	"vedette.dev/vedette/internal/agentwire"
)

// processors returns one entry per physical processor package with online cores.
func processors(ctx context.Context, _ Env) ([]agentwire.Processor, error) {
	threads, err := cpu.InfoWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("read processors: %w", err)
	}
	return packages(threads, kernelPackage), nil
}

// kernelPackage is the package a logical processor belongs to as sysfs says it,
// empty where sysfs does not. /proc/cpuinfo lacks it on ARM.
func kernelPackage(logical int32) string {
	id, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/physical_package_id", logical))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// packages groups logical processors by physical package. The clock rate is the
// highest one the package can run at; where the kernel only tells the present
// one, that of the first logical processor stands for it.
func packages(threads []cpu.InfoStat, packageOf func(int32) string) []agentwire.Processor {
	var found []agentwire.Processor
	at := make(map[int]int) // slot to index in found
	cores := make(map[string]bool)
	for _, thread := range threads {
		slot := slotOf(packageOf(thread.CPU), thread.PhysicalID)
		i, known := at[slot]
		if !known {
			i = len(found)
			at[slot] = i
			found = append(found, agentwire.Processor{Slot: slot, Name: modelName(thread), MHz: int(math.Round(thread.Mhz))})
		}
		core := thread.CoreID
		if core == "" {
			core = "thread " + strconv.Itoa(int(thread.CPU)) // no topology: each stands for itself
		}
		if key := strconv.Itoa(slot) + "/" + core; !cores[key] {
			cores[key] = true
			found[i].Cores++
		}
	}
	return found
}

// slotOf is the first of the ids that is one; a machine that numbers none
// (the kernel says -1 then) has everything in slot 0.
func slotOf(ids ...string) int {
	for _, id := range ids {
		if slot, err := strconv.Atoi(id); err == nil && slot >= 0 {
			return slot
		}
	}
	return 0
}

func modelName(thread cpu.InfoStat) string {
	for _, name := range []string{thread.ModelName, thread.VendorID} {
		if name = strings.Join(strings.Fields(name), " "); name != "" && name != "Undefined" {
			return name
		}
	}
	return "unknown"
}
