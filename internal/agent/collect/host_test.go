package collect

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

func TestParseRelease(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, in string
		want     release
	}{
		{"Debian quotes only what it must",
			"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n",
			release{"debian", "12", "Debian GNU/Linux 12 (bookworm)"}},
		{"single quotes", "ID='arch'\nPRETTY_NAME='Arch Linux'\n", release{"arch", "", "Arch Linux"}},
		{"no quotes, no newline at the end", "ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME=Alpine", release{"alpine", "3.20.1", "Alpine"}},
		{"escapes within double quotes", `PRETTY_NAME="The \"Best\" \$OS \\ \` + "`2`" + `"`, release{pretty: `The "Best" $OS \ ` + "`2`"}},
		{"no escapes within single quotes", `PRETTY_NAME='a\b'`, release{pretty: `a\b`}},
		{"without a pretty name the plain one serves", "NAME=Fedora\nVERSION='40 (Server)'\n", release{pretty: "Fedora 40 (Server)"}},
		{"comments, blank lines and Windows line ends", "# ID=no\r\n\r\nID=centos\r\n", release{id: "centos"}},
		{"the last assignment wins", "ID=a\nID=b\n", release{id: "b"}},
		{"nonsense is passed over", "\x00\x01\n===\nexport ID\n", release{}},
		{"a quote that is never closed", `PRETTY_NAME="half`, release{pretty: "half"}},
		{"an empty file", "", release{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := parseRelease([]byte(test.in)); got != test.want {
				t.Errorf("parseRelease(%q) = %+v, want %+v", test.in, got, test.want)
			}
		})
	}
}

func FuzzParseRelease(f *testing.F) {
	f.Add([]byte("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n"))
	f.Add([]byte("ID='a\\'b\"\\\nVERSION_ID=\\"))
	f.Fuzz(func(t *testing.T, content []byte) {
		r := parseRelease(content)
		if len(r.id)+len(r.versionID)+len(r.pretty) > len(content)+1 { // the blank between name and version
			t.Fatalf("%d bytes grew to %+v", len(content), r)
		}
	})
}

func TestPointRelease(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ version, debian, want string }{
		{"12", "12.11\n", "12.11"},
		{"12", "", "12"},
		{"12", "trixie/sid\n", "12"},
		{"1", "12.11\n", "1"},
		{"", "13.0\n", ""},
	} {
		if got := pointRelease(test.version, test.debian); got != test.want {
			t.Errorf("pointRelease(%q, %q) = %q, want %q", test.version, test.debian, got, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, kernel, hosts, wantName, wantFQDN string }{
		{"the kernel knows the full name", "web1.example.net", "", "web1", "web1.example.net"},
		{"Debian's line for the own name", "web1", "127.0.0.1 localhost\n127.0.1.1\tweb1.example.net web1\n", "web1", "web1.example.net"},
		{"another host of the domain is not this one", "web1", "192.0.2.7 db1.example.net db1\n", "web1", ""},
		{"a name that only begins alike is not this one", "web1", "192.0.2.7 web11.example.net web1\n", "web1", ""},
		{"comments do not count", "web1", "# 127.0.1.1 web1.example.net web1\n192.0.2.1 x # web1.example.net web1\n", "web1", ""},
		{"no hosts file", "web1", "", "web1", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name, fqdn := names(test.kernel, []byte(test.hosts))
			if name != test.wantName || fqdn != test.wantFQDN {
				t.Errorf("names = %q, %q, want %q, %q", name, fqdn, test.wantName, test.wantFQDN)
			}
		})
	}
}

func TestOffset(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		seconds int
		want    string
	}{
		{0, "UTC"}, {-7 * 3600, "-07:00"}, {5*3600 + 1800, "+05:30"},
	} {
		at := time.Date(2031, 4, 1, 0, 0, 0, 0, time.FixedZone("there", test.seconds))
		if got := offset(at); got != test.want {
			t.Errorf("offset of %d seconds = %q, want %q", test.seconds, got, test.want)
		}
	}
}

// login is one record of wtmp.
type login struct {
	kind uint16
	user string
}

func wtmp(recordBytes int, logins ...login) []byte {
	var file []byte
	for _, l := range logins {
		record := make([]byte, recordBytes)
		binary.NativeEndian.PutUint16(record, l.kind)
		copy(record[utmpUserOffset:utmpUserOffset+utmpUserBytes], l.user)
		file = append(file, record...)
	}
	return file
}

func TestLastLogin(t *testing.T) {
	t.Parallel()
	const bootTime, logout, user = 2, 8, utmpTypeUser
	for _, test := range []struct {
		name   string
		logins []login
		torn   int // bytes of a record cut off at the end
		want   string
	}{
		{"nobody ever", nil, 0, ""},
		{"the latest counts", []login{{user, "alice"}, {user, "bob"}}, 0, "bob"},
		{"logging out does not", []login{{user, "alice"}, {logout, "alice"}, {bootTime, "reboot"}}, 0, "alice"},
		{"a name as long as the field", []login{{user, "abcdefghijklmnopqrstuvwxyz012345"}}, 0, "abcdefghijklmnopqrstuvwxyz012345"},
		{"a torn record at the end", []login{{user, "alice"}, {user, "bob"}}, 100, "alice"},
	} {
		for _, architecture := range []string{"amd64", "arm64"} {
			t.Run(test.name+" on "+architecture, func(t *testing.T) {
				t.Parallel()
				size := utmpRecordBytes(architecture)
				file := wtmp(int(size), test.logins...)
				file = file[:len(file)-test.torn]
				got, err := lastLogin(bytes.NewReader(file), int64(len(file)), size)
				if err != nil || got != test.want {
					t.Errorf("lastLogin = %q, %v, want %q", got, err, test.want)
				}
			})
		}
	}
}

func FuzzLastLogin(f *testing.F) {
	f.Add(wtmp(utmpBytes, login{utmpTypeUser, "alice"}))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, file []byte) {
		user, err := lastLogin(bytes.NewReader(file), int64(len(file)), utmpBytes)
		if err != nil {
			t.Fatalf("lastLogin of %d bytes: %v", len(file), err)
		}
		if len(user) > utmpUserBytes {
			t.Fatalf("user %q is longer than its field", user)
		}
	})
}
