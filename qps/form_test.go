package qps

import (
	"testing"
	"time"
)

func TestAcceptChoosesTheFormOfTheAnswer(t *testing.T) {
	t.Parallel()
	tests := map[string]Form{
		"":                                       XML,
		"*/*":                                    XML,
		"text/html":                              XML,
		"text/xml":                               XML,
		"application/xml":                        XML,
		"application/json":                       JSON,
		"Application/JSON; charset=utf-8":        JSON,
		"application/json, text/plain, */*":      JSON,
		"application/xml, application/json":      XML,
		"application/json, application/xml":      JSON,
		"application/xml;q=0.5,application/json": JSON,
		"application/json;q=0.5,application/xml": XML,
		"application/json; q=0":                  XML,
		"application/vnd.qps+json":               JSON,
		"application/json;q=oops":                JSON,
	}
	for accept, want := range tests {
		if got := AcceptForm(accept); got != want {
			t.Errorf("AcceptForm(%q) = %v, want %v", accept, got, want)
		}
	}
}

func TestContentTypesHaveNoCharset(t *testing.T) {
	t.Parallel()
	for form, want := range map[Form]string{XML: "application/xml", JSON: "application/json"} {
		if got := form.ContentType(); got != want {
			t.Errorf("%v: got %q, want %q", form, got, want)
		}
	}
}

func TestTimesAreReadInEveryDocumentedFormat(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Time{
		"2031-04-01":                  time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC),
		"2031-04-01T06:12:44Z":        time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC),
		"2031-04-01T06:12:44.123456Z": time.Date(2031, 4, 1, 6, 12, 44, 123456000, time.UTC),
		"2031-04-01T06:12:44+02:00":   time.Date(2031, 4, 1, 4, 12, 44, 0, time.UTC),
		"\t2031-04-01\n":              time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC),
	}
	for in, want := range tests {
		got, err := ParseTime(in)
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "yesterday", "2031-13-01", "2031-02-30", "04/01/2031", "2031-04-01T06:12:44", "2031-04-01 06:12:44"} {
		if got, err := ParseTime(in); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", in, got)
		}
	}
}

func TestTimesAreWrittenInUTCToTheSecond(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", -7*3600)
	tests := map[time.Time]string{
		time.Date(2031, 4, 1, 6, 12, 44, 999_999_999, zone): "2031-04-01T13:12:44Z",
		{}: "",
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC):     "",
		time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC):        "",
		time.Date(0, 12, 31, 23, 59, 59, 0, time.UTC):    "",
		time.Date(9999, 12, 31, 23, 0, 0, 0, zone):       "",
		time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC):         "0001-01-01T00:00:01Z",
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC): "9999-12-31T23:59:59Z",
	}
	for in, want := range tests {
		if got := FormatTime(in); got != want {
			t.Errorf("FormatTime(%v) = %q, want %q", in, got, want)
		}
	}
}
