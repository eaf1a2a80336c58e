package qpsapi_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// tags keeps tags in memory under the rules of fleet.Forest.
type tags struct {
	all     []fleet.Tag
	changed []qps.TagAssignment // of hosts
	hosts   *hosts
}

var tagged = time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC)

func (s *tags) InsertTag(_ context.Context, t fleet.Tag) (int64, error) {
	t.ID = 51100 + int64(len(s.all))
	s.all = append(s.all, t)
	return t.ID, nil
}

func (s *tags) SaveTag(_ context.Context, t fleet.Tag) error {
	s.all[slices.IndexFunc(s.all, func(old fleet.Tag) bool { return old.ID == t.ID })] = t
	return nil
}

// atomically makes a change or leaves no trace of it.
func (s *tags) atomically(change func(f *fleet.Forest) error) error {
	before := slices.Clone(s.all)
	err := change(fleet.NewForest(s.all, s, tagged))
	if err != nil {
		s.all = before
	}
	return err
}

func (s *tags) Tags(context.Context) ([]fleet.Tag, error) { return slices.Clone(s.all), nil }

func (s *tags) CreateTag(ctx context.Context, c qps.TagChange) (id int64, err error) {
	err = s.atomically(func(f *fleet.Forest) error {
		id, err = f.Create(ctx, c)
		return err
	})
	return id, err
}

