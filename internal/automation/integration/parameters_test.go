package integration

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func qualys(t *testing.T) Integration {
	t.Helper()
	i, ok := Find("qualys-cloud-agent")
	if !ok {
		t.Fatal("there is no integration qualys-cloud-agent")
	}
	return i
}

func TestTheFormOfAConnectionIsFilledAsPublished(t *testing.T) {
	t.Parallel()
	got, err := qualys(t).CheckParameters(map[string]string{
		"Qualys API Server URL": " qualysapi.qg2.apps.qualys.com/ ", "Username": "acme_ab1", "Password": " s3cret ",
	})
	want := map[string]string{
		"serverUrl": "https://qualysapi.qg2.apps.qualys.com", "username": "acme_ab1", "password": " s3cret ", "apiVersion": "2.0", "allowHttp": "false",
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, parameters (-want +got):\n%s", err, diff)
	}
}

func TestEveryPlatformOfThePickListIsAServerURL(t *testing.T) {
	t.Parallel()
	for _, p := range qualys(t).Platforms {
		checked, err := qualys(t).CheckParameters(map[string]string{"serverUrl": p.URL, "username": "u", "password": "p"})
		private := strings.Contains(p.URL, "<")
		switch {
		case private && (err == nil || !strings.Contains(err.Error(), "Qualys API Server URL has a part in angle brackets")):
			t.Errorf("%s: error = %v, want a refusal of the angle brackets", p.Name, err)
		case !private && (err != nil || checked["serverUrl"] != p.URL):
			t.Errorf("%s: %q, %v, want %q", p.Name, checked["serverUrl"], err, p.URL)
		}
	}
}

func TestServerURLs(t *testing.T) {
	t.Parallel()
	tests := []struct{ given, allowHTTP, want, wrong string }{
		{given: "https://Platform.Example:8443/", want: "https://platform.example:8443"},
		{given: "https://platform.example:443", want: "https://platform.example"},
		{given: "10.0.0.7:8443", want: "https://10.0.0.7:8443"},
		{given: "https://[::1]:8443//", want: "https://[::1]:8443"},
		{given: "[2001:db8::1]", want: "https://[2001:db8::1]"},
		{given: "http://localhost:8080", allowHTTP: "True", want: "http://localhost:8080"},
		{given: "http://localhost:80", allowHTTP: "true", want: "http://localhost"},
		{given: "http://localhost", wrong: "has http://, use https://"},
		{given: "ftp://platform.example", wrong: "another scheme"},
		{given: "https://platform.example/qps/rest", wrong: "has a path"},
		{given: "https://platform.example/?a=b", wrong: "has a path"},
		{given: "https://platform.example/#a", wrong: "has a path"},
		{given: "https://user:hunter22@platform.example", wrong: "holds credentials"},
		{given: "user:hunter22@platform.example", wrong: "holds credentials"},
		{given: "https://platform.example:0", wrong: "has port 0"},
		{given: "https://platform.example:70000", wrong: "has port 70000"},
		{given: "https://platform.example:", wrong: "colon without a port"},
		{given: "https://", wrong: "no host name"},
		{given: "-qualysapi.qualys.com", wrong: "no host name"},
		{given: "https://plat form.example", wrong: "cannot be read"},
		{given: "https://platform_x.example", wrong: "no host name"},
		{given: "", wrong: "is required"},
	}
	for _, tt := range tests {
		t.Run(tt.given, func(t *testing.T) {
			t.Parallel()
			got, err := qualys(t).CheckParameters(map[string]string{"serverUrl": tt.given, "username": "u", "password": "p", "allowHttp": tt.allowHTTP})
			switch {
			case tt.wrong == "" && (err != nil || got["serverUrl"] != tt.want):
				t.Errorf("%q, %v, want %q", got["serverUrl"], err, tt.want)
			case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), "Qualys API Server URL ") || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("error = %v, want one about Qualys API Server URL with %q", err, tt.wrong)
			case err != nil && strings.Contains(err.Error(), "hunter22"):
				t.Errorf("error %q repeats a password", err)
			}
		})
	}
}

func TestOtherParametersThatAreWrong(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, parameter, value, want string }{
		{"a-version-that-is-none", "apiVersion", "v2", `API Version "v2" is not allowed, use a number such as 2.0.`},
		{"a-version-with-a-path", "API Version", "2.0/../3.0", "API Version"},
		{"no-user", "username", " ", "Username is required."},
		{"a-colon-in-the-user", "username", "a:b", "Username has a colon"},
		{"no-password", "password", "", "Password is required."},
		{"a-line-feed-in-the-password", "password", "hunter22\n", "Password has control characters"},
		{"a-long-password", "password", strings.Repeat("hunter22", 4000), "Password has 32000 bytes, at most 16384 are allowed."},
		{"a-certificate-that-is-none", "caCertificate", "hunter22", "CA Certificate holds no certificate"},
		{"a-switch-that-is-none", "allowHttp", "perhaps", `Allow HTTP "perhaps" is not allowed, use True or False.`},
		{"an-unknown-parameter", "token", "hunter22", `Qualys Cloud Agent has no parameter "token".`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			values := map[string]string{"serverUrl": "platform.example", "username": "u", "password": "p"}
			if p, ok := qualys(t).Parameter(tt.parameter); ok {
				values[p.Name] = tt.value
			} else {
				values[tt.parameter] = tt.value
			}
			_, err := qualys(t).CheckParameters(values)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter22") {
				t.Errorf("error %q repeats a value that may be secret", err)
			}
		})
	}
}

func TestAPasswordOfTheVaultIsNotGivenByHand(t *testing.T) {
	t.Parallel()
	values := map[string]string{"serverUrl": "platform.example", "username": "u"}
	checked, err := qualys(t).CheckParameters(values, ParameterPassword)
	if _, has := checked["password"]; err != nil || has {
		t.Errorf("parameters = %v, %v, want none for the password and no error", checked, err)
	}
	values["password"] = "p"
	if _, err := qualys(t).CheckParameters(values, ParameterPassword); err == nil || !strings.Contains(err.Error(), "Password comes from the password vault") {
		t.Errorf("error = %v, want a refusal of the password", err)
	}
}

func TestIntegrationsAreFoundByText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 2, "qualys": 1, "VULNERABILITY man": 1, "password vault": 1, "firewall": 0} {
		if got := Search(text); len(got) != want {
			t.Errorf("search %q found %d, want %d", text, len(got), want)
		}
	}
}
