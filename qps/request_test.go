package qps

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

var cmpNodes = cmp.AllowUnexported(Node{}, attribute{})

func decodeRequest(t *testing.T, body, contentType string) *Request {
	t.Helper()
	req, err := DecodeRequest(strings.NewReader(body), contentType)
	if err != nil {
		t.Fatalf("decode %q: %v", body, err)
	}
	return req
}

func TestRequestsOfRealClientsAreUnderstood(t *testing.T) {
	t.Parallel()
	empty := &Request{Preferences: DefaultPreferences()}
	cloudAgent := []Criterion{{"tagName", OpEquals, "Cloud Agent"}}
	byTag := &Request{Preferences: DefaultPreferences(), Criteria: cloudAgent}
	tests := []struct {
		name, contentType, body string
		want                    *Request
	}{
		{"no body", "", "", empty},
		{"white space only", "text/xml", " \r\n\t", empty},
		{"no body declared as json", "application/json", "", empty},
		{"empty envelope", "text/xml", "<ServiceRequest></ServiceRequest>", empty},
		{"self-closed envelope", "text/xml", "<ServiceRequest/>", empty},
		{"blank between declaration and root", "text/xml", `<?xml version="1.0" encoding="UTF-8" ?> <ServiceRequest/>`, empty},
		{"byte order mark", "text/xml", "\uFEFF<ServiceRequest/>", empty},
		{"comment after the root", "text/xml", "<ServiceRequest/><!-- done -->", empty},
		{"bare id as json", "application/json", "12345", empty},
		{"bare id without type", "", "12345", empty},
		{"bare string as json", "application/json", `"12345"`, empty},
		{"null", "application/json", "null", empty},
		{"empty object", "application/json", "{}", empty},
		{"empty json envelope", "application/json", `{"ServiceRequest":{}}`, empty},
		{"null json envelope", "application/json", `{"ServiceRequest":null}`, empty},
		{"empty filters", "text/xml", "<ServiceRequest><filters/></ServiceRequest>", empty},
		{"xml without type", "", `<ServiceRequest><filters><Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria></filters></ServiceRequest>`, byTag},
		{"xml with the type curl sends", "application/x-www-form-urlencoded", `<ServiceRequest><filters><Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria></filters></ServiceRequest>`, byTag},
		{"json without type", "", `{"ServiceRequest":{"filters":{"Criteria":[{"field":"tagName","operator":"EQUALS","value":"Cloud Agent"}]}}}`, byTag},
		{"one criterion as object", "application/json; charset=UTF-8", `{"ServiceRequest":{"filters":{"Criteria":{"value":"Cloud Agent","operator":"EQUALS","field":"tagName"}}}}`, byTag},
		{"filters as array", "application/json", `{"ServiceRequest":{"filters":[{"Criteria":{"value":"Cloud Agent","operator":"EQUALS","field":"tagName"}}]}}`, byTag},
		{"white space in a criterion", "text/xml", "<ServiceRequest><filters>\n<Criteria field=\" tagName \" operator=\"equals\">\n  Cloud Agent\n</Criteria></filters></ServiceRequest>", byTag},
		{"comment and cdata in a value", "text/xml", "<ServiceRequest><filters><Criteria field='tagName' operator='EQUALS'>Cloud<!-- x --> <![CDATA[Agent]]></Criteria></filters></ServiceRequest>", byTag},
		{"namespace on the root", "text/xml", `<q:ServiceRequest xmlns:q="urn:x" xmlns="urn:y"><q:filters><Criteria xmlns="urn:z" field="tagName" q:operator="EQUALS">Cloud Agent</Criteria></q:filters></q:ServiceRequest>`, byTag},
		{"numbers in json", "application/json", `{"ServiceRequest":{"preferences":{"limitResults":7,"startFromOffset":"3"},"filters":{"Criteria":[{"field":"id","operator":"GREATER","value":9007199254740993}]}}}`,
			&Request{Preferences: Preferences{7, 3, 0}, Criteria: []Criterion{{"id", OpGreater, "9007199254740993"}}}},
		{"booleans in json", "application/json", `{"ServiceRequest":{"filters":{"Criteria":[{"field":"isDisabled","operator":"EQUALS","value":true}]}}}`,
			&Request{Preferences: DefaultPreferences(), Criteria: []Criterion{{"isDisabled", OpEquals, "true"}}}},
		{"every preference, filters first", "text/xml", `<ServiceRequest><filters><Criteria field="id" operator="IN">1,2</Criteria></filters><preferences><limitResults> 1000 </limitResults><startFromOffset>0</startFromOffset><startFromId>4712</startFromId><verbose>true</verbose></preferences></ServiceRequest>`,
			&Request{Preferences: Preferences{1000, 1, 4712}, Criteria: []Criterion{{"id", OpIn, "1,2"}}}},
		{"empty preference", "text/xml", `<ServiceRequest><preferences><limitResults/></preferences></ServiceRequest>`, empty},
		{"repeated field and spread operator", "text/xml", `<ServiceRequest><filters><Criteria field="tagName" operator="EQUALS">A</Criteria><Criteria field="tagName" operator="NOT  EQUALS">B</Criteria></filters></ServiceRequest>`,
			&Request{Preferences: DefaultPreferences(), Criteria: []Criterion{{"tagName", OpEquals, "A"}, {"tagName", OpNotEquals, "B"}}}},
		{"escaped value", "text/xml", `<ServiceRequest><filters><Criteria field="name" operator="CONTAINS">a&lt;b&amp;&apos;&quot;&gt;&#x20AC;</Criteria></filters></ServiceRequest>`,
			&Request{Preferences: DefaultPreferences(), Criteria: []Criterion{{"name", OpContains, `a<b&'">€`}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, decodeRequest(t, tt.body, tt.contentType), cmpNodes); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEverySpellingOfACollectionGivesTheSameTree(t *testing.T) {
	t.Parallel()
	tag := func(id string) *Node {
		return &Node{Name: "TagSimple", Children: []*Node{{Name: "id", Text: id}}}
	}
	one, two := []*Node{tag("1")}, []*Node{tag("1"), tag("2")}
	envelope := func(tags string) string { return `{"ServiceRequest":{"data":{"HostAsset":{"tags":` + tags + `}}}}` }
	tests := []struct {
		name, body, collection string
		want                   []*Node
	}{
		{"xml list", `<ServiceRequest><data><HostAsset><tags><list><TagSimple><id>1</id></TagSimple><TagSimple><id>2</id></TagSimple></list></tags></HostAsset></data></ServiceRequest>`, "list", two},
		{"xml add", "<ServiceRequest><data><HostAsset><tags>\n<add>\n<TagSimple><id>1</id></TagSimple></add></tags></HostAsset></data></ServiceRequest>", "add", one},
		{"array of one-key objects", envelope(`{"list":[{"TagSimple":{"id":1}},{"TagSimple":{"id":2}}]}`), "list", two},
		{"object with an array", envelope(`{"list":{"TagSimple":[{"id":"1"},{"id":"2"}]}}`), "list", two},
		{"object with one object", envelope(`{"set":{"TagSimple":{"id":1}}}`), "set", one},
		{"set with an array", envelope(`{"set":{"TagSimple":[{"id":1},{"id":2}]}}`), "set", two},
		{"remove as array", envelope(`{"remove":[{"TagSimple":{"id":1}}]}`), "remove", one},
		{"array of objects with arrays", envelope(`{"list":[{"TagSimple":[{"id":1},{"id":2}]}]}`), "list", two},
		{"data as array", `{"ServiceRequest":{"data":[{"HostAsset":{"tags":{"list":[{"TagSimple":{"id":1}}]}}}]}}`, "list", one},
		{"empty list", envelope(`{"list":[]}`), "list", nil},
		{"empty items", envelope(`{"list":{"TagSimple":[]}}`), "list", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := decodeRequest(t, tt.body, "")
			list := req.Data.Child("HostAsset").Child("tags").Child(tt.collection)
			if list == nil {
				t.Fatalf("there is no %s", tt.collection)
			}
			if diff := cmp.Diff(tt.want, list.Children, cmpNodes); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func criteria(n int) string {
	return `<ServiceRequest><filters>` + strings.Repeat(`<Criteria field="id" operator="EQUALS">1</Criteria>`, n) + `</filters></ServiceRequest>`
}

func TestBadRequestsAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	xmlCriteria := func(c string) string { return `<ServiceRequest><filters>` + c + `</filters></ServiceRequest>` }
	xmlPreference := func(p string) string { return `<ServiceRequest><preferences>` + p + `</preferences></ServiceRequest>` }
	tests := []struct {
		name, body string
		code       ResponseCode
		message    string // part of the message
		resolution string // part of the resolution
	}{
		{"doctype", `<!DOCTYPE x [<!ENTITY e "x">]><ServiceRequest/>`, CodeInvalidXML, "document types", "without a document type"},
		{"external entity", `<!DOCTYPE x SYSTEM "file:///etc/passwd"><ServiceRequest/>`, CodeInvalidXML, "document types", ""},
		{"billion laughs", `<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><ServiceRequest>&b;</ServiceRequest>`, CodeInvalidXML, "document types", ""},
		{"undeclared entity", xmlCriteria(`<Criteria field="name" operator="EQUALS">&nbsp;</Criteria>`), CodeInvalidXML, "entity", ""},
		{"second root", `<ServiceRequest/><ServiceRequest/>`, CodeInvalidXML, "second ServiceRequest", ""},
		{"other second root", `<ServiceRequest/><x/>`, CodeInvalidXML, `root element is "x"`, ""},
		{"trailing garbage", `<ServiceRequest/>garbage`, CodeInvalidXML, "outside of the root", ""},
		{"leading garbage declared as xml", `garbage<ServiceRequest/>`, CodeInvalidXML, "outside of the root", ""},
		{"other root", `<html/>`, CodeInvalidXML, `"html" instead of ServiceRequest`, ""},
		{"declaration only", `<?xml version="1.0"?>`, CodeInvalidXML, "no ServiceRequest", ""},
		{"not closed", `<ServiceRequest><filters>`, CodeInvalidXML, "unexpected EOF", ""},
		{"crossed tags", `<ServiceRequest><filters></ServiceRequest></filters>`, CodeInvalidXML, "closed by", ""},
		{"other encoding", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><ServiceRequest/>", CodeInvalidXML, "encoding", ""},
		{"invalid utf-8", xmlCriteria("<Criteria field=\"name\" operator=\"EQUALS\">\xff\xfe</Criteria>"), CodeInvalidXML, "0xFF is not valid UTF-8", ""},
		{"control character", xmlCriteria("<Criteria field=\"name\" operator=\"EQUALS\">a\x00</Criteria>"), CodeInvalidXML, "U+0000", ""},
		{"referenced control character", xmlCriteria("<Criteria field=\"name\" operator=\"EQUALS\">a&#1;</Criteria>"), CodeInvalidXML, "illegal character", ""},
		{"noncharacter", xmlCriteria("<Criteria field=\"name\" operator=\"EQUALS\">\uFFFF</Criteria>"), CodeInvalidXML, "U+FFFF", ""},
		{"depth 10,000", strings.Repeat("<ServiceRequest>", 1) + strings.Repeat("<a>", 10_000) + strings.Repeat("</a>", 10_000) + "</ServiceRequest>", CodeInvalidXML, "more than 32 deep", ""},
		{"100,001 elements", `<ServiceRequest><data>` + strings.Repeat("<a/>", MaxNodes) + `</data></ServiceRequest>`, CodeInvalidXML, "more than 100000 elements", ""},
		{"many attributes", `<ServiceRequest a1="" a2="" a3="" a4="" a5="" a6="" a7="" a8="" a9="" b1="" b2="" b3="" b4="" b5="" b6="" b7="" b8=""/>`, CodeInvalidXML, "more than 16 attributes", ""},
		{"attribute twice", xmlCriteria(`<Criteria field="id" field="name" operator="EQUALS">1</Criteria>`), CodeInvalidXML, `"field" twice`, ""},

		{"json cut off", `{"ServiceRequest":{`, CodeInvalidRequest, "unexpected EOF", "member ServiceRequest"},
		{"json with trailing garbage", `{"ServiceRequest":{}} x`, CodeInvalidRequest, "invalid character", ""},
		{"second json value", `{"ServiceRequest":{}}{}`, CodeInvalidRequest, "more after the first value", ""},
		{"json array", `[1]`, CodeInvalidRequest, "array", ""},
		{"json without envelope", `{"filters":{}}`, CodeInvalidRequest, `"filters" instead of ServiceRequest`, ""},
		{"json envelope twice", `{"ServiceRequest":{},"ServiceRequest":{}}`, CodeInvalidRequest, "second ServiceRequest", ""},
		{"json depth 10,000", strings.Repeat(`{"ServiceRequest":`, 1) + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_001), CodeInvalidRequest, "more than 32 deep", ""},
		{"json arrays in depth", `{"ServiceRequest":{"a":` + strings.Repeat("[", 10_000), CodeInvalidRequest, "array inside an array", ""},
		{"json list of scalars", `{"ServiceRequest":{"data":{"Tag":{"children":{"list":[5]}}}}}`, CodeInvalidRequest, "not an object", ""},
		{"json control character", `{"ServiceRequest":{"filters":{"Criteria":{"field":"name","operator":"EQUALS","value":"a\u0000"}}}}`, CodeInvalidRequest, "U+0000", ""},
		{"json invalid utf-8", "{\"ServiceRequest\":{\"filters\":{\"Criteria\":{\"field\":\"\xff\"}}}}", CodeInvalidRequest, "UTF-8", ""},
		{"json name with markup", `{"ServiceRequest":{"data":{"a><b":1}}}`, CodeInvalidRequest, "not an element name", ""},

		{"unknown part", `<ServiceRequest><Filters/></ServiceRequest>`, CodeInvalidRequest, "'Filters'", "preferences, filters, data"},
		{"filters twice", `<ServiceRequest><filters/><filters/></ServiceRequest>`, CodeInvalidXML, `second filters in "ServiceRequest"`, ""},
		{"preferences twice", `<ServiceRequest><preferences/><preferences/></ServiceRequest>`, CodeInvalidRequest, "'preferences'", ""},
		{"data twice", `<ServiceRequest><data/><data/></ServiceRequest>`, CodeInvalidXML, "second data", ""},
		{"filters twice in json", `{"ServiceRequest":{"filters":{},"filters":{}}}`, CodeInvalidRequest, "second filters", ""},
		{"collection twice", `<ServiceRequest><data><HostAsset><tags><add/><remove/><add/></tags></HostAsset></data></ServiceRequest>`, CodeInvalidXML, `second add in "tags"`, ""},
		{"text in the envelope", `<ServiceRequest>everything</ServiceRequest>`, CodeInvalidRequest, "'everything'", ""},
		{"text in filters", `<ServiceRequest><filters>id=1</filters></ServiceRequest>`, CodeInvalidRequest, "'id=1'", ""},
		{"misspelled criterion", xmlCriteria(`<criteria field="id" operator="EQUALS">1</criteria>`), CodeInvalidRequest, "'criteria'", "Criteria"},
		{"criterion without field", xmlCriteria(`<Criteria operator="EQUALS">1</Criteria>`), CodeInvalidRequest, "field is missing", ""},
		{"criterion without operator", xmlCriteria(`<Criteria field="id">1</Criteria>`), CodeInvalidRequest, "unknown operator '' for criteria 'id'", "EQUALS, NOT EQUALS, GREATER, LESSER, IN, CONTAINS"},
		{"unknown operator", xmlCriteria(`<Criteria field="id" operator="LIKE">1</Criteria>`), CodeInvalidRequest, "'LIKE'", "CONTAINS"},
		{"value array", `{"ServiceRequest":{"filters":{"Criteria":{"field":"id","operator":"IN","value":[1,2]}}}}`, CodeInvalidRequest, "'value' is given more than once", "comma-separated"},
		{"too many criteria", criteria(MaxCriteria + 1), CodeInvalidRequest, "101 criteria", "at most 100"},
		{"a huge number of criteria", criteria(50_000), CodeInvalidRequest, "50000 criteria", "at most 100"},
		{"limitResults 0", xmlPreference(`<limitResults>0</limitResults>`), CodeInvalidRequest, "'0' for 'limitResults'", "from 1 to 1000"},
		{"limitResults 5000", xmlPreference(`<limitResults>5000</limitResults>`), CodeInvalidRequest, "'5000' for 'limitResults'", "from 1 to 1000"},
		{"limitResults 5000 in json", `{"ServiceRequest":{"preferences":{"limitResults":5000}}}`, CodeInvalidRequest, "'5000' for 'limitResults'", ""},
		{"limitResults as object", `{"ServiceRequest":{"preferences":{"limitResults":{"a":1}}}}`, CodeInvalidRequest, "'limitResults'", ""},
		{"limitResults word", xmlPreference(`<limitResults>many</limitResults>`), CodeInvalidRequest, "'many'", "integer"},
		{"limitResults twice", xmlPreference(`<limitResults>1</limitResults><limitResults>2</limitResults>`), CodeInvalidRequest, "more than once", ""},
		{"negative offset", xmlPreference(`<startFromOffset>-1</startFromOffset>`), CodeInvalidRequest, "'-1' for 'startFromOffset'", "at least 0"},
		{"id beyond 64 bits", xmlPreference(`<startFromId>99999999999999999999</startFromId>`), CodeInvalidRequest, "startFromId", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			contentType := "application/xml"
			if sniffForm([]byte(tt.body)) == JSON && tt.code != CodeInvalidXML {
				contentType = "application/json"
			}
			_, err := DecodeRequest(strings.NewReader(tt.body), contentType)
			var reqErr *RequestError
			if !errors.As(err, &reqErr) {
				t.Fatalf("got %v, want a RequestError", err)
			}
			if reqErr.Code != tt.code || !strings.Contains(reqErr.Message, tt.message) || !strings.Contains(reqErr.Resolution, tt.resolution) {
				t.Errorf("got %s: %s / %s\nwant %s with %q and %q", reqErr.Code, reqErr.Message, reqErr.Resolution, tt.code, tt.message, tt.resolution)
			}
			if errors.Is(err, ErrTooLarge) {
				t.Errorf("%v counts as too large", err)
			}
		})
	}
}

func TestABodyOfTenMegabytesIsTooLargeInBothForms(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat("x", 10<<20)
	for form, body := range map[Form]string{
		XML:  "<ServiceRequest><data>" + filler + "</data></ServiceRequest>",
		JSON: `{"ServiceRequest":{"data":"` + filler + `"}}`,
	} {
		_, err := DecodeRequest(strings.NewReader(body), form.ContentType())
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: got %v, want ErrTooLarge", form, err)
		}
		if want := fmt.Sprint(MaxRequestBytes); err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q does not name the limit %s", form, err, want)
		}
	}
}

func TestALargeValueIsNotRepeatedInTheError(t *testing.T) {
	t.Parallel()
	body := `<ServiceRequest><filters><Criteria field="id" operator="` + strings.Repeat("é", 1<<20) + `">1</Criteria></filters></ServiceRequest>`
	_, err := DecodeRequest(strings.NewReader(body), "text/xml")
	if err == nil || len(err.Error()) > 400 {
		t.Fatalf("got an error of %d bytes", len(fmt.Sprint(err)))
	}
	if err := checkCharacters([]byte(err.Error())); err != nil {
		t.Errorf("the value is cut inside a character: %v", err)
	}
}

func TestAnErrorOfTheReaderIsNotTheClientsFault(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	_, err := DecodeRequest(iotest.ErrReader(broken), "text/xml")
	var reqErr *RequestError
	if !errors.Is(err, broken) || errors.As(err, &reqErr) {
		t.Errorf("got %v, want the reader's error and no RequestError", err)
	}
}

func TestEncodedRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		req       *Request
		xml, json string
	}{
		{"empty", &Request{}, `<ServiceRequest/>`, `{"ServiceRequest":{}}`},
		{"defaults are left out", &Request{Preferences: DefaultPreferences()}, `<ServiceRequest/>`, `{"ServiceRequest":{}}`},
		{
			"search",
			&Request{Preferences: Preferences{200, 1, 9}, Criteria: []Criterion{{"a\"b\n\tc", OpNotEquals, `<&'>`}}},
			"<ServiceRequest>\n  <preferences>\n    <limitResults>200</limitResults>\n    <startFromId>9</startFromId>\n  </preferences>\n  <filters>\n" +
				`    <Criteria field="a&quot;b&#xa;&#x9;c" operator="NOT EQUALS">&lt;&amp;&apos;&gt;</Criteria>` + "\n  </filters>\n</ServiceRequest>",
			`{"ServiceRequest":{"preferences":{"limitResults":200,"startFromId":9},"filters":{"Criteria":[{"field":"a\"b\u000a\u0009c","operator":"NOT EQUALS","value":"<&'>"}]}}}`,
		},
		{
			"data",
			&Request{Data: &Node{Name: "data", Children: []*Node{{Name: "HostAsset", Children: []*Node{{Name: "tags", Children: []*Node{
				{Name: "add", Children: []*Node{{Name: "TagSimple", Children: []*Node{{Name: "id", Text: "1"}}}, {Name: "TagSimple", Children: []*Node{{Name: "id", Text: "2"}}}}},
			}}}}}}},
			"<ServiceRequest>\n  <data>\n    <HostAsset>\n      <tags>\n        <add>\n          <TagSimple>\n            <id>1</id>\n          </TagSimple>\n" +
				"          <TagSimple>\n            <id>2</id>\n          </TagSimple>\n        </add>\n      </tags>\n    </HostAsset>\n  </data>\n</ServiceRequest>",
			`{"ServiceRequest":{"data":{"HostAsset":{"tags":{"add":{"TagSimple":[{"id":"1"},{"id":"2"}]}}}}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(xmlDeclaration+"\n"+tt.xml+"\n", string(EncodeRequest(XML, tt.req))); diff != "" {
				t.Errorf("xml (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.json, string(EncodeRequest(JSON, tt.req))); diff != "" {
				t.Errorf("json (-want +got):\n%s", diff)
			}
		})
	}
}
