package collect

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vedette.dev/vedette/internal/agentwire"
)

// kernelHex prints an address as /proc/net does on this machine.
func kernelHex(address string) string {
	raw := netip.MustParseAddr(address).AsSlice()
	var b strings.Builder
	for i := 0; i < len(raw); i += 4 {
		fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(raw[i:]))
	}
	return b.String()
}

func TestParseSockets(t *testing.T) {
	t.Parallel()
	line := func(address, port, state, inode string) string {
		return fmt.Sprintf("   0: %s:%s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %s 1 0000 100\n",
			kernelHex(address), port, state, inode)
	}
	table := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		line("127.0.0.1", "0016", tcpListen, "101") +
		line("192.0.2.14", "9C40", "01", "102") + // an open connection
		line("::", "01BB", tcpListen, "103") +
		line("2001:db8::14", "1F90", tcpListen, "104") +
		line("::ffff:127.0.0.1", "1F91", tcpListen, "105") +
		"cut off\n"
	got, err := parseSockets(strings.NewReader(table), "TCP", tcpListen)
	if err != nil {
		t.Fatal(err)
	}
	want := []socket{
		{agentwire.Port{Protocol: "TCP", Address: "127.0.0.1", Port: 22}, "101"},
		{agentwire.Port{Protocol: "TCP", Address: "::", Port: 443}, "103"},
		{agentwire.Port{Protocol: "TCP", Address: "2001:db8::14", Port: 8080}, "104"},
		{agentwire.Port{Protocol: "TCP", Address: "127.0.0.1", Port: 8081}, "105"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(socket{})); diff != "" {
		t.Errorf("sockets (-want +got):\n%s", diff)
	}
}

func TestSocketsWithAnAddressThatIsNoneAreAnError(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0100007F", "0100007F:", "xyz:0016", "00:0016", "0100007F0100007F:0016", "0100007F:10000"} {
		table := "0: " + address + " 00000000:0000 0A 0:0 0:0 0 0 0 7 1"
		if got, err := parseSockets(strings.NewReader(table), "TCP", tcpListen); err == nil {
			t.Errorf("address %q was read as %+v", address, got)
		}
	}
}

func TestDefaultGateways(t *testing.T) {
	t.Parallel()
	routes4 := "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n" +
		"eth0 00000000 " + kernelHex("192.0.2.1") + " 0003 0 0 100 00000000 0 0 0\n" +
		"wlan0 00000000 " + kernelHex("198.51.100.1") + " 0003 0 0 600 00000000 0 0 0\n" +
		"eth0 " + kernelHex("192.0.2.0") + " 00000000 0001 0 0 100 " + kernelHex("255.255.255.0") + " 0 0 0\n" +
		"eth1 00000000 " + kernelHex("203.0.113.1") + " 0002 0 0 1 00000000 0 0 0\n" // not up
	zero := strings.Repeat("0", 32)
	routes6 := zero + " 00 " + zero + " 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n" +
		zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n" +
		"fd000000000000000000000000000000 40 " + zero + " 00 " + zero + " 00000100 00000001 00000000 00000001     eth0\n"

	got4, err := parseRoutes4(strings.NewReader(routes4))
	if err != nil {
		t.Fatal(err)
	}
	got6, err := parseRoutes6(strings.NewReader(routes6))
	if err != nil {
		t.Fatal(err)
	}
	want4 := []gateway{{"eth0", netip.MustParseAddr("192.0.2.1"), 100}, {"wlan0", netip.MustParseAddr("198.51.100.1"), 600}}
	want6 := []gateway{{"eth0", netip.MustParseAddr("fe80::1"), 0x400}}
	options := []cmp.Option{cmp.AllowUnexported(gateway{}), cmpopts.EquateComparable(netip.Addr{})}
	if diff := cmp.Diff(want4, got4, options...); diff != "" {
		t.Errorf("IPv4 gateways (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want6, got6, options...); diff != "" {
		t.Errorf("IPv6 gateways (-want +got):\n%s", diff)
	}
	if best, ok := preferred(append(got4, got6...), "", true); !ok || best.device != "eth0" {
		t.Errorf("preferred IPv4 gateway = %+v, %t, want the one of eth0", best, ok)
	}
	if best, ok := preferred(got4, "eth9", true); ok {
		t.Errorf("eth9 has gateway %+v, want none", best)
	}
}

func TestParseMounts(t *testing.T) {
	t.Parallel()
	table := `27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 27 8:17 /backup /mnt/My\040Disk rw,noatime master:2 propagate_from:1 - xfs /dev/sdb1 rw
41 27 0:40 / /srv rw - nfs4 files.example.net:/srv rw,vers=4.2
42 27 0:41 / /odd\134name rw - tmpfs none rw
`
	got, err := parseMounts(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	want := []mount{
		{"/", "/", "ext4", "/dev/vda"},
		{"/backup", "/mnt/My Disk", "xfs", "/dev/sdb1"},
		{"/", "/srv", "nfs4", "files.example.net:/srv"},
		{"/", `/odd\name`, "tmpfs", "none"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mount{})); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if _, err := parseMounts(strings.NewReader("27 1 254:0 / / rw ext4 /dev/vda rw\n")); err == nil {
		t.Error("a line without separator was accepted")
	}
}

func TestWhichMountsAreVolumes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		in   mount
		want bool
	}{
		{"a disk", mount{"/", "/", "ext4", "/dev/vda"}, true},
		{"a btrfs subvolume", mount{"/@home", "/home", "btrfs", "/dev/sda2"}, true},
		{"a ZFS data set", mount{"/", "/tank", "zfs", "tank"}, true},
		{"NTFS through fuse", mount{"/", "/mnt/win", "fuseblk", "/dev/sdc1"}, true},
		{"the layers a container runs on", mount{"/", "/", "overlay", "overlay"}, true},
		{"the layers of a container on this host", mount{"/", "/var/lib/docker/overlay2/x/merged", "overlay", "overlay"}, false},
		{"memory", mount{"/", "/run", "tmpfs", "tmpfs"}, false},
		{"a snap", mount{"/", "/snap/core/1", "squashfs", "/dev/loop0"}, false},
		{"an NFS share", mount{"/", "/srv", "nfs", "files:/srv"}, false},
		{"a Windows share", mount{"/", "/srv", "cifs", "//files/srv"}, false},
		{"a share through ssh", mount{"/", "/srv", "fuse.sshfs", "me@files:"}, false},
		{"an automount point", mount{"/", "/net", "autofs", "/etc/auto.net"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.in.isVolume(); got != test.want {
				t.Errorf("isVolume = %t, want %t", got, test.want)
			}
		})
	}
}
