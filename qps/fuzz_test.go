package qps

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzDecodeRequestXML(f *testing.F) {
	for _, seed := range []string{
		``, `<ServiceRequest/>`, `<!DOCTYPE x [<!ENTITY a "b">]><ServiceRequest>&a;</ServiceRequest>`,
		`<?xml version="1.0" encoding="UTF-8"?><ServiceRequest><preferences><limitResults>5</limitResults></preferences><filters>` +
			`<Criteria field="tagName" operator="EQUALS">Cloud Agent</Criteria></filters></ServiceRequest>`,
		`<ServiceRequest><data><HostAsset><tags><set><TagSimple><id>1</id></TagSimple></set></tags></HostAsset></data></ServiceRequest>`,
		"<ServiceRequest><filters><Criteria field=\"a&#10;b\" operator=\"IN\"> \r\n&#13;<![CDATA[]]]]>x</Criteria></filters></ServiceRequest>",
		`<a:ServiceRequest xmlns:a="urn:x" a:b="c"><a:data>t<!-- c --><x y="z"/></a:data></a:ServiceRequest>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkDecodeRequest(t, XML, body) })
}

func FuzzDecodeRequestJSON(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `12`, `{"ServiceRequest":null}`, `[[[[`, `{"ServiceRequest":{"data":{"a":[[]]}}}`,
		`{"ServiceRequest":{"preferences":{"limitResults":"5"},"filters":{"Criteria":[{"field":"id","operator":"IN","value":1e3}]}}}`,
		`{"ServiceRequest":{"data":{"Tag":{"children":{"set":{"TagSimple":[{"name":"a"},{"name":"b"}]},"list":[{"x":1},{"y":{}},{"x":2}]}}}}}`,
		`{"ServiceRequest":{"data":{"a":[1,{},"x",null,true],"list":"t","b":"\ud800\u0001"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkDecodeRequest(t, JSON, body) })
}

// checkDecodeRequest decodes any body: it must be refused as the client's
// fault, or stay within the limits and survive encoding.
func checkDecodeRequest(t *testing.T, form Form, body []byte) {
	t.Helper()
	req, err := DecodeRequest(bytes.NewReader(body), form.ContentType())
	if err != nil {
		var reqErr *RequestError
		if !errors.As(err, &reqErr) || reqErr.Message == "" || reqErr.Resolution == "" {
			t.Fatalf("%v is no complete RequestError", err)
		}
		return
	}
	if nodes, depth := measure(req.Data); nodes > MaxNodes || depth > MaxDepth-1 || len(req.Criteria) > MaxCriteria {
		t.Fatalf("limits exceeded: %d nodes, depth %d, %d criteria", nodes, depth, len(req.Criteria))
	}
	if p := req.Preferences; p.LimitResults < 1 || p.LimitResults > MaxLimitResults || p.StartFromOffset < 1 || p.StartFromID < 0 {
		t.Fatalf("preferences out of range: %+v", p)
	}
	want := *req
	want.Data = canonical(req.Data, form)
	encoded := EncodeRequest(form, req)
	again, err := DecodeRequest(bytes.NewReader(encoded), form.ContentType())
	if err != nil {
		t.Fatalf("the encoded request is refused: %v\n%s", err, encoded)
	}
	again.Data = canonical(again.Data, form)
	if diff := cmp.Diff(&want, again, cmpNodes); diff != "" {
		t.Fatalf("decode(encode(x)) differs (-want +got):\n%s\n%s", diff, encoded)
	}
}

func measure(n *Node) (nodes, depth int) {
	if n == nil {
		return 0, 0
	}
	nodes = 1
	for _, c := range n.Children {
		cn, cd := measure(c)
		nodes += cn
		depth = max(depth, cd)
	}
	return nodes, depth + 1
}

// canonical drops attributes, which data does not carry, and for JSON puts
// siblings of one name together, as members of an object are.
func canonical(n *Node, form Form) *Node {
	if n == nil {
		return nil
	}
	c := &Node{Name: n.Name, Text: n.Text}
	groups := [][]*Node{n.Children}
	if form == JSON && n.Name != "list" {
		groups = groupByName(n.Children)
	}
	for _, group := range groups {
		for _, child := range group {
			c.Children = append(c.Children, canonical(child, form))
		}
	}
	return c
}

func FuzzDecodeResponse(f *testing.F) {
	for _, form := range forms {
		f.Add(AppendResponse(nil, form, NewPage(SchemaHostAsset, []Record{fullHost(), bareAgent()}, true, 2), nil))
		f.Add(AppendResponse(nil, form, NewError("", CodeOtherError, "a'b", ""), nil))
		f.Add(AppendResponse(nil, form, NewResult("", &PortalVersion{"1", []ModuleVersion{{"A_B", "2"}}}, &QWebVersion{"1", "2", "3"}), nil))
		f.Add(AppendResponse(nil, form, NewResult("", &Unknown{&Node{Name: "Gadget", Children: []*Node{{Name: "id", Text: "1"}}}}), nil))
	}
	f.Add([]byte(`{"ServiceResponse":{"responseCode":"SUCCESS","data":{"HostAsset":[{"id":"1","<x>":{"list":[{"":[1,2]}]}}],"<y":{"a":1}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := DecodeResponse(bytes.NewReader(body), XML)
		if err != nil {
			return
		}
		// Whatever was accepted is written as a document that is accepted,
		// and writing settles after one pass.
		for _, form := range forms {
			first := AppendResponse(nil, form, resp, nil)
			again, err := DecodeResponse(bytes.NewReader(first), form)
			if err != nil {
				t.Fatalf("%v: the written response is refused: %v\n%s", form, err, first)
			}
			if len(again.Records) != len(resp.Records) && resp.Code == CodeSuccess {
				t.Fatalf("%v: %d records became %d\n%s", form, len(resp.Records), len(again.Records), first)
			}
			if form == XML {
				if second := AppendResponse(nil, XML, again, nil); !bytes.Equal(first[len(xmlDeclaration):], second[len(xmlDeclaration):]) {
					t.Fatalf("a second pass differs:\n%s\n%s", first, second)
				}
			}
		}
	})
}
