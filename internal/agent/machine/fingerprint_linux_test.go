package machine

import "testing"

func TestFingerprint(t *testing.T) {
	t.Parallel()
	const id, other = "4c4c4544-0042-3510-8054-b4c04f4d3232", "4c4c4544-0042-3510-8054-b4c04f4d3233"
	macs := func(list ...string) func() []string { return func() []string { return list } }
	machine := hardware{productUUID: id, serial: "S1", boardSerial: "B1"}
	original := machine.fingerprint("m1", macs("02:00:00:00:00:01"))
	for _, test := range []struct {
		name string
		got  string
		same bool
	}{
		{"an added network card", machine.fingerprint("m1", macs("02:00:00:00:00:01", "02:00:00:00:00:02")), true},
		{"no network card", hardware{productUUID: id, serial: "S1", boardSerial: "B1"}.fingerprint("m1", macs()), true},
		{"the product id in capitals", hardware{productUUID: "4C4C4544-0042-3510-8054-B4C04F4D3232", serial: "S1", boardSerial: "B1"}.fingerprint("m1", macs()), true},
		{"a copy of the disk in another machine", hardware{productUUID: other, serial: "S1", boardSerial: "B1"}.fingerprint("m1", macs("02:00:00:00:00:01")), false},
		{"another installation on the machine", machine.fingerprint("m2", macs("02:00:00:00:00:01")), false},
	} {
		if same := test.got == original; same != test.same {
			t.Errorf("%s: same fingerprint is %t, want %t", test.name, same, test.same)
		}
	}
	if got := (hardware{}).fingerprint("", macs()); got != "" {
		t.Errorf("a machine that nothing is known of has fingerprint %q, want none", got)
	}
	for _, useless := range []string{"", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "03000200-0400-0500-0006-000700080009", "Not Settable"} {
		board := hardware{productUUID: useless, serial: "S1"}
		if board.fingerprint("m1", macs("02:00:00:00:00:01")) == board.fingerprint("m1", macs("02:00:00:00:00:02")) {
			t.Errorf("product id %q tells two machines with different network cards apart from nothing", useless)
		}
	}
}

func TestThisMachineHasOneFingerprint(t *testing.T) {
	t.Parallel()
	if first, again := Fingerprint("m1"), Fingerprint("m1"); first != again || first == Fingerprint("m2") {
		t.Errorf("fingerprints %q and %q of one machine", first, again)
	}
}
