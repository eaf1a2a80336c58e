package notice

import (
	"crypto/x509"
	"fmt"
	"net/url"

	"vedette.dev/vedette/internal/fault"
)

// Target is where webhooks go.
type Target struct {
	// URL is https. To this machine, as localhost or by its address, it may be http.
	// It can be a credential by itself, as the URLs of chats are.
	URL string
	// CA are the certificates, in PEM, that the receiver's is signed by, instead of
	// those that this machine trusts. It may be empty.
	CA string
}

// Check refuses, as fault.Invalid, a target that nothing can or must be sent to, and
// returns its URL. It asks nobody.
func (t Target) Check() (*url.URL, error) {
	parsed, err := url.Parse(t.URL)
	if err != nil || parsed.Hostname() == "" || parsed.Scheme != "https" && parsed.Scheme != "http" || len(t.URL) > linkLimit || t.URL != Line(t.URL, linkLimit) {
		return nil, badURL(fmt.Sprintf("it is no URL of at most %d characters", linkLimit))
	}
	switch {
	case !isHost(parsed.Hostname()):
		return nil, badURL("its host is neither a name nor an address")
	case parsed.User != nil:
		return nil, badURL("it has a user name or a password, which are not sent")
	case parsed.Fragment != "":
		return nil, badURL("it has a fragment, which is not sent")
	case parsed.Scheme == "http" && !isThisMachine(parsed.Hostname()):
		return nil, badURL("it is http, and would carry messages in clear to another machine")
	}
	if _, err := authorities("webhook", t.CA); err != nil {
		return nil, err
	}
	return parsed, nil
}

// badURL does not repeat the URL, which may be a secret.
func badURL(why string) error {
	return fault.New(fault.Invalid, "URL of the webhook: "+why+".", "Use a URL such as https://soc.example.org/hooks/vedette; http only for localhost.")
}

// authorities returns the certificates of a CA setting, nil for those of this
// machine.
func authorities(of, ca string) (*x509.CertPool, error) {
	if ca == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if len(ca) > caLimit || !pool.AppendCertsFromPEM([]byte(ca)) {
		return nil, fault.New(fault.Invalid, "CA of the "+of+" settings holds no certificate.",
			fmt.Sprintf("Give one or more certificates in PEM, from -----BEGIN CERTIFICATE----- on, in at most %d KiB.", caLimit>>10))
	}
	return pool, nil
}

// caLimit bounds the certificates of a setting in bytes.
const caLimit = 64 << 10
