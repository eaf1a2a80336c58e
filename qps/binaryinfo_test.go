package qps

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func somePackages() *AllBinaryInfo {
	return &AllBinaryInfo{Platforms: []BinaryPlatform{
		{Name: "LINUX/X_64", Version: "2.0.0", Hash: "Hash-SHA-256: " + strings.Repeat("0f", 32), Extension: ".rpm"},
		{Name: `<ours> & "theirs"`, Version: "5.8.1.21", Hash: "Hash-SHA-512: " + strings.Repeat("a0", 64), Extension: ".exe"},
	}}
}

func TestAgentPackagesMatchTheGoldenFilesAndReadBack(t *testing.T) {
	t.Parallel()
	one := &AllBinaryInfo{Platforms: somePackages().Platforms[:1]}
	for name, info := range map[string]*AllBinaryInfo{"packages": somePackages(), "package": one, "no-packages": {}} {
		for _, form := range forms {
			t.Run(name+"."+form.String(), func(t *testing.T) {
				t.Parallel()
				body := AppendResponse(nil, form, NewResult(SchemaBinaryInfo, info), nil)
				golden(t, name+"."+form.String(), body)
				if diff := cmp.Diff([]Record{info}, decodeResponse(t, form, body).Records); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestAnyAgentPackagesReadBackFromBothForms(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[!-~]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		info := &AllBinaryInfo{}
		for range rapid.IntRange(0, 4).Draw(t, "packages") {
			info.Platforms = append(info.Platforms, BinaryPlatform{
				Name: word.Draw(t, "name"), Version: word.Draw(t, "version"), Hash: word.Draw(t, "hash"), Extension: word.Draw(t, "extension"),
			})
		}
		for _, form := range forms {
			body := AppendResponse(nil, form, NewResult(SchemaBinaryInfo, info), nil)
			resp, err := DecodeResponse(strings.NewReader(string(body)), form)
			if err != nil {
				t.Fatalf("decode %v: %v\n%s", form, err, body)
			}
			if diff := cmp.Diff([]Record{info}, resp.Records); diff != "" {
				t.Errorf("%v (-want +got):\n%s", form, diff)
			}
		}
	})
}

func TestAgentPackagesAreReadInEveryShape(t *testing.T) {
	t.Parallel()
	want := []BinaryPlatform{{Name: "LINUX/X_64", Version: "1.0"}, {Name: "WINDOWS/X_86_64", Hash: "Hash-SHA-256: 0f"}}
	for name, platforms := range map[string]string{
		"siblings":         `{"Platform":[{"name":"LINUX/X_64","version":"1.0"},{"name":"WINDOWS/X_86_64","hash":" Hash-SHA-256: 0f "}]}`,
		"a list":           `{"list":[{"Platform":{"name":"LINUX/X_64","version":"1.0"}},{"Platform":{"name":"WINDOWS/X_86_64","hash":"Hash-SHA-256: 0f"}}]}`,
		"one-key objects":  `[{"Platform":{"name":"LINUX/X_64","version":"1.0"}},{"Platform":{"name":"WINDOWS/X_86_64","hash":"Hash-SHA-256: 0f"}}]`,
		"unknown elements": `{"total":2,"Platform":[{"name":"LINUX/X_64","version":"1.0","size":7},{"name":"WINDOWS/X_86_64","hash":"Hash-SHA-256: 0f"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp := decodeResponse(t, JSON, []byte(`{"ServiceResponse":{"responseCode":"SUCCESS","data":[{"AllBinaryInfo":{"platforms":`+platforms+`}}]}}`))
			if diff := cmp.Diff([]Record{&AllBinaryInfo{Platforms: want}}, resp.Records); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNamesOfAgentPackagesSayThePair(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		BinaryName("LINUX_UBUNTU", "X_64"): {"LINUX_UBUNTU", "X_64"},
		"LINUX":                            {},
		"linux/X_64":                       {},
		"ALL/ALL":                          {},
		"LINUX/X_64/1":                     {},
		"":                                 {},
	} {
		platform, architecture := BinaryPlatform{Name: name}.Pair()
		if got := [2]string{platform, architecture}; got != want {
			t.Errorf("%q is the pair %q, want %q", name, got, want)
		}
	}
}

func TestHashesOfAgentPackagesAreRead(t *testing.T) {
	t.Parallel()
	for hash, want := range map[string]struct {
		label string
		sum   []byte
		ok    bool
	}{
		BinaryHash(BinarySHA256, []byte{0x0f, 0xa0}): {BinarySHA256, []byte{0x0f, 0xa0}, true},
		"Hash-SHA-384:0FA0":                          {BinarySHA384, []byte{0x0f, 0xa0}, true},
		" Hash-MD5 : 0fa0 ":                          {"Hash-MD5", []byte{0x0f, 0xa0}, true},
		"0fa0":                                       {label: "0fa0"},
		"Hash-SHA-256:":                              {label: BinarySHA256},
		"Hash-SHA-256: 0fa":                          {label: BinarySHA256},
		"Hash-SHA-256: 0f: a0":                       {label: BinarySHA256},
		"":                                           {},
	} {
		label, sum, ok := ParseBinaryHash(hash)
		if ok != want.ok || label != want.label || ok && string(sum) != string(want.sum) {
			t.Errorf("%q is read as %q %x %v, want %+v", hash, label, sum, ok, want)
		}
	}
}
