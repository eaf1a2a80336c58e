package qps

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func fullTag() *Tag {
	return &Tag{
		ID: 51077, Name: `Edge <west> & "co"`, ParentTagID: 51000, Created: at(1, 0), Modified: at(2, 0), Color: "#2A6F97",
		RuleType: "NETWORK_RANGE", RuleText: "192.0.2.0-192.0.2.31", CriticalityScore: 4, Description: "edge", Provider: "EC2",
		SrcAssetGroupID: 7, SrcBusinessUnitID: 8, SrcOperatingSystemName: "Rocky Linux 9.3", ReservedType: "R", CreatedBy: "admin",
		ReEvalStatus: "QUEUED", Children: []TagSimple{{51078, "Edge west"}, {51079, "Edge east"}},
	}
}

func TestTagsMatchTheGoldenFilesAndReadBack(t *testing.T) {
	t.Parallel()
	for name, resp := range map[string]*Response{
		"tag":  NewResult(SchemaTag, fullTag()),
		"tags": NewPage(SchemaTag, []Record{fullTag(), &Tag{ID: 9_000_000_000_001}}, true, 9_000_000_000_001),
	} {
		for _, form := range forms {
			t.Run(name+"."+form.String(), func(t *testing.T) {
				t.Parallel()
				body := AppendResponse(nil, form, resp, nil)
				golden(t, name+"."+form.String(), body)
				if diff := cmp.Diff(resp.Records, decodeResponse(t, form, body).Records); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func ptr[T any](v T) *T { return &v }

// dataOf decodes the first object of a request.
func dataOf(t *testing.T, body string) *Node {
	t.Helper()
	req, err := DecodeRequest(strings.NewReader(body), "")
	if err != nil {
		t.Fatal(err)
	}
	return req.Data.Children[0]
}

func TestTagChangesReadTheSameFromBothForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, xml, json string
		want            TagChange
	}{
		{
			"a tree", `<Tag><name> Edge </name><color>#2A6F97</color><parentTagId>51000</parentTagId><ruleType>OS_REGEX</ruleType><ruleText> x </ruleText>
				<children><set><TagSimple><name>West</name></TagSimple><Tag><name>East</name><children><set><TagSimple><id>5</id></TagSimple></set></children></Tag></set></children></Tag>`,
			`{"name":"Edge","color":"#2A6F97","parentTagId":51000,"ruleType":"OS_REGEX","ruleText":" x ",
				"children":{"set":{"TagSimple":[{"name":"West"}],"Tag":[{"name":"East","children":{"set":{"TagSimple":{"id":"5"}}}}]}}}`,
			TagChange{
				Name: ptr("Edge"), Color: ptr("#2A6F97"), ParentTagID: ptr[int64](51000), RuleType: ptr("OS_REGEX"), RuleText: ptr(" x "),
				Children: &TagChildren{Replace: true, Add: []TagChange{{Name: ptr("West")}, {
					Name: ptr("East"), Children: &TagChildren{Replace: true, Add: []TagChange{{ID: ptr[int64](5)}}},
				}}},
			},
		},
		{
			"children to remove", `<Tag><id>7</id><children><remove><TagSimple><id>51078</id></TagSimple></remove></children></Tag>`,
			`{"id":7,"children":{"remove":{"TagSimple":[{"id":51078}]}}}`,
			TagChange{ID: ptr[int64](7), Children: &TagChildren{Remove: []int64{51078}}},
		},
		{
			"what a client read before", `<Tag><name>n</name><created>2031-04-01T08:00:00Z</created><parentTagId></parentTagId><children><list><TagSimple><id>3</id><name>c</name></TagSimple></list></children></Tag>`,
			`{"name":"n","created":"2031-04-01T08:00:00Z","parentTagId":"","children":{"list":[{"TagSimple":{"id":3,"name":"c"}}]}}`,
			TagChange{Name: ptr("n"), ParentTagID: ptr[int64](0), Children: &TagChildren{Replace: true, Add: []TagChange{{ID: ptr[int64](3), Name: ptr("c")}}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{
				"<ServiceRequest><data>" + tc.xml + "</data></ServiceRequest>", `{"ServiceRequest":{"data":{"Tag":` + tc.json + `}}}`,
				string(EncodeRequest(XML, &Request{Data: &Node{Name: "data", Children: []*Node{tc.want.Node()}}})),
			} {
				got, err := ParseTagChange(dataOf(t, body))
				if err != nil {
					t.Fatalf("%v\n%s", err, body)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s\n(-want +got):\n%s", body, diff)
				}
			}
		})
	}
}

func TestTagAssignmentsReadTheSameFromBothForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, xml, json string
		want            TagAssignment
	}{
		{
			"add and remove", `<HostAsset><tags><add><TagSimple><id>51077</id></TagSimple></add><remove><TagSimple><id>51020</id></TagSimple></remove></tags></HostAsset>`,
			`{"HostAsset":{"tags":{"add":{"TagSimple":[{"id":"51077"}]},"remove":{"TagSimple":{"id":51020}}}}}`,
			TagAssignment{Add: []int64{51077}, Remove: []int64{51020}},
		},
		{
			"set", `<Asset><tags><set><Tag><id>1</id></Tag><Tag><id>2</id></Tag></set></tags></Asset>`, `{"Asset":{"tags":{"set":{"Tag":[{"id":1},{"id":2}]}}}}`,
			TagAssignment{Replace: true, Add: []int64{1, 2}},
		},
		{"set to nothing", `<HostAsset><tags><set/></tags></HostAsset>`, `{"HostAsset":{"tags":{"set":{}}}}`, TagAssignment{Replace: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{
				"<ServiceRequest><data>" + tc.xml + "</data></ServiceRequest>", `{"ServiceRequest":{"data":` + tc.json + `}}`,
				string(EncodeRequest(XML, &Request{Data: &Node{Name: "data", Children: []*Node{tc.want.Node()}}})),
			} {
				got, err := ParseTagAssignment(dataOf(t, body))
				if err != nil {
					t.Fatalf("%v\n%s", err, body)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s\n(-want +got):\n%s", body, diff)
				}
			}
		})
	}
}

func TestWrongTagElementsAreNamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, data, says string }{
		{"misspelled element", `<Tag><title>x</title></Tag>`, "'title'"},
		{"element given twice", `<Tag><name>x</name><name>y</name></Tag>`, "'name' is given more than once"},
		{"parent that is no number", `<Tag><parentTagId>x1</parentTagId></Tag>`, "'x1' for 'parentTagId'"},
		{"number beyond 64 bits", `<Tag><id>9223372036854775808</id></Tag>`, "9223372036854775808"},
		{"unknown action on children", `<Tag><children><drop/></children></Tag>`, "'drop'"},
		{"unknown child", `<Tag><children><set><Asset/></set></children></Tag>`, "'Asset'"},
		{"set and remove", `<Tag><children><set/><remove><TagSimple><id>1</id></TagSimple></remove></children></Tag>`, "set and remove"},
		{"set and add", `<Tag><children><set/><add/></children></Tag>`, "set and another"},
		{"child to remove without an id", `<Tag><children><remove><TagSimple><name>x</name></TagSimple></remove></children></Tag>`, "no id"},
		{"asset without a change", `<HostAsset></HostAsset>`, "nothing to change"},
		{"asset with empty tags", `<HostAsset><tags/></HostAsset>`, "nothing to change"},
		{"another element of an asset", `<HostAsset><name>x</name></HostAsset>`, "'name' cannot be changed"},
		{"unknown action on tags", `<HostAsset><tags><update/></tags></HostAsset>`, "'update'"},
		{"set and add of an asset", `<HostAsset><tags><set/><add><TagSimple><id>1</id></TagSimple></add></tags></HostAsset>`, "set is given together"},
		{"tag by name alone", `<HostAsset><tags><add><TagSimple><name>x</name></TagSimple></add></tags></HostAsset>`, "no id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			n := dataOf(t, "<ServiceRequest><data>"+tc.data+"</data></ServiceRequest>")
			var err error
			if n.Name == "Tag" {
				_, err = ParseTagChange(n)
			} else {
				_, err = ParseTagAssignment(n)
			}
			refused, ok := errors.AsType[*RequestError](err)
			if !ok || refused.Code != CodeInvalidRequest || refused.Resolution == "" || !strings.Contains(refused.Message, tc.says) {
				t.Errorf("got %v, want INVALID_REQUEST with %q", err, tc.says)
			}
		})
	}
}
