package collect

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v4/cpu"

	"vedette.dev/vedette/internal/agentwire"
)

func TestOnePerDevice(t *testing.T) {
	t.Parallel()
	disk := mount{"/", "/", "ext4", "/dev/vda"}
	for _, test := range []struct {
		name   string
		mounts []mount
		device map[string]uint64
		want   []string
	}{
		{"a bind mount is not a second volume",
			[]mount{disk, {"/srv/data", "/data", "ext4", "/dev/vda"}},
			map[string]uint64{"/": 1, "/data": 1}, []string{"/"}},
		{"the mount point nearer to the root wins",
			[]mount{{"/", "/mnt/deep/disk", "xfs", "/dev/sdb"}, {"/", "/disk", "xfs", "/dev/sdb"}},
			map[string]uint64{"/mnt/deep/disk": 2, "/disk": 2}, []string{"/disk"}},
		{"but not with a deeper folder of the device",
			[]mount{{"/", "/mnt/whole", "xfs", "/dev/sdb"}, {"/part", "/p", "xfs", "/dev/sdb"}},
			map[string]uint64{"/mnt/whole": 2, "/p": 2}, []string{"/mnt/whole"}},
		{"what is mounted over another hides it",
			[]mount{disk, {"/", "/srv", "ext4", "/dev/sdb"}, {"/", "/srv", "ext4", "/dev/sdc"}},
			map[string]uint64{"/": 1, "/srv": 3}, []string{"/", "/srv"}},
		{"what cannot be entered is left out",
			[]mount{disk, {"/", "/secret", "ext4", "/dev/sdb"}},
			map[string]uint64{"/": 1}, []string{"/"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, m := range onePerDevice(test.mounts, func(target string) (uint64, bool) {
				device, ok := test.device[target]
				return device, ok
			}) {
				got = append(got, m.target)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPackages(t *testing.T) {
	t.Parallel()
	const epyc = "AMD EPYC  9354"
	unknown := func(int32) string { return "" }
	for _, test := range []struct {
		name      string
		threads   []cpu.InfoStat
		packageOf func(int32) string
		want      []agentwire.Processor
	}{
		{"two sockets of two cores with two threads each",
			[]cpu.InfoStat{
				{CPU: 0, PhysicalID: "0", CoreID: "0", ModelName: epyc, Mhz: 3249.9}, {CPU: 1, PhysicalID: "0", CoreID: "1", ModelName: epyc, Mhz: 1500},
				{CPU: 2, PhysicalID: "1", CoreID: "0", ModelName: epyc, Mhz: 3249.9}, {CPU: 3, PhysicalID: "1", CoreID: "1", ModelName: epyc},
				{CPU: 4, PhysicalID: "0", CoreID: "0", ModelName: epyc}, {CPU: 5, PhysicalID: "0", CoreID: "1", ModelName: epyc},
				{CPU: 6, PhysicalID: "1", CoreID: "0", ModelName: epyc}, {CPU: 7, PhysicalID: "1", CoreID: "1", ModelName: epyc},
			}, unknown,
			[]agentwire.Processor{{Slot: 0, Name: "AMD EPYC 9354", MHz: 3250, Cores: 2}, {Slot: 1, Name: "AMD EPYC 9354", MHz: 3250, Cores: 2}}},
		{"an ARM board, whose cpuinfo knows no packages",
			[]cpu.InfoStat{{CPU: 0, ModelName: "Neoverse-N1"}, {CPU: 1, ModelName: "Neoverse-N1"}},
			func(int32) string { return "-1" },
			[]agentwire.Processor{{Slot: 0, Name: "Neoverse-N1", Cores: 2}}},
		{"sysfs rules over cpuinfo, which calls RISC-V threads packages",
			[]cpu.InfoStat{{CPU: 0, PhysicalID: "0", CoreID: "0", VendorID: "SiFive"}, {CPU: 1, PhysicalID: "1", CoreID: "1", VendorID: "SiFive"}},
			func(int32) string { return "0" },
			[]agentwire.Processor{{Slot: 0, Name: "SiFive", Cores: 2}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, packages(test.threads, test.packageOf)); diff != "" {
				t.Errorf("processors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSharedPortIsOneEntryWithTheSameNameEveryTime(t *testing.T) {
	t.Parallel()
	port := agentwire.Port{Protocol: "TCP", Address: "0.0.0.0", Port: 443}
	sockets := []socket{{port, "1"}, {port, "2"}, {port, "3"}}
	owners := map[string]string{"2": "nginx", "3": "haproxy"}
	want := []agentwire.Port{{Protocol: "TCP", Address: "0.0.0.0", Port: 443, Process: "haproxy"}}
	for range 2 {
		if diff := cmp.Diff(want, named(slices.Clone(sockets), owners)); diff != "" {
			t.Errorf("ports (-want +got):\n%s", diff)
		}
		slices.Reverse(sockets)
	}
}

func TestPrimaryAddress(t *testing.T) {
	t.Parallel()
	routes := []gateway{{device: "eth1", metric: 10}, {device: "eth0", metric: 100}}
	for i := range routes {
		routes[i].address = mustAddr("192.0.2.1")
	}
	eth0 := agentwire.Interface{Name: "eth0", Address: "192.0.2.14"}
	eth1 := agentwire.Interface{Name: "eth1", Address: "198.51.100.7"}
	six := agentwire.Interface{Name: "eth0", Address: "2001:db8::14"}
	local := agentwire.Interface{Name: "eth1", Address: "169.254.3.4"}
	for _, test := range []struct {
		name     string
		found    []agentwire.Interface
		gateways []gateway
		want     string
	}{
		{"of the interface with the best default route", []agentwire.Interface{eth0, local, eth1}, routes, "198.51.100.7"},
		{"any IPv4 address where no route leads out", []agentwire.Interface{six, eth0}, nil, "192.0.2.14"},
		{"IPv6 where there is no other", []agentwire.Interface{local, six}, routes, "2001:db8::14"},
		{"none on a host without network", []agentwire.Interface{{Name: "eth0"}}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := primaryAddress(test.found, test.gateways); got != test.want {
				t.Errorf("primaryAddress = %q, want %q", got, test.want)
			}
		})
	}
}
