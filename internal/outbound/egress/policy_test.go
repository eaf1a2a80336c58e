package egress_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"vedette.dev/vedette/internal/outbound/egress"
)

func TestMetadataServicesAreRefusedInEveryFormOfTheirAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"169.254.169.254", "169.254.170.2", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "::169.254.169.254",
		"fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd20:ce::254", "168.63.129.16", "::ffff:168.63.129.16", "100.100.100.200", "192.0.0.192",
		"0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1",
	} {
		for _, policy := range []egress.Policy{{}, {NoPrivate: true}} {
			a := netip.MustParseAddr(address)
			refused, ok := errors.AsType[*egress.RefusedError](policy.Check(a))
			if !ok || refused.Why == "" || refused.Address != a {
				t.Errorf("%+v allows %s: %v", policy, address, refused)
			}
		}
	}
	if (egress.Policy{}).Check(netip.Addr{}) == nil {
		t.Error("no address is allowed")
	}
}

func TestPrivateAddressesAreRefusedWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1", "fd12:3456::1", "fc00::1",
		"64:ff9b::10.0.0.1", "2002:7f00:1::1", "::ffff:192.168.0.1", "2001:db8::1", "192.0.2.1",
	} {
		a := netip.MustParseAddr(address)
		if err := (egress.Policy{}).Check(a); err != nil {
			t.Errorf("by default: %v", err)
		}
		if (egress.Policy{NoPrivate: true}).Check(a) == nil {
			t.Errorf("without private ones, %s is allowed", address)
		}
	}
}

func TestWhatIsNotEncryptedStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	for address, allowed := range map[string]bool{"127.0.0.1": true, "::1": true, "::ffff:127.0.0.2": true, "10.0.0.1": false, "8.8.8.8": false, "64:ff9b::127.0.0.1": false} {
		if err := (egress.Policy{OnlyLoopback: true}).Check(netip.MustParseAddr(address)); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "169.253.0.1", "169.255.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::1", "100.128.0.1"} {
		if err := (egress.Policy{NoPrivate: true}).Check(netip.MustParseAddr(address)); err != nil {
			t.Error(err)
		}
	}
}

func TestADialerJudgesWhatANameResolvesTo(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())

	connected, err := egress.Policy{}.Dialer(5*time.Second).DialContext(t.Context(), "tcp4", "localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = connected.Close()

	_, err = egress.Policy{NoPrivate: true}.Dialer(5*time.Second).DialContext(t.Context(), "tcp4", "localhost:"+port)
	if refused, ok := errors.AsType[*egress.RefusedError](err); !ok || !refused.Address.IsLoopback() {
		t.Errorf("dialed localhost without private addresses: %v", err)
	}
	_, err = egress.Policy{}.Dialer(5*time.Second).DialContext(t.Context(), "tcp", "169.254.169.254:80")
	if _, ok := errors.AsType[*egress.RefusedError](err); !ok {
		t.Errorf("dialed a metadata service: %v", err)
	}
}