func (s *tags) UpdateTags(ctx context.Context, ids []int64, c qps.TagChange) error {
	return s.atomically(func(f *fleet.Forest) error {
		for _, id := range ids {
			if err := f.Update(ctx, id, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *tags) DeleteTags(_ context.Context, ids []int64) error {
	return s.atomically(func(f *fleet.Forest) error {
		if err := f.CheckDelete(ids); err != nil {
			return err
		}
		s.all = slices.DeleteFunc(s.all, func(t fleet.Tag) bool { return slices.Contains(ids, t.ID) })
		return nil
	})
}

func (s *tags) SearchHosts(ctx context.Context, q fleet.Query) (fleet.Page, error) {
	return s.hosts.SearchHosts(ctx, q)
}

func (s *tags) AssignTags(_ context.Context, hostIDs []int64, a qps.TagAssignment) ([]int64, error) {
	for _, id := range slices.Concat(a.Add, a.Remove) {
		if !slices.ContainsFunc(s.all, func(t fleet.Tag) bool { return t.ID == id }) {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("tags: there is no tag %d.", id), "Search for the ids of the tags there are.")
		}
	}
	s.changed = append(s.changed, a)
	var present []int64
	for _, h := range s.hosts.all {
		if slices.Contains(hostIDs, h.ID) {
			present = append(present, h.ID)
		}
	}
	return present, nil
}

// tagPlatform is a platform with the system tag 51001 and the tags 51002 Edge,
// 51003 Edge/West, 51004 Edge/East, which has a rule, and 51005 Old with the
// malformed color of an older day.
func tagPlatform() (*platform, *tags) {
	at := time.Date(2031, 1, 5, 8, 0, 0, 0, time.UTC)
	s := &tags{all: []fleet.Tag{
		{ID: 51001, Name: "Cloud Agent", System: true, RuleType: fleet.RuleStatic, Created: at},
		{ID: 51002, Name: "Edge", RuleType: fleet.RuleStatic, Color: "#2A6F97", Criticality: 4, Description: "at the <edge>", Created: at, Modified: at},
		{ID: 51003, ParentID: 51002, Name: "West", RuleType: fleet.RuleStatic, Created: at, Modified: at},
		{ID: 51004, ParentID: 51002, Name: "East", RuleType: fleet.RuleNetwork, RuleText: "192.0.2.0-192.0.2.31", Evaluating: true, Created: at, Modified: at},
		{ID: 51005, Name: "Old", RuleType: fleet.RuleCloudAsset, RuleText: "q", Provider: "EC2", Color: "#FF", Created: at},
	}}
	p := newPlatform(func(c *qpsapi.Config) {
		s.hosts = c.Hosts.(*hosts)
		c.Tags, c.Tagger = s, &fleet.Tagger{Assignments: s}
	})
	return p, s
}

func tagXML(elements string) string {
	return "<ServiceRequest><data><Tag>" + elements + "</Tag></data></ServiceRequest>"
}

func tagJSON(members string) string { return `{"ServiceRequest":{"data":{"Tag":{` + members + `}}}}` }

const (
	inTags   = "/qps/rest/2.0/%s/am/tag"
	treeXML  = `<name>Core</name><color>#abc</color><parentTagId>51002</parentTagId><ruleType>OS_REGEX</ruleType><ruleText>^Rocky</ruleText><criticalityScore>5</criticalityScore><children><set><TagSimple><name>North</name></TagSimple><TagSimple><name>South</name></TagSimple></set></children>`
	treeJSON = `"name":"Core","color":"#abc","parentTagId":51002,"ruleType":"OS_REGEX","ruleText":"^Rocky","criticalityScore":"5","children":{"set":{"TagSimple":[{"name":"North"},{"name":"South"}]}}`
)

func TestTagCallsAnswerAlikeInBothForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method, path string
		xml, json          string
	}{
		{"tag count all", "GET", "count/", "", ""},
		{"tag count", "POST", "count", criteria("ruleType", "NOT EQUALS", "STATIC"), jsonCriteria("ruleType", "NOT EQUALS", "STATIC")},
		{"tag search", "POST", "search", criteria("parent", "EQUALS", "51002"), jsonCriteria("parent", "EQUALS", "51002")},
		{"tag search page", "POST", "search/?fields=id,name", preference("limitResults", "2"), `{"ServiceRequest":{"preferences":{"limitResults":2}}}`},
		{"tag search no match", "POST", "search", criteria("name", "EQUALS", "edge"), jsonCriteria("name", "EQUALS", "edge")},
		{"tag search unknown criterion", "POST", "search", criteria("parentTagId", "EQUALS", "1"), jsonCriteria("parentTagId", "EQUALS", "1")},
		{"tag get", "GET", "get/51002/", "", ""},
		{"tag get fields", "POST", "get/51005?fields=id,color", "<ServiceRequest/>", "51005"},
		{"tag get unknown", "GET", "get/1", "", ""},
		{"tag create tree", "POST", "create/", tagXML(treeXML), tagJSON(treeJSON)},
		{"tag create twice", "POST", "create", tagXML("<name>Edge</name>"), tagJSON(`"name":"Edge"`)},
		{"tag create with wrong color", "POST", "create", tagXML("<name>n</name><color>red</color>"), tagJSON(`"name":"n","color":"red"`)},
		{"tag create with unknown rule type", "POST", "create", tagXML("<name>n</name><ruleType>MAGIC</ruleType>"), tagJSON(`"name":"n","ruleType":"MAGIC"`)},
		{"tag create with wrong expression", "POST", "create", tagXML("<name>n</name><ruleType>OS_REGEX</ruleType><ruleText>(a</ruleText>"), tagJSON(`"name":"n","ruleType":"OS_REGEX","ruleText":"(a"`)},
		{"tag update", "POST", "update/51003", tagXML("<name>Far west</name>"), tagJSON(`"name":"Far west"`)},
		{"tag update by id in the body", "POST", "update", tagXML("<id>51003</id><color>#fff</color>"), tagJSON(`"id":51003,"color":"#fff"`)},
		{
			"tag update bulk", "POST", "update",
			`<ServiceRequest><filters><Criteria field="id" operator="IN">51003,51004</Criteria></filters><data><Tag><color>#fff</color></Tag></data></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":[{"field":"id","operator":"IN","value":"51003,51004"}]},"data":{"Tag":{"color":"#fff"}}}}`,
		},
		{"tag update without a criterion", "POST", "update", tagXML("<color>#fff</color>"), tagJSON(`"color":"#fff"`)},
		{"tag update of the system tag", "POST", "update/51001", tagXML("<color>#fff</color>"), tagJSON(`"color":"#fff"`)},
		{"tag update remove child", "POST", "update/51002", tagXML("<children><remove><TagSimple><id>51003</id></TagSimple></remove></children>"), tagJSON(`"children":{"remove":{"TagSimple":[{"id":51003}]}}`)},
		{"tag delete", "POST", "delete/51003", "<ServiceRequest></ServiceRequest>", "51003"},
		{"tag delete bulk", "POST", "delete/", criteria("id", "IN", "51002,51003,51004"), jsonCriteria("id", "IN", "51002,51003,51004")},
		{"tag delete no match", "POST", "delete", criteria("name", "EQUALS", "x"), jsonCriteria("name", "EQUALS", "x")},
		{"tag delete with children", "POST", "delete", criteria("name", "EQUALS", "Edge"), jsonCriteria("name", "EQUALS", "Edge")},
		{"tag delete all but", "POST", "delete", criteria("name", "NOT EQUALS", "Edge"), jsonCriteria("name", "NOT EQUALS", "Edge")},
		{"tag delete without a criterion", "POST", "delete", "<ServiceRequest/>", ""},
		{"tag delete the system tag", "POST", "delete/51001", "", ""},
		{"tag evaluate", "POST", "evaluate/51004", "", ""},
	} {
		operation, rest, _ := strings.Cut(tc.path, "/")
		operation, query, _ := strings.Cut(operation, "?")
		path := fmt.Sprintf(inTags, operation) + "/" + rest
		if query != "" {
			path += "?" + query
		}
		checkForms(t, tc.name, tc.method, path, tc.xml, tc.json)
	}
}

// checkForms sends a call in both forms, asks for both, and compares with a
// golden file per form asked for.
func checkForms(t *testing.T, name, method, path, xml, json string) {
	t.Helper()
	for _, in := range []struct{ form, contentType, body string }{{"xml", "text/xml", xml}, {"json", "application/json", json}} {
		for _, out := range []struct{ form, accept string }{{"xml", "application/xml"}, {"json", "application/json"}} {
			t.Run(name+"/"+in.form+" in "+out.form+" out", func(t *testing.T) {
				t.Parallel()
				p, _ := tagPlatform()
				w := p.do(t, request{method: method, path: path, body: in.body, contentType: in.contentType, accept: out.accept})
				got := fmt.Sprintf("%d %s\n\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
				file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+"."+out.form)
				if *update && in.form == "xml" {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if !*update {
					compareGolden(t, file, got)
				}
			})
		}
	}
}

func TestTagAssignmentAnswersAlikeInBothForms(t *testing.T) {
	t.Parallel()
	const data = `<data><HostAsset><tags><add><TagSimple><id>51003</id></TagSimple></add><remove><TagSimple><id>51002</id></TagSimple></remove></tags></HostAsset></data>`
	const dataJSON = `"data":{"HostAsset":{"tags":{"add":{"TagSimple":[{"id":"51003"}]},"remove":{"TagSimple":[{"id":51002}]}}}}`
	filters := func(operator, value string) (string, string) {
		return `<filters><Criteria field="id" operator="` + operator + `">` + value + `</Criteria></filters>`,
			`"filters":{"Criteria":[{"field":"id","operator":"` + operator + `","value":"` + value + `"}]},`
	}
	in, inJSON := filters("IN", "7003001,7003002,1")
	not, notJSON := filters("NOT EQUALS", "7003001")
	none, noneJSON := filters("EQUALS", "1")
	const hosts, assets = "/qps/rest/2.0/update/am/hostasset", "/qps/rest/1.0/update/am/asset"
	for _, tc := range []struct{ name, path, xml, json string }{
		{"host tags", hosts + "/7003002", data, dataJSON},
		{"host tags of an unknown host", hosts + "/1", data, dataJSON},
		{"host tags bulk", hosts + "/", in + data, inJSON + dataJSON},
		{"host tags bulk no match", hosts, none + data, noneJSON + dataJSON},
		{"host tags bulk all but", hosts, not + data, notJSON + dataJSON},
		{"host tags bulk without a criterion", hosts, data, dataJSON},
		{"host tags with an unknown tag", hosts + "/7003002", strings.Replace(data, "51003", "99", 1), strings.Replace(dataJSON, "51003", "99", 1)},
		{"host tags without data", hosts + "/7003002", "", `"preferences":{}`},
		{"asset tags", assets + "/7003002", strings.NewReplacer("HostAsset", "Asset", "TagSimple", "Tag").Replace(data), strings.NewReplacer("HostAsset", "Asset", "TagSimple", "Tag").Replace(dataJSON)},
		{"asset tags bulk", assets, in + strings.ReplaceAll(data, "HostAsset", "Asset"), inJSON + strings.ReplaceAll(dataJSON, "HostAsset", "Asset")},
	} {
		checkForms(t, tc.name, "POST", tc.path, "<ServiceRequest>"+tc.xml+"</ServiceRequest>", `{"ServiceRequest":{`+tc.json+`}}`)
	}
}

func TestTagPagingStyles(t *testing.T) {
	t.Parallel()
	const page = `<ServiceRequest><preferences><limitResults>2</limitResults>%s</preferences><filters>%s</filters></ServiceRequest>`
	for name, next := range map[string]func(read int, lastID int64) string{
		"id criterion": func(_ int, lastID int64) string {
			return fmt.Sprintf(page, "", fmt.Sprintf(`<Criteria field="id" operator="GREATER">%d</Criteria>`, lastID))
		},
		"startFromOffset": func(read int, _ int64) string {
			return fmt.Sprintf(page, fmt.Sprintf("<startFromOffset>%d</startFromOffset>", read+1), "")
		},
		"startFromId": func(_ int, lastID int64) string {
			return fmt.Sprintf(page, fmt.Sprintf("<startFromId>%d</startFromId>", lastID+1), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := tagPlatform()
			var ids []int64
			for more, lastID := true, int64(0); more; {
				response := envelope(t, p.do(t, request{method: "POST", path: fmt.Sprintf(inTags, "search"), body: next(len(ids), lastID)}))
				if response.Code != qps.CodeSuccess || response.HasMore == nil {
					t.Fatalf("page after %d is %+v", lastID, response)
				}
				for _, r := range response.Records {
					ids = append(ids, r.(*qps.Tag).ID)
				}
				more, lastID = *response.HasMore, response.LastID
			}
			if diff := cmp.Diff([]int64{51001, 51002, 51003, 51004, 51005}, ids); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTagCallsDoWhatTheyAnswer(t *testing.T) {
	t.Parallel()
	all := []string{"Cloud Agent", "Edge", "West", "East", "Old"}
	for _, tc := range []struct {
		name, path, body string
		want             []string
	}{
		{"a tree", "create", tagXML(treeXML), append(slices.Clone(all), "Core", "North", "South")},
		{"a tree of which a part is refused", "create", tagXML("<name>a</name><children><add><TagSimple><name>b</name></TagSimple><TagSimple><name>b</name></TagSimple></add></children>"), all},
		{"two tags at once", "create", "<ServiceRequest><data><Tag><name>a</name></Tag><Tag><name>b</name></Tag></data></ServiceRequest>", all},
		{"rename", "update/51003", tagXML("<name>Far west</name>"), []string{"Cloud Agent", "Edge", "Far west", "East", "Old"}},
		{"an id in the body that is not that of the path", "update/51003", tagXML("<id>51002</id><name>x</name>"), all},
		{"an id in the body beside criteria", "update", strings.Replace(tagXML("<id>51003</id><name>x</name>"), "<data>", `<filters><Criteria field="id" operator="EQUALS">51003</Criteria></filters><data>`, 1), all},
		{"rename many alike", "update", strings.Replace(tagXML("<name>x</name>"), "<data>", `<filters><Criteria field="parent" operator="EQUALS">51002</Criteria></filters><data>`, 1), all},
		{"delete one", "delete/51003", "51003", []string{"Cloud Agent", "Edge", "East", "Old"}},
		{"delete all but one", "delete", criteria("id", "NOT EQUALS", "51001"), all},
		{"delete with the system tag among them", "delete", criteria("id", "GREATER", "1"), all},
		{"delete by an id that is no number", "delete/x", "", all},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, s := tagPlatform()
			operation, rest, _ := strings.Cut(tc.path, "/")
			response := envelope(t, p.do(t, request{method: "POST", path: fmt.Sprintf(inTags, operation) + "/" + rest, body: tc.body}))
			var names []string
			for _, tag := range s.all {
				names = append(names, tag.Name)
			}
			if diff := cmp.Diff(tc.want, names); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
			if changed := !slices.Equal(tc.want, all); (response.Code == qps.CodeSuccess) != changed {
				t.Errorf("answered %v", response.Err(0))
			}
		})
	}
}

func TestRefusedAssignmentsChangeNothing(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no criterion":  `<data><HostAsset><tags><set/></tags></HostAsset></data>`,
		"NOT EQUALS":    `<filters><Criteria field="name" operator="NOT EQUALS">x</Criteria></filters><data><HostAsset><tags><set/></tags></HostAsset></data>`,
		"empty filters": `<filters/><data><HostAsset><tags><set/></tags></HostAsset></data>`,
		"no change":     `<filters><Criteria field="id" operator="GREATER">1</Criteria></filters><data><HostAsset/></data>`,
		"two objects":   `<filters><Criteria field="id" operator="GREATER">1</Criteria></filters><data><HostAsset><tags><set/></tags></HostAsset><HostAsset/></data>`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, s := tagPlatform()
			response := envelope(t, p.do(t, request{method: "POST", path: "/qps/rest/2.0/update/am/hostasset", body: "<ServiceRequest>" + body + "</ServiceRequest>"}))
			if response.Code != qps.CodeInvalidRequest || response.Error.Resolution == "" || len(s.changed) > 0 {
				t.Errorf("answered %v and changed %+v", response.Err(0), s.changed)
			}
		})
	}
}
