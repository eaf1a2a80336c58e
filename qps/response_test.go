package qps

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResponsesOfRealPlatformsAreUnderstood(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	host := func(h HostAsset) []Record { return []Record{&h} }
	wrap := func(data string) string {
		return `{"ServiceResponse":{"responseCode":"SUCCESS","data":` + data + `}}`
	}
	one := &Response{Code: CodeSuccess, Records: host(HostAsset{ID: 7, Name: "a"})}
	tests := []struct {
		name, body string
		want       *Response
	}{
		{"json data as array", wrap(`[{"HostAsset":{"id":7,"name":"a"}}]`), one},
		{"json data as object", wrap(`{"HostAsset":{"name":"a","id":"7"}}`), one},
		{"json data as object of an array", wrap(`{"HostAsset":[{"id":7,"name":"a"}]}`), one},
		{"xml", `<ServiceResponse><responseCode> SUCCESS </responseCode><data><HostAsset><id>
			7</id><name>a</name></HostAsset></data></ServiceResponse>`, one},
		{"xml with a default namespace", `<ServiceResponse xmlns="urn:x"><responseCode>SUCCESS</responseCode><data><HostAsset><id>7</id><name>a</name></HostAsset></data></ServiceResponse>`, one},
		{"byte order mark and blank lines", "\xEF\xBB\xBF\n\n<ServiceResponse><data><HostAsset><name>a</name><id>7</id></HostAsset></data><responseCode>SUCCESS</responseCode></ServiceResponse>", one},
		{"string booleans and numbers", `{"ServiceResponse":{"responseCode":"SUCCESS","count":"2","hasMoreRecords":"true","lastId":"9"}}`,
			&Response{Code: CodeSuccess, Count: 2, HasCount: true, HasMore: &yes, LastID: 9}},
		{"native booleans and numbers", `{"ServiceResponse":{"lastId":9,"hasMoreRecords":false,"count":2,"responseCode":"SUCCESS"}}`,
			&Response{Code: CodeSuccess, Count: 2, HasCount: true, HasMore: &no, LastID: 9}},
		{"error without resolution", `<ServiceResponse><responseCode>OTHER_ERROR</responseCode><responseErrorDetails><errorMessage>m</errorMessage></responseErrorDetails></ServiceResponse>`,
			&Response{Code: CodeOtherError, Error: &ErrorDetails{"m", ""}}},
		{"correctly spelled longitude", wrap(`[{"HostAsset":{"id":7,"agentInfo":{"locationGeoLongitude":"1.5"}}}]`),
			&Response{Code: CodeSuccess, Records: host(HostAsset{ID: 7, AgentInfo: &AgentInfo{LocationGeoLongitude: "1.5"}})}},
		{"misspelled longitude", wrap(`[{"HostAsset":{"id":7,"agentInfo":{"locationGeoLongtitude":-1.5}}}]`),
			&Response{Code: CodeSuccess, Records: host(HostAsset{ID: 7, AgentInfo: &AgentInfo{LocationGeoLongitude: "-1.5"}})}},
		{"modules with blanks", wrap(`[{"HostAsset":{"id":7,"isDockerHost":true,"agentInfo":{"activatedModule":"AGENT_VM, AGENT_PM,"}}}]`),
			&Response{Code: CodeSuccess, Records: host(HostAsset{ID: 7, IsDockerHost: true, AgentInfo: &AgentInfo{ActivatedModules: []string{"AGENT_VM", "AGENT_PM"}}})}},
		{"collections in every shape, missing and null", wrap(`[{"HostAsset":{"id":7,"tags":{"list":{"TagSimple":{"id":1,"name":"t"}}},
			"software":{"count":2,"list":[{"HostAssetSoftware":{"name":"x","version":1.10}},{"HostAssetSoftware":{}}]},"vuln":null,"account":{"list":[]},"volume":{}}}]`),
			&Response{Code: CodeSuccess, Records: host(HostAsset{ID: 7, Tags: []TagSimple{{1, "t"}}, Software: []Software{{"x", "1.10"}, {}}})}},
		{"unreadable optional values count as absent", wrap(`[{"HostAsset":{"id":7,"created":"yesterday","totalMemory":"lots"}}]`),
			&Response{Code: CodeSuccess, Records: host(HostAsset{ID: 7})}},
		{"ids beyond 2^53", wrap(`[{"HostAsset":{"id":9007199254740993,"qwebHostId":9223372036854775807}}]`),
			&Response{Code: CodeSuccess, Records: host(HostAsset{ID: 9007199254740993, QWebHostID: 9223372036854775807})}},
		{"unknown kind of record", wrap(`[{"Gadget":{"id":5,"name":"x"}},{"AgentAsset":{"id":3}}]`),
			&Response{Code: CodeSuccess, Records: []Record{&Unknown{&Node{Name: "Gadget", Children: []*Node{{Name: "id", Text: "5"}, {Name: "name", Text: "x"}}}}, &AgentAsset{3}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := decodeResponse(t, XML, []byte(tt.body))
			if diff := cmp.Diff(tt.want, got, cmpNodes); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoResponseIsAnError(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, message string }{
		{"empty", "", "body is empty"},
		{"html page", "<!DOCTYPE html><html><body>Service Unavailable</body></html>", "document types"},
		{"other root", "<html/>", `"html" instead of ServiceResponse`},
		{"plain text", "upstream connect error", "invalid character"},
		{"other json", `{"error":"x"}`, `"error" instead of ServiceResponse`},
		{"no code", `<ServiceResponse/>`, "no responseCode"},
		{"json scalar", `5`, "no responseCode"},
		{"cut off", `<ServiceResponse><responseCode>SUCCESS</responseCode><data><HostAsset><id>1</id></HostAsset>`, "unexpected EOF"},
		{"json cut off", `{"ServiceResponse":{"responseCode":"SUCCESS","data":[{"HostAsset":{"id":1}}`, "unexpected EOF"},
		{"record without id", `<ServiceResponse><responseCode>SUCCESS</responseCode><data><HostAsset><name>a</name></HostAsset></data></ServiceResponse>`, `HostAsset 1: id "" is not an integer`},
		{"asset with a bad id", `{"ServiceResponse":{"responseCode":"SUCCESS","data":[{"Asset":{"id":"x"}}]}}`, `Asset 1: id "x" is not an integer`},
		{"agent asset with a fractional id", `{"ServiceResponse":{"responseCode":"SUCCESS","data":[{"AgentAsset":{"id":1.5}}]}}`, `id "1.5"`},
		{"depth", `<ServiceResponse>` + strings.Repeat("<a>", 10_000), "more than 32 deep"},
		{"entities", `<ServiceResponse><responseCode>&x;</responseCode></ServiceResponse>`, "entity"},
		{"second root", `<ServiceResponse><responseCode>SUCCESS</responseCode></ServiceResponse><ServiceResponse/>`, "second ServiceResponse"},
		{"one record of 100,001 elements", `<ServiceResponse><data><Gadget>` + strings.Repeat("<a/>", MaxNodes), "more than 100000 elements"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, err := DecodeResponse(strings.NewReader(tt.body), JSON)
			if err == nil || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %+v, %v; want an error with %q", resp, err, tt.message)
			}
		})
	}
}

// records is an endless response, record after record.
type records struct{ pending []byte }

func (r *records) Read(p []byte) (int, error) {
	if len(r.pending) == 0 {
		r.pending = []byte(`<Other><v>` + strings.Repeat("x", 60_000) + `</v></Other>`)
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

func TestAResponseBeyondTheLimitIsTooLarge(t *testing.T) {
	t.Parallel()
	// Only the reader's limit is under test, so a small one is enough.
	endless := io.MultiReader(strings.NewReader(`<ServiceResponse><data>`), &records{})
	err := parseXML(&limitedReader{r: endless, left: 1 << 20}, &builder{root: responseElement, record: func(*Node) error { return nil }})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestAPageMayHaveMoreElementsThanOneRecord(t *testing.T) {
	t.Parallel()
	record := `<Gadget>` + strings.Repeat("<a/>", MaxNodes/4) + `</Gadget>`
	body := `<ServiceResponse><responseCode>SUCCESS</responseCode><data>` + strings.Repeat(record, 5) + `</data></ServiceResponse>`
	if resp := decodeResponse(t, XML, []byte(body)); len(resp.Records) != 5 {
		t.Errorf("got %d records, want 5", len(resp.Records))
	}
}

func TestAnErrorCarriesNothingButItsDetails(t *testing.T) {
	t.Parallel()
	resp := NewPage(SchemaHostAsset, []Record{bareAgent()}, true, 1)
	resp.Code, resp.Error = CodeOtherError, &ErrorDetails{Message: "m"}
	for _, form := range forms {
		body := string(AppendResponse(nil, form, resp, nil))
		for _, unwanted := range []string{"count", "hasMoreRecords", "lastId", "data"} {
			if strings.Contains(body, unwanted) {
				t.Errorf("%v: the error contains %s:\n%s", form, unwanted, body)
			}
		}
		for _, wanted := range []string{"errorMessage", "errorResolution"} {
			if !strings.Contains(body, wanted) {
				t.Errorf("%v: the error lacks %s:\n%s", form, wanted, body)
			}
		}
	}
}

func TestAppendResponseKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		got := AppendResponse([]byte("before"), form, NewCount("", 1), nil)
		if want := "before" + string(AppendResponse(nil, form, NewCount("", 1), nil)); string(got) != want {
			t.Errorf("%v: got %q, want %q", form, got, want)
		}
	}
}

func TestASchemaLocationIsEscaped(t *testing.T) {
	t.Parallel()
	resp := NewCount(`/x"y`, 1)
	resp.BaseURL = "https://a?b&c\n"
	got := string(AppendResponse(nil, XML, resp, nil))
	if want := `xsi:noNamespaceSchemaLocation="https://a?b&amp;c&#xa;/x&quot;y"`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if strings.Contains(string(AppendResponse(nil, XML, NewCount("", 1), nil)), "xsi") {
		t.Error("a response without schema declares the schema namespace")
	}
}

func TestResponseErrors(t *testing.T) {
	t.Parallel()
	if err := NewCount("", 1).Err(200); err != nil {
		t.Errorf("a success gives %v", err)
	}
	err := NewError("", CodeInvalidCredentials, "Authentication failed", "Verify both.").Err(401)
	want := &ResponseError{CodeInvalidCredentials, "Authentication failed", "Verify both.", 401}
	var got *ResponseError
	if !errors.As(err, &got) || *got != *want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want := "platform answered INVALID_CREDENTIALS (HTTP 401): Authentication failed Verify both."; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if got, want := (&Response{Code: CodeOtherError}).Err(0).Error(), "platform answered OTHER_ERROR"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTextIsWrittenAlikeInBothForms(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"markup", `<a href="x">&amp;'</a>`, `<a href="x">&amp;'</a>`},
		{"end of cdata", `]]>`, `]]>`},
		{"json escapes", `\u0041 "\`, `\u0041 "\`},
		{"white space", " a\tb\nc\rd\r\ne ", " a\tb\nc\rd\r\ne "},
		{"only blanks", "  ", "  "},
		{"control characters", "a\x00b\x1bc\x0bd", "a\uFFFDb\uFFFDc\uFFFDd"},
		{"delete", "a\x7f", "a\x7f"},
		{"invalid utf-8", "a\xffb\xc3", "a\uFFFDb\uFFFD"},
		{"encoded surrogate", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
		{"overlong slash", "\xc0\xaf", "\uFFFD\uFFFD"},
		{"noncharacters", "\uFFFE\uFFFF", "\uFFFD\uFFFD"},
		{"replacement character itself", "\uFFFD", "\uFFFD"},
		{"line separators and astral", "\u2028\U0001F600é", "\u2028\U0001F600é"},
		{"64 bytes of text and one escape", strings.Repeat("y", 64) + "&", strings.Repeat("y", 64) + "&"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, form := range forms {
				body := AppendResponse(nil, form, NewResult("", &HostAsset{ID: 1, Name: tt.text}), nil)
				if err := checkCharacters(body); err != nil {
					t.Errorf("%v: %v", form, err)
				}
				got := decodeResponse(t, form, body).Records[0].(*HostAsset).Name
				if got != tt.want {
					t.Errorf("%v: got %q, want %q", form, got, tt.want)
				}
			}
		})
	}
}

func TestNamesFromDataCannotBreakTheDocument(t *testing.T) {
	t.Parallel()
	hostile := `a><b x="`
	record := &Unknown{&Node{Name: hostile, Children: []*Node{
		{Name: hostile, Text: "1"}, {Name: "", Text: "2"}, {Name: "9é", Children: []*Node{{Name: "x", Text: "3"}, {Name: "x", Text: "4"}}},
	}}}
	host := bareAgent()
	host.AgentInfo.ManifestVersions = []ManifestVersion{{hostile, "v"}}
	version := &PortalVersion{Modules: []ModuleVersion{{hostile, "v"}}}
	resp := NewResult("", record, host, version)
	want := `{"ServiceResponse":{"responseCode":"SUCCESS","count":3,"data":[{"a__b_x__":{"a__b_x__":"1","_":"2","___":{"x":["3","4"]}}},`
	if got := string(AppendResponse(nil, JSON, resp, nil)); !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s…", got, want)
	}
	for _, form := range forms {
		body := AppendResponse(nil, form, resp, nil)
		if n := len(decodeResponse(t, form, body).Records); n != 3 {
			t.Errorf("%v: %d records, want 3:\n%s", form, n, body)
		}
	}
}

func TestIPv6AddressesOfInterfacesAreExpanded(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"fe80::1":                 "fe80:0:0:0:0:0:0:1",
		"fe80::1%eth0":            "fe80:0:0:0:0:0:0:1",
		"2001:DB8::00ff:0:1":      "2001:db8:0:0:0:ff:0:1",
		"::":                      "0:0:0:0:0:0:0:0",
		"::ffff:192.0.2.1":        "0:0:0:0:0:ffff:c000:201",
		"192.0.2.14":              "192.0.2.14",
		"not:an:address":          "not:an:address",
		"":                        "",
		"fe80:0:0:0:0:0:0:1":      "fe80:0:0:0:0:0:0:1",
		"fe80::1:2:3:4:5:6:7:8:9": "fe80::1:2:3:4:5:6:7:8:9",
	}
	for in, want := range tests {
		host := &HostAsset{ID: 1, NetworkInterfaces: []NetworkInterface{{Address: in, GatewayAddress: in}}}
		for _, form := range forms {
			got := decodeResponse(t, form, AppendResponse(nil, form, NewResult("", host), nil)).Records[0].(*HostAsset).NetworkInterfaces[0]
			if got.Address != want || got.GatewayAddress != want {
				t.Errorf("%v: %q is written as %q and %q, want %q", form, in, got.Address, got.GatewayAddress, want)
			}
		}
	}
}

func TestOutputIsAcceptedByTheStandardParsers(t *testing.T) {
	t.Parallel()
	for name, r := range goldenResponses(t) {
		if body := AppendResponse(nil, JSON, r.resp, r.fields); !json.Valid(body) {
			t.Errorf("%s: invalid JSON: %s", name, body)
		}
		var root struct {
			XMLName xml.Name `xml:"ServiceResponse"`
			Code    string   `xml:"responseCode"`
		}
		if err := xml.NewDecoder(bytes.NewReader(AppendResponse(nil, XML, r.resp, r.fields))).Decode(&root); err != nil || root.Code == "" {
			t.Errorf("%s: code %q, %v", name, root.Code, err)
		}
	}
}
