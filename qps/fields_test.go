package qps

import (
	"errors"
	"strings"
	"testing"
)

func TestFieldsSelectTheSameInBothForms(t *testing.T) {
	t.Parallel()
	host := &HostAsset{
		ID: 1, Name: "n", Tags: []TagSimple{{5, "t"}, {6, "u"}}, OS: "o",
		AgentInfo: &AgentInfo{AgentID: "a", Status: AgentActive, AgentConfiguration: AgentConfiguration{3, "c"}},
		Sources: []Source{&UnknownSource{&Node{Name: "Oci", Children: []*Node{
			{Name: "type", Text: "OCI"}, {Name: "deep", Children: []*Node{{Name: "x", Text: "1"}, {Name: "y", Text: "2"}}},
		}}}},
	}
	const tags = `"tags":{"list":[{"TagSimple":{"id":5}},{"TagSimple":{"id":6}}]}`
	const allTags = `"tags":{"list":[{"TagSimple":{"id":5,"name":"t"}},{"TagSimple":{"id":6,"name":"u"}}]}`
	tests := []struct{ name, fields, want string }{
		{"scalars", "id,name", `"id":1,"name":"n"`},
		{"document order, not parameter order", "name,id", `"id":1,"name":"n"`},
		{"blanks and empty paths", " id ,, name,", `"id":1,"name":"n"`},
		{"inside an object", "agentInfo.agentId", `"agentInfo":{"agentId":"a"}`},
		{"whole object", "agentInfo.agentConfiguration", `"agentInfo":{"agentConfiguration":{"id":3,"name":"c"}}`},
		{"inside list items", "tags.list.TagSimple.id", tags},
		{"any step", "tags.*.*.id", tags},
		{"whole collection", "tags", allTags},
		{"whole list", "tags.list", allTags},
		{"collection and a part of it", "tags.list.TagSimple.id,tags", allTags},
		{"a part after the collection", "tags,tags.list.TagSimple.id", allTags},
		{"any step and a name", "tags.list.TagSimple.id,tags.list.*.name", allTags},
		{"item of another name", "tags.list.Tag.id", `"tags":{"list":[]}`},
		{"wrong step after the collection", "tags.set.TagSimple", ``},
		{"names of nothing", "nothing,agentInfo.nothing", `"agentInfo":{}`},
		{"case matters", "ID,Name", ``},
		{"path beyond a scalar", "id.x,name", `"name":"n"`},
		{"raw elements", "sourceInfo.list.Oci.deep.y", `"sourceInfo":{"list":[{"Oci":{"deep":{"y":"2"}}}]}`},
		{"raw elements, other branch", "sourceInfo.list.Oci.type", `"sourceInfo":{"list":[{"Oci":{"type":"OCI"}}]}`},
		{"plain source", "sourceInfo.list.AssetSource", `"sourceInfo":{"list":[{"AssetSource":{}}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fields, err := ParseFields(tt.fields)
			if err != nil {
				t.Fatal(err)
			}
			resp := NewPage("", []Record{host}, false, 1)
			want := `{"ServiceResponse":{"responseCode":"SUCCESS","count":1,"hasMoreRecords":"false","lastId":1,"data":[{"HostAsset":{` + tt.want + `}}]}}`
			inJSON := string(AppendResponse(nil, JSON, resp, fields))
			if inJSON != want {
				t.Errorf("got  %s\nwant %s", inJSON, want)
			}
			if inXML := namesOf(t, AppendResponse(nil, XML, resp, fields), XML); inXML != namesOf(t, []byte(inJSON), JSON) {
				t.Errorf("xml selects other elements:\n%s\n%s", inXML, inJSON)
			}
		})
	}
}

// namesOf lists the elements of a document in order.
func namesOf(t *testing.T, document []byte, form Form) string {
	t.Helper()
	b := &builder{root: responseElement}
	parse := parseXML
	if form == JSON {
		parse = parseJSON
	}
	if err := parse(strings.NewReader(string(document)), b); err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(n *Node)
	walk = func(n *Node) {
		names = append(names, n.Name)
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(b.envelope())
	return strings.Join(names, " ")
}

func TestNoFieldsMeanEverything(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", " ", ",", " , "} {
		if fields, err := ParseFields(s); fields != nil || err != nil {
			t.Errorf("ParseFields(%q) = %v, %v; want nil, nil", s, fields, err)
		}
	}
}

func TestBadFieldsAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, fields, message string }{
		{"empty step", "id,tags..id", "'tags..id'"},
		{"leading dot", ".id", "'.id'"},
		{"markup", "<id>", "'<id>'"},
		{"blank inside", "id name", "'id name'"},
		{"partial wildcard", "tag*", "'tag*'"},
		{"too deep", strings.Repeat("a.", MaxDepth) + "a", "more than 32 steps"},
		{"too many", strings.Repeat("id,", MaxFieldPaths+1), "more than 200 paths"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseFields(tt.fields)
			var reqErr *RequestError
			if !errors.As(err, &reqErr) || reqErr.Code != CodeInvalidRequest || !strings.Contains(reqErr.Message, tt.message) || reqErr.Resolution == "" {
				t.Errorf("got %v, want INVALID_REQUEST with %q", err, tt.message)
			}
		})
	}
}
