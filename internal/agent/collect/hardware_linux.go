package collect

import (
	"strings"

	"github.com/jaypipes/ghw"

	"vedette.dev/vedette/internal/agent/machine"
)

// hardware is what firmware says about the machine.
type hardware struct {
	manufacturer, model, bios string
}

// readHardware asks DMI, or the device tree on boards without it.
func readHardware() hardware {
	quiet := ghw.WithDisableWarnings() // it warns of every file a virtual machine lacks
	var h hardware
	if product, err := ghw.Product(quiet); err == nil {
		h.manufacturer, h.model = known(product.Vendor), known(product.Name)
	}
	if bios, err := ghw.BIOS(quiet); err == nil {
		h.bios = joinKnown(bios.Vendor, bios.Version, bios.Date)
	}
	return h
}

// known is a fact of ghw without its word for "not known".
func known(s string) string {
	if s = strings.TrimSpace(s); strings.EqualFold(s, "unknown") {
		return ""
	}
	return s
}

func joinKnown(parts ...string) string {
	var b []string
	for _, part := range parts {
		if part = known(part); part != "" {
			b = append(b, part)
		}
	}
	return strings.Join(b, " ")
}

// machineID is the id systemd gave this installation (machine-id(5)).
func machineID(root *rootFS) string {
	id, err := root.read("etc/machine-id", maxSmallFileBytes)
	if err != nil {
		return ""
	}
	return machine.ParseInstallationID(string(id))
}
