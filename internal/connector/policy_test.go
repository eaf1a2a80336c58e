package connector_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files")

func TestPoliciesAndTemplatesReadAsTheyAreReviewed(t *testing.T) {
	t.Parallel()
	trust, err := connector.TrustPolicy(connector.GovCloud, "012345678901", "vedette-4f2a:17")
	if err != nil {
		t.Fatal(err)
	}
	template, err := connector.RoleTemplate(connector.China, "vedette", "arn:aws-cn:iam::012345678901:user/vedette", "vedette-4f2a:17")
	if err != nil {
		t.Fatal(err)
	}
	for name, render := range map[string]func() ([]byte, error){
		"permission.json": connector.PermissionPolicy().JSON,
		"permission.yaml": connector.PermissionPolicy().YAML,
		"caller.json":     connector.CallerPolicy(connector.Commercial).JSON,
		"trust.json":      trust.JSON,
		"trust.yaml":      trust.YAML,
		"template.json":   template.JSON,
		"template.yaml":   template.YAML,
	} {
		got, err := render()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", "policy", name)
		if *update {
			if err := os.WriteFile(file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatAWSWouldNotTakeIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, role, principal, externalID, want string
	}{
		{"short account", "", "12345678901", "some-id", `the principal "12345678901" is neither`},
		{"principal of everybody", "", "*", "some-id", `the principal "*" is neither`},
		{"principal of another partition", "", "arn:aws:iam::123456789012:root", "some-id", "is not of partition aws-us-gov (US GovCloud)"},
		{"no external id", "", "123456789012", "", `the external id ""`},
		{"external id with a quote", "", "123456789012", `a"b`, `the external id "a\"b"`},
		{"external id of one character", "", "123456789012", "x", `the external id "x"`},
		{"external id too long", "", "123456789012", strings.Repeat("x", 1225), `does not have 2 to 1224`},
		{"role name with a path", "a/b", "123456789012", "some-id", `the role name "a/b"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := connector.RoleTemplate(connector.GovCloud, tt.role, tt.principal, tt.externalID)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
