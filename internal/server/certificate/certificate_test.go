package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority("Vedette test", now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnIssuedCertificateIsTrustedByItsAuthorityAlone(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t), newAuthority(t)
	certPEM, keyPEM, err := ours.Issue([]string{"127.0.0.1", "localhost", "::1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		authority *Authority
		host      string
		trusted   bool
	}{
		{"address", ours, "127.0.0.1", true},
		{"name", ours, "localhost", true},
		{"other name", ours, "example.net", false},
		{"other authority", other, "localhost", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			roots := x509.NewCertPool()
			roots.AddCert(test.authority.certificate)
			_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: test.host, CurrentTime: now})
			if (err == nil) != test.trusted {
				t.Errorf("verify: %v, want trusted %v", err, test.trusted)
			}
		})
	}
}

func TestAnAuthoritySurvivesItsFiles(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	certPEM, keyPEM, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadAuthority(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	if again.Fingerprint() != a.Fingerprint() {
		t.Errorf("fingerprint %s became %s", a.Fingerprint(), again.Fingerprint())
	}
	serverPEM, serverKey, err := again.Issue([]string{"localhost"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadAuthority(serverPEM, serverKey); err == nil {
		t.Error("a server certificate was taken for an authority")
	}
	if _, err := LoadAuthority([]byte("x"), keyPEM); err == nil {
		t.Error("a damaged file was taken for an authority")
	}
}

func TestAServerCertificateIsReplacedWhenItNoLongerServes(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	certPEM, _, err := a.Issue([]string{"127.0.0.1", "localhost"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		pem    []byte
		hosts  []string
		at     time.Time
		usable bool
	}{
		{"fresh", certPEM, []string{"localhost", "127.0.0.1"}, now, true},
		{"a host more", certPEM, []string{"localhost", "edge.example.net"}, now, false},
		{"ends soon", certPEM, []string{"localhost"}, now.Add(serverLife - renewBefore + time.Hour), false},
		{"damaged", []byte("-----"), []string{"localhost"}, now, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := a.Usable(test.pem, test.hosts, test.at); got != test.usable {
				t.Errorf("usable %v, want %v", got, test.usable)
			}
		})
	}
	if newAuthority(t).Usable(certPEM, []string{"localhost"}, now) {
		t.Error("a certificate of another authority is usable")
	}
}
