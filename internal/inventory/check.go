package inventory

import (
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// check refuses a delta that no collector makes: facts that cannot be, keys that
// contradict each other. How many entries there are is bounded by decoding, and
// which texts can be stored is the storage's to say.
func check(d *agentwire.Delta) error {
	if d.Baseline() && d.Host == nil {
		return fault.Newf(fault.Invalid, "a baseline has no host facts")
	}
	for _, err := range []error{
		checkHost(d.Host),
		checkKeys("software", d.Software),
		checkKeys("ports", d.Ports),
		checkKeys("interfaces", d.Interfaces),
		checkKeys("accounts", d.Accounts),
		checkKeys("processors", d.Processors),
		checkKeys("volumes", d.Volumes),
		checkNumbers(d),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkHost(h *agentwire.Host) error {
	switch {
	case h == nil:
		return nil
	case h.Name == "":
		return fault.Newf(fault.Invalid, "host: the name is empty")
	case h.MemoryMB < 0:
		return fault.Newf(fault.Invalid, "host: memory of %d MB is below 0", h.MemoryMB)
	case h.Docker != nil && (h.Docker.Containers < 0 || h.Docker.Images < 0):
		return fault.Newf(fault.Invalid, "host: %d containers and %d images, neither may be below 0", h.Docker.Containers, h.Docker.Images)
	}
	if h.Cloud != nil {
		if err := h.Cloud.Check(); err != nil {
			return fault.Newf(fault.Invalid, "host: %s", err)
		}
	}
	return nil
}

func checkNumbers(d *agentwire.Delta) error {
	for _, port := range d.Ports.Put {
		if port.Port < 0 || port.Port > 65535 {
			return fault.Newf(fault.Invalid, "ports: port %d is not between 0 and 65535", port.Port)
		}
	}
	for _, p := range d.Processors.Put {
		if p.Slot < 0 || p.MHz < 0 || p.Cores < 0 {
			return fault.Newf(fault.Invalid, "processors: slot %d with %d MHz and %d cores, none may be below 0", p.Slot, p.MHz, p.Cores)
		}
	}
	for _, v := range d.Volumes.Put {
		if v.Size < 0 || v.Free < 0 {
			return fault.Newf(fault.Invalid, "volumes: %d of %d bytes free, neither may be below 0", v.Free, v.Size)
		}
	}
	return nil
}

// keyed is what entries of every list have in common.
type keyed interface {
	comparable
	Key() string
}

func checkKeys[T keyed](list string, c agentwire.Changes[T]) error {
	seen := make(map[string]bool, len(c.Put)+len(c.Drop))
	for _, entry := range c.Put {
		key := entry.Key()
		if seen[key] {
			return fault.Newf(fault.Invalid, "%s: %q occurs twice", list, key)
		}
		seen[key] = true
	}
	for _, key := range c.Drop {
		if seen[key] {
			return fault.Newf(fault.Invalid, "%s: %q occurs twice", list, key)
		}
		seen[key] = true
	}
	return nil
}
