package collect

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"time"
)

// maxSmallFileBytes bounds os-release, hosts, localtime and their like, which
// have a few hundred bytes; a hosts file used as a block list has megabytes.
const maxSmallFileBytes = 8 << 20

// release is what os-release says.
type release struct {
	id, versionID, pretty string
}

// parseRelease reads an os-release file (os-release(5)): assignments as in a
// shell, without expansion. Lines that are none are passed over.
func parseRelease(content []byte) release {
	values := make(map[string]string)
	for line := range bytes.Lines(content) {
		text := strings.TrimSpace(string(line))
		key, value, ok := strings.Cut(text, "=")
		if ok && !strings.HasPrefix(text, "#") {
			values[key] = unquote(value)
		}
	}
	r := release{id: values["ID"], versionID: values["VERSION_ID"], pretty: values["PRETTY_NAME"]}
	if r.pretty == "" {
		r.pretty = strings.TrimSpace(values["NAME"] + " " + values["VERSION"])
	}
	return r
}

// unquote removes the quotes and escapes of a shell word.
func unquote(s string) string {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// pointRelease returns the fuller version that Debian keeps in a file of its own
// ("12.11" for "12"), or version where that file says something else.
func pointRelease(version, debianVersion string) string {
	full := strings.TrimSpace(debianVersion)
	if version != "" && strings.HasPrefix(full, version+".") {
		return full
	}
	return version
}

// names splits what the kernel calls the host into name and fully qualified
// name. For a kernel that knows only the name, the hosts file is asked as hosts(5)
// means it: the first name of a line is the canonical one. DNS is not asked.
func names(kernelName string, hosts []byte) (name, fqdn string) {
	name, _, qualified := strings.Cut(kernelName, ".")
	if qualified {
		return name, kernelName
	}
	for line := range bytes.Lines(hosts) {
		text, _, _ := strings.Cut(string(line), "#")
		fields := strings.Fields(text)
		if len(fields) < 3 || !slices.Contains(fields[2:], name) {
			continue
		}
		if first, domain, ok := strings.Cut(fields[1], "."); ok && first == name && domain != "" {
			return name, fields[1]
		}
	}
	return name, ""
}

// offset writes a time zone's present offset as "UTC" or "-07:00".
func offset(now time.Time) string {
	if _, seconds := now.Zone(); seconds == 0 {
		return "UTC"
	}
	return now.Format("-07:00")
}

// Layout of a record of wtmp (utmp(5), glibc): the type in the first two bytes,
// the user name at byte 44. Records are 384 bytes, 400 on the architectures that
// never had 32-bit programs to share the file with.
const (
	utmpTypeUser   = 7 // USER_PROCESS: somebody has logged in
	utmpUserOffset = 44
	utmpUserBytes  = 32
	utmpBytes      = 384
	utmpWideBytes  = 400
	// maxLoginRecords bounds how far back wtmp is searched.
	maxLoginRecords = 4096
)

func utmpRecordBytes(architecture string) int64 {
	if architecture == "arm64" || architecture == "loong64" {
		return utmpWideBytes
	}
	return utmpBytes
}

// lastLogin returns the user of the latest log-in that wtmp knows. A torn record
// at the end, which a crash leaves behind, is passed over.
func lastLogin(wtmp io.ReaderAt, size, recordBytes int64) (string, error) {
	record := make([]byte, recordBytes)
	newest := size/recordBytes - 1
	for i := newest; i >= 0 && i > newest-maxLoginRecords; i-- {
		if _, err := wtmp.ReadAt(record, i*recordBytes); err != nil {
			return "", err
		}
		if binary.NativeEndian.Uint16(record) != utmpTypeUser {
			continue
		}
		user, _, _ := bytes.Cut(record[utmpUserOffset:utmpUserOffset+utmpUserBytes], []byte{0})
		if len(user) > 0 {
			return string(user), nil
		}
	}
	return "", nil
}
