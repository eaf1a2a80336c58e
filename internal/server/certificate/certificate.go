// Package certificate issues the TLS certificates of a platform that has no
// others: one authority of its own, made at the first start, and a server
// certificate that is renewed in time. Authority is the main type.
//
// Clients trust the authority by its file or by its fingerprint. It signs
// nothing but this platform's server certificates.
package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// serverLife is below the 398 days that browsers accept.
	serverLife = 390 * 24 * time.Hour
	// renewBefore is how long before its end a server certificate is replaced at
	// the next start.
	renewBefore = 60 * 24 * time.Hour
	// backdate allows for clients whose clock is behind.
	backdate = time.Hour
)

// Authority is a certificate authority. It is immutable and safe for concurrent
// use.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes an authority with a key of its own.
func NewAuthority(name string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign authority certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back authority certificate: %w", err)
	}
	return &Authority{certificate: certificate, key: key}, nil
}

// LoadAuthority reads an authority from its PEM files.
func LoadAuthority(certificatePEM, keyPEM []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(certificatePEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, errors.New("read authority: not an ECDSA certificate authority")
	}
	return &Authority{certificate: pair.Leaf, key: key}, nil
}

// PEM returns the authority's certificate and private key as PEM files.
func (a *Authority) PEM() (certificatePEM, keyPEM []byte, err error) {
	return pemPair(a.certificate.Raw, a.key)
}

// Fingerprint returns the SHA-256 of the authority's certificate in hexadecimal.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// DER returns the authority's certificate as Fingerprint digests it. The caller
// does not change it.
func (a *Authority) DER() []byte { return a.certificate.Raw }

// Issue signs a server certificate for the given host names and addresses.
func (a *Authority) Issue(hosts []string, now time.Time) (certificatePEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make server key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: hosts[0]},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(serverLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign server certificate: %w", err)
	}
	return pemPair(der, key)
}

// Usable reports whether a server certificate was issued by this authority,
// stands for all hosts and does not end soon.
func (a *Authority) Usable(certificatePEM []byte, hosts []string, now time.Time) bool {
	block, _ := pem.Decode(certificatePEM)
	if block == nil {
		return false
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil || certificate.CheckSignatureFrom(a.certificate) != nil || now.Add(renewBefore).After(certificate.NotAfter) {
		return false
	}
	return !slices.ContainsFunc(hosts, func(host string) bool { return certificate.VerifyHostname(host) != nil })
}

func pemPair(der []byte, key *ecdsa.PrivateKey) (certificatePEM, keyPEM []byte, err error) {
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

func serial() *big.Int {
	raw := make([]byte, 16)
	rand.Read(raw)
	raw[0] &= 0x7f // serial numbers are positive
	return new(big.Int).SetBytes(raw)
}
