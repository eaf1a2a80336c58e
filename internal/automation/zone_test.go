package automation

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func TestEveryZoneOfTheListHasRules(t *testing.T) {
	t.Parallel()
	names := ZoneNames()
	if !slices.IsSorted(names) || len(names) < 500 {
		t.Fatalf("%d names, sorted: %t", len(names), slices.IsSorted(names))
	}
	for _, name := range names {
		zone, err := LoadZone(name)
		if err != nil || zone.String() != name {
			t.Errorf("LoadZone(%q) = %v, %v", name, zone, err)
		}
	}
}

func TestNoZoneIsUTC(t *testing.T) {
	t.Parallel()
	if zone, err := LoadZone(""); err != nil || zone != time.UTC {
		t.Errorf("LoadZone(\"\") = %v, %v", zone, err)
	}
}

func TestAnUnknownZoneIsRefusedWithTheOneThatWasMeant(t *testing.T) {
	t.Parallel()
	tests := []struct{ give, want string }{
		{"europe/berlin", `"europe/berlin" is no time zone, did you mean Europe/Berlin?`},
		{"Europe/Berln", `"Europe/Berln" is no time zone, did you mean Europe/Berlin?`},
		{"Berlin", `"Berlin" is no time zone, did you mean Europe/Berlin?`},
		{"New York", `"New York" is no time zone, did you mean America/New_York?`},
		{"America/New York", `"America/New York" is no time zone, did you mean America/New_York?`},
		{"Kathmandu", `"Kathmandu" is no time zone, did you mean Asia/Kathmandu?`},
		{"utc", `"utc" is no time zone, did you mean UTC?`},
		{"Local", `"Local" is no time zone, use a name of the IANA database such as UTC, Europe/Berlin or America/New_York`},
		{"posix/Europe/Berlin", `"posix/Europe/Berlin" is no time zone, use a name of the IANA database such as UTC, Europe/Berlin or America/New_York`},
		{"../../etc/passwd", `"../../etc/passwd" is no time zone, use a name of the IANA database such as UTC, Europe/Berlin or America/New_York`},
		{strings.Repeat("x", 2_000), `"` + strings.Repeat("x", 80) + `…" is no time zone, use a name of the IANA database such as UTC, Europe/Berlin or America/New_York`},
	}
	for _, tt := range tests {
		if _, err := LoadZone(tt.give); err == nil || err.Error() != tt.want {
			t.Errorf("LoadZone(%q)\n got %v\nwant %s", tt.give, err, tt.want)
		}
	}
}
