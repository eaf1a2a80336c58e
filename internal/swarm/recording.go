package swarm

import (
	"bytes"
	_ "embed" // the recordings
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agentwire"
)

// Recording is the inventory of one real installation, as the agent's collectors
// found it, without what belongs to that machine alone.
type Recording struct {
	Name     string // what the host was for
	Snapshot *agentwire.Snapshot
}

//go:embed recordings.json.zst
var recordings []byte // made by record.go

// maxRecordingBytes bounds recordings once they are decompressed: a hundred
// hosts of 5,000 packages.
const maxRecordingBytes = 100 << 20

// Recordings returns the recorded inventories that come with this package: a web
// server, a database server and an application server, on Debian.
func Recordings() ([]Recording, error) { return readRecordings(recordings) }

func readRecordings(compressed []byte) ([]Recording, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRecordingBytes))
	if err != nil {
		return nil, fmt.Errorf("read recordings: %w", err)
	}
	defer decoder.Close()
	doc, err := decoder.DecodeAll(compressed, nil)
	if err != nil {
		return nil, fmt.Errorf("read recordings: %w", err)
	}
	var list []Recording
	if err := json.Unmarshal(doc, &list); err != nil {
		return nil, fmt.Errorf("read recordings: %w", err)
	}
	return list, nil
}

// WriteRecordings returns recordings as Recordings reads them, each without what
// belongs to its machine alone.
func WriteRecordings(list []Recording) ([]byte, error) {
	for i := range list {
		list[i].Snapshot = impersonal(list[i].Snapshot)
	}
	doc, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("write recordings: %w", err)
	}
	var b bytes.Buffer
	encoder, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return nil, fmt.Errorf("write recordings: %w", err)
	}
	if _, err := encoder.Write(doc); err != nil {
		return nil, fmt.Errorf("write recordings: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("write recordings: %w", err)
	}
	return b.Bytes(), nil
}

// impersonal keeps of a snapshot what any host with the same packages has: the
// operating system, the software, and the accounts that packages make. Names,
// addresses, hardware, ports and people are left out; each host of a swarm is
// given its own.
func impersonal(s *agentwire.Snapshot) *agentwire.Snapshot {
	kept := &agentwire.Snapshot{
		Host: agentwire.Host{
			OS: s.Host.OS, OSID: s.Host.OSID, OSVersion: s.Host.OSVersion,
			Platform: s.Host.Platform, Architecture: s.Host.Architecture, Kernel: kernelOf(s.Software),
		},
		Software: slices.Clone(s.Software),
	}
	for _, account := range s.Accounts {
		if systemAccount(account.Username) {
			kept.Accounts = append(kept.Accounts, account)
		}
	}
	kept.Normalize()
	return kept
}

// kernelOf returns the release of the newest kernel that is installed.
func kernelOf(software []agentwire.Software) string {
	release := ""
	for _, p := range software {
		version, ok := strings.CutPrefix(p.Name, "linux-image-")
		if ok && version > release && version[0] >= '0' && version[0] <= '9' {
			release = version
		}
	}
	return release
}

// systemAccount reports whether an account is one that Debian or one of its
// packages makes, by these names on every host.
func systemAccount(name string) bool {
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, "systemd-") || slices.Contains([]string{
		"backup", "bin", "daemon", "games", "gnats", "irc", "list", "lp", "mail", "man", "messagebus", "news", "nobody", "postgres",
		"prometheus", "proxy", "redis", "root", "sshd", "sync", "sys", "tcpdump", "uucp", "uuidd", "www-data", "haproxy", "dnsmasq",
	}, name)
}
