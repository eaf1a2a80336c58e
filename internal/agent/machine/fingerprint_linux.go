package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where the kernel tells of the hardware.
const (
	dmi        = "/sys/class/dmi/id"
	deviceTree = "/sys/firmware/devicetree/base" // of boards without DMI
	cards      = "/sys/class/net"
)

// Fingerprint is the fingerprint of this machine with the installation that has
// the given machine-id(5), which may be empty.
func Fingerprint(machineID string) string {
	return firmware().fingerprint(machineID, physicalMACs)
}

// InstallationID is the id that systemd gave the installation whose file system
// is mounted at rootDir (machine-id(5)); empty when it has none.
func InstallationID(rootDir string) string {
	root, err := os.OpenRoot(rootDir)
	if err != nil {
		return ""
	}
	defer root.Close()
	id, err := root.ReadFile("etc/machine-id")
	if err != nil {
		return ""
	}
	return ParseInstallationID(string(id))
}

// ParseInstallationID reads the content of /etc/machine-id.
func ParseInstallationID(content string) string {
	if text := strings.TrimSpace(content); text != "uninitialized" {
		return text
	}
	return ""
}

// hardware is what firmware says that belongs to one machine alone.
type hardware struct {
	productUUID, serial, boardSerial string
}

// firmware asks DMI, or the device tree. Serial numbers and the product id are
// readable by root only; others get an empty text.
func firmware() hardware {
	h := hardware{text(dmi, "product_uuid"), text(dmi, "product_serial"), text(dmi, "board_serial")}
	if h == (hardware{}) {
		h.serial = strings.TrimRight(text(deviceTree, "serial-number"), "\x00")
	}
	return h
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
func (h hardware) fingerprint(machineID string, macs func() []string) string {
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

// physicalMACs returns the permanent addresses of built-in network cards: those
// with a device behind them that is not on USB, where docks come and go, and
// whose address is the one they were made with.
func physicalMACs() []string {
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
		if text(card, "addr_assign_type") != "0" { // NET_ADDR_PERM
			continue
		}
		if mac := text(card, "address"); mac != "" && mac != "00:00:00:00:00:00" {
			macs = append(macs, mac)
		}
	}
	slices.Sort(macs)
	return slices.Compact(macs)
}

func text(folder, name string) string {
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}
