package collect

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jaypipes/ghw"
)

// hardware is what firmware says about the machine.
type hardware struct {
	manufacturer, model, bios        string
	productUUID, serial, boardSerial string
}

// readHardware asks DMI, or the device tree on boards without it. Serial numbers
// and the product id are readable by root only; others get an empty text.
func readHardware() hardware {
	quiet := ghw.WithDisableWarnings() // it warns of every file a virtual machine lacks
	var h hardware
	if product, err := ghw.Product(quiet); err == nil {
		h.manufacturer, h.model = known(product.Vendor), known(product.Name)
		h.productUUID, h.serial = known(product.UUID), known(product.SerialNumber)
	}
	if board, err := ghw.Baseboard(quiet); err == nil {
		h.boardSerial = known(board.SerialNumber)
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

// fingerprint digests what belongs to this machine and this installation, so
// that a copied disk with an agent's identity on it is noticed. A hypervisor or
// a vendor gives each machine its own product id and serial numbers, which a
// copy of the disk does not carry along; the machine id of systemd tells apart
// installations where firmware says nothing (containers, small boards).
//
// Network cards count only where there is no usable product id: they are added
// to running cloud machines, which must not make a clone of one. Memory, disks
// and addresses never count. An agent that stops running as root loses sight of
// the product id and gets another fingerprint.
//
// It is empty when nothing at all is known of the machine.
func fingerprint(h hardware, machineID string, macs func() []string) string {
	facts := []string{
		"serial=" + h.serial,
		"board=" + h.boardSerial,
		"machine=" + machineID,
	}
	if usableUUID(h.productUUID) {
		facts = append(facts, "product="+strings.ToLower(h.productUUID))
	} else {
		for _, mac := range macs() {
			facts = append(facts, "mac="+mac)
		}
	}
	facts = slices.DeleteFunc(facts, func(fact string) bool { return strings.HasSuffix(fact, "=") })
	if len(facts) == 0 {
		return ""
	}
	slices.Sort(facts)
	sum := sha256.Sum256([]byte(strings.Join(facts, "\n")))
	return hex.EncodeToString(sum[:])
}

// usableUUID tells an id that was given from one that was forgotten: boards leave
// the factory with all zeros, all ones, or the example of a firmware kit.
func usableUUID(id string) bool {
	digits := strings.ToLower(strings.ReplaceAll(id, "-", ""))
	switch {
	case len(digits) != 32:
		return false
	case strings.Count(digits, digits[:1]) == len(digits):
		return false
	case digits == "03000200040005000006000700080009":
		return false
	}
	return true
}

// machineID is the id systemd gave this installation (machine-id(5)).
func machineID(root *rootFS) string {
	id, err := root.read("etc/machine-id", maxSmallFileBytes)
	if err != nil {
		return ""
	}
	if text := strings.TrimSpace(string(id)); text != "uninitialized" {
		return text
	}
	return ""
}

// physicalMACs returns the permanent addresses of built-in network cards: those
// with a device behind them that is not on USB, where docks come and go, and
// whose address is the one they were made with.
func physicalMACs() []string {
	const cards = "/sys/class/net"
	entries, err := os.ReadDir(cards)
	if err != nil {
		return nil
	}
	var macs []string
	for _, entry := range entries {
		card := filepath.Join(cards, entry.Name())
		device, err := filepath.EvalSymlinks(filepath.Join(card, "device"))
		if err != nil || strings.Contains(device, "/usb") {
			continue
		}
		if sysfsText(card, "addr_assign_type") != "0" { // NET_ADDR_PERM
			continue
		}
		if mac := sysfsText(card, "address"); mac != "" && mac != "00:00:00:00:00:00" {
			macs = append(macs, mac)
		}
	}
	slices.Sort(macs)
	return slices.Compact(macs)
}

func sysfsText(folder, name string) string {
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}
