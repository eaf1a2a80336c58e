package inventory

import (
	"strings"
	"unicode/utf8"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// Limits of one host's inventory. A host beyond them is broken or hostile; the
// numbers are several times the largest seen on real ones.
const (
	maxEntries   = 200_000 // of one list in one delta
	maxTextBytes = 4096    // of one text
)

// check refuses a delta that no collector makes: too many entries, texts that
// no database stores, keys that contradict each other.
func check(d *agentwire.Delta) error {
	if d.Baseline() && d.Host == nil {
		return fault.Newf(fault.Invalid, "a baseline has no host facts")
	}
	if d.Host != nil {
		if err := checkHost(d.Host); err != nil {
			return err
		}
	}
	for _, err := range []error{
		checkChanges("software", d.Software, func(s agentwire.Software) []string {
			return []string{s.Kind, s.Name, s.Version, s.Architecture, s.SourceName, s.SourceVersion}
		}),
		checkChanges("ports", d.Ports, func(p agentwire.Port) []string { return []string{p.Protocol, p.Address, p.Process} }),
		checkChanges("interfaces", d.Interfaces, func(i agentwire.Interface) []string {
			return []string{i.Name, i.MAC, i.Address, i.Gateway}
		}),
		checkChanges("accounts", d.Accounts, func(a agentwire.Account) []string { return []string{a.Username} }),
		checkChanges("processors", d.Processors, func(p agentwire.Processor) []string { return []string{p.Name} }),
		checkChanges("volumes", d.Volumes, func(v agentwire.Volume) []string { return []string{v.Name} }),
	} {
		if err != nil {
			return err
		}
	}
	for _, port := range d.Ports.Put {
		if port.Port < 0 || port.Port > 65535 {
			return fault.Newf(fault.Invalid, "ports: port %d is not between 0 and 65535", port.Port)
		}
	}
	return nil
}

func checkHost(h *agentwire.Host) error {
	if h.Name == "" {
		return fault.Newf(fault.Invalid, "host: the name is empty")
	}
	return checkTexts("host", []string{h.Name, h.FQDN, h.OS, h.OSID, h.OSVersion, h.Platform, h.Kernel, h.Architecture,
		h.Address, h.Manufacturer, h.Model, h.BIOS, h.Timezone, h.LastUser, h.Fingerprint})
}

// keyed is what entries of every list have in common.
type keyed interface {
	comparable
	Key() string
}

func checkChanges[T keyed](list string, c agentwire.Changes[T], texts func(T) []string) error {
	if len(c.Put) > maxEntries || len(c.Drop) > maxEntries {
		return fault.Newf(fault.TooLarge, "%s: %d entries put and %d dropped, %d are allowed", list, len(c.Put), len(c.Drop), maxEntries)
	}
	seen := make(map[string]bool, len(c.Put)+len(c.Drop))
	for _, entry := range c.Put {
		if err := checkTexts(list, texts(entry)); err != nil {
			return err
		}
		key := entry.Key()
		if seen[key] {
			return fault.Newf(fault.Invalid, "%s: %q occurs twice", list, key)
		}
		seen[key] = true
	}
	if err := checkTexts(list, c.Drop); err != nil {
		return err
	}
	for _, key := range c.Drop {
		if seen[key] {
			return fault.Newf(fault.Invalid, "%s: %q occurs twice", list, key)
		}
		seen[key] = true
	}
	return nil
}

func checkTexts(list string, texts []string) error {
	for _, text := range texts {
		switch {
		case len(text) > maxTextBytes:
			return fault.Newf(fault.Invalid, "%s: a text of %d bytes is above the limit of %d", list, len(text), maxTextBytes)
		case !utf8.ValidString(text):
			return fault.Newf(fault.Invalid, "%s: %q is not valid UTF-8", list, text)
		case strings.ContainsRune(text, 0):
			return fault.Newf(fault.Invalid, "%s: %q contains a NUL character", list, text)
		}
	}
	return nil
}
