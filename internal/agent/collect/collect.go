// Package collect gathers the facts of a host for one inventory scan.
//
// A [Collector] fills one part of an agentwire.Snapshot: the host itself, its
// software, listening ports, network interfaces, accounts, processors or
// volumes. Collectors know nothing of each other; the worker runs them one by
// one and paces them. They state raw facts and leave judging to the platform.
//
// What lies in files (package database, os-release, passwd, wtmp) is read below
// [Env].RootDir; what only the running kernel knows (sockets, mounts,
// processors, memory, addresses) is always that of the running system. No
// collector starts a process or sends a packet; which instance of a cloud the host
// is, [Env].Cloud says.
//
// A collector that fails leaves the snapshot as it was. Having nothing to report
// is no failure: a host without dpkg has no packages.
//
// Limits: Linux only. On other systems every collector exists, so that a
// manifest names the same collectors everywhere, and answers [ErrNotSupported].
package collect

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/agentwire"
)

// Names of the collectors, as a manifest spells them.
const (
	Host       = "host"
	Software   = "software"
	Ports      = "ports"
	Interfaces = "interfaces"
	Accounts   = "accounts"
	Processors = "processors"
	Volumes    = "volumes"
)

// maxTextBytes bounds one string of a snapshot. It leaves the key of an entry,
// made of several, room below the platform's limit.
const maxTextBytes = agentwire.MaxTextBytes - 100

// ErrNotSupported is what a collector returns on a system it is not written for.
var ErrNotSupported = errors.New("not supported on this system")

// Env is what collectors take from outside.
type Env struct {
	// RootDir is the absolute path where the host's file system is found: "/"
	// on the host itself, a mount point where the agent runs beside the host.
	RootDir string
	// Now is the clock. It decides the offset of the host's time zone.
	Now func() time.Time
	// Pause waits as long as the scan is to wait between two operations, or
	// returns the context's error. A collector that reads one file after another
	// calls it between them; before each collector the worker does.
	Pause func(context.Context) error
	// Cloud says which instance of a cloud the host is, nil for none. Where it
	// fails, or is nil itself, that is not known.
	Cloud func(context.Context) (*agentwire.Cloud, error)
}

// Collector gathers one part of a snapshot.
type Collector interface {
	// Name is the collector's name in manifests and results.
	Name() string
	// Collect replaces its part of the snapshot and returns how many entries
	// that part has now. On an error the snapshot is untouched. It ends soon
	// after ctx does, unless the kernel keeps it.
	Collect(ctx context.Context, env Env, into *agentwire.Snapshot) (entries int, err error)
}

// Names returns the names of all collectors in the order of a full inventory.
func Names() []string {
	return []string{Host, Software, Ports, Interfaces, Accounts, Processors, Volumes}
}

// All returns all collectors in the order of Names.
func All() []Collector {
	return []Collector{
		hostPart{},
		listPart[agentwire.Software]{Software, software, func(s *agentwire.Snapshot) *[]agentwire.Software { return &s.Software }},
		listPart[agentwire.Port]{Ports, ports, func(s *agentwire.Snapshot) *[]agentwire.Port { return &s.Ports }},
		listPart[agentwire.Interface]{Interfaces, interfaces, func(s *agentwire.Snapshot) *[]agentwire.Interface { return &s.Interfaces }},
		listPart[agentwire.Account]{Accounts, accounts, func(s *agentwire.Snapshot) *[]agentwire.Account { return &s.Accounts }},
		listPart[agentwire.Processor]{Processors, processors, func(s *agentwire.Snapshot) *[]agentwire.Processor { return &s.Processors }},
		listPart[agentwire.Volume]{Volumes, volumes, func(s *agentwire.Snapshot) *[]agentwire.Volume { return &s.Volumes }},
	}
}

// hostPart collects the facts a host has exactly one of.
type hostPart struct{}

func (hostPart) Name() string { return Host }

func (hostPart) Collect(ctx context.Context, env Env, into *agentwire.Snapshot) (int, error) {
	facts, err := host(ctx, env)
	if err != nil {
		return 0, err
	}
	cleanTexts(reflect.ValueOf(&facts).Elem())
	into.Host = facts
	return 1, nil
}

// listPart collects one list of a snapshot.
type listPart[T any] struct {
	name   string
	gather func(context.Context, Env) ([]T, error)
	part   func(*agentwire.Snapshot) *[]T
}

func (l listPart[T]) Name() string { return l.name }

func (l listPart[T]) Collect(ctx context.Context, env Env, into *agentwire.Snapshot) (int, error) {
	entries, err := l.gather(ctx, env)
	if err != nil {
		return 0, err
	}
	cleanTexts(reflect.ValueOf(entries))
	*l.part(into) = entries
	return len(entries), nil
}

// cleanTexts cleans every string within v.
func cleanTexts(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() { // not the insides of a time.Time
			v.SetString(clean(v.String()))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			cleanTexts(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			cleanTexts(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				cleanTexts(v.Field(i))
			}
		}
	}
}

// clean makes text from a host safe to digest, store and print. Bytes that are
// not UTF-8 would change in JSON and with them the digest; control characters
// are refused by PostgreSQL (NUL) and by XML 1.0.
func clean(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, s)
	if s = strings.TrimSpace(s); len(s) > maxTextBytes {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:maxTextBytes], ""))
	}
	return s
}
