package vault

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/hidden"
)

const planted = "hvs.planted"

func TestSettingsAreRefusedByFieldValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	good := Settings{Address: "https://vault.example.org:8200/prefix", Token: hidden.New(planted)}
	role := Settings{Address: "http://127.0.0.1:8200", Auth: AuthAppRole, RoleID: "r", SecretID: hidden.New(planted), Namespace: "teams/soc/"}
	for _, s := range []Settings{good, role} {
		if err := s.Check(); err != nil {
			t.Error(err)
		}
	}
	for want, spoil := range map[string]func(*Settings){
		"Address of the vault is no URL":                              func(s *Settings) { s.Address = "" },
		"Address of the vault is no URL of a host alone":              func(s *Settings) { s.Address = "https://u:hvs.planted@vault" },
		"Address of the vault is no URL of a host alone; ":            func(s *Settings) { s.Address = "https://vault/?a=hvs.planted" },
		`Address of the vault is "http://vault.example.org"`:          func(s *Settings) { s.Address = "http://vault.example.org" },
		`Address of the vault is "http://127.0.0.1.example.org"`:      func(s *Settings) { s.Address = "http://127.0.0.1.example.org" },
		`Address of the vault is "unix://vault"`:                      func(s *Settings) { s.Address = "unix://vault/run" },
		`Mount of the vault is "a/../sys"; allowed: the path`:         func(s *Settings) { s.Mount = "a/../sys" },
		`Namespace of the vault is "/a"; allowed: a path`:             func(s *Settings) { s.Namespace = "/a" },
		`Timeout of the vault is "1h0m0s"; allowed: 1s to 1m0s, or 0`: func(s *Settings) { s.Timeout = time.Hour },
		"CA of the vault holds no certificate":                        func(s *Settings) { s.CA = "x" },
		"The vault has no Token":                                      func(s *Settings) { s.Token = hidden.Text{} },
		"The vault has no Token that can be sent":                     func(s *Settings) { s.Token = hidden.New("hvs.planted\r\n") },
		`Auth of the vault is "ldap"; allowed: token or approle`:      func(s *Settings) { s.Auth = "ldap" },
		`RoleID of the vault is "a b"`:                                func(s *Settings) { *s = role; s.RoleID = "a b" },
		"The vault has no SecretID":                                   func(s *Settings) { *s = role; s.SecretID = hidden.Text{} },
		`AuthMount of the vault is "../sys"`:                          func(s *Settings) { *s = role; s.AuthMount = "../sys" },
	} {
		s := good
		spoil(&s)
		if err := s.Check(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), planted) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v", good, role, &role); strings.Contains(shown, planted) {
		t.Errorf("shown: %s", shown)
	}
}

func TestAnItemStaysBelowItsMount(t *testing.T) {
	t.Parallel()
	for _, item := range []Item{{"qualys", "password"}, {"teams/soc/qualys api", "Client Secret"}, {"a/data/b", "ä"}} {
		if err := item.Check(); err != nil {
			t.Error(err)
		}
	}
	for _, item := range []Item{
		{"", "a"}, {"/a", "a"}, {"a/", "a"}, {"a//b", "a"}, {"../sys/raw", "a"}, {"a/..", "a"}, {"./a", "a"}, {"a\nb", "a"}, {strings.Repeat("a", 513), "a"},
		{"a", ""}, {"a", "a\x00"}, {"a", strings.Repeat("a", 257)}, {"a\xff", "a"},
	} {
		if err := item.Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", item, err)
		}
	}
}

func TestAFailureIsAnEntryOfTheErrorTab(t *testing.T) {
	t.Parallel()
	f := &Failure{Kind: Sealed, StatusCode: 503, Message: "The vault vault.example.org is sealed.", Resolution: "Unseal it."}
	if got, want := f.Entry().Text(), "Fetch Credential failed.\nStatus Code: 503.\nMessage: The vault vault.example.org is sealed.\nUnseal it.\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
