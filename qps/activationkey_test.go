package qps

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func fullKey() *AgentActKey {
	return &AgentActKey{
		ID: 4402, Title: "Edge <key> & 'more'", ActivationKey: "5d2f0000-0000-4000-8000-00000000b001", Status: "ACTIVE",
		CountUsed: 12, CountPurchased: 250, ExpireDate: at(30, 0), DatePurchased: at(1, 0), Type: "COUNT_TIME_LIMITED", IsDisabled: true,
		Licenses: []string{"VM_LICENSE", "FIM"}, Tags: []TagSimple{{51077, "Edge"}, {51078, "West"}},
	}
}

func TestAnyActivationKeySurvivesXMLAndJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := &AgentActKey{}
		f := hostFiller{t, cleanText}
		v := reflect.ValueOf(key).Elem()
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name == "Licenses" {
				v.Field(i).Set(reflect.ValueOf(drawWords(t)))
			} else {
				f.fill(v.Field(i), name)
			}
		}
		for _, form := range forms {
			body := AppendResponse(nil, form, NewResult(SchemaAgentActKey, key), nil)
			resp, err := DecodeResponse(strings.NewReader(string(body)), form)
			if err != nil {
				t.Fatalf("%v: %v\n%s", form, err, body)
			}
			if diff := cmp.Diff([]Record{key}, resp.Records); diff != "" {
				t.Fatalf("%v (-sent +received):\n%s", form, diff)
			}
		}
	})
}

// drawWords returns license words; no license is the nil list.
func drawWords(t *rapid.T) []string {
	words := rapid.SliceOfN(rapid.StringMatching(`[A-Z_]{2,10}`), 0, 4).Draw(t, "Licenses")
	if len(words) == 0 {
		return nil
	}
	return words
}

func TestActivationKeysOfOtherPlatformsAreRead(t *testing.T) {
	t.Parallel()
	// Collections and values as clients have recorded them: one item without an
	// array, numbers as strings, an answer that holds only the id.
	const body = `{"ServiceResponse":{"responseCode":"SUCCESS","count":"2","data":[
		{"AgentActKey":{"id":"7","title":"t","countUsed":"3","isDisabled":true,"expireDate":"2031-05-01",
			"modules":{"list":{"ActivationKeyModule":{"license":"ALL"}}},"tags":{"list":[{"Tag":{"id":5,"name":"a"}}]}}},
		{"AgentActKey":{"id":8}}]}}`
	resp, err := DecodeResponse(strings.NewReader(body), JSON)
	if err != nil {
		t.Fatal(err)
	}
	expire, err := ParseTime("2031-05-01")
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		&AgentActKey{ID: 7, Title: "t", CountUsed: 3, IsDisabled: true, ExpireDate: expire, Licenses: []string{"ALL"}, Tags: []TagSimple{{5, "a"}}},
		&AgentActKey{ID: 8},
	}
	if diff := cmp.Diff(want, resp.Records); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChangesOfKeysArriveAsTheyWereSent(t *testing.T) {
	t.Parallel()
	names := rapid.StringMatching(`[A-Z][a-z&<]{0,6}[a-z]`)
	tags := rapid.SliceOfN(rapid.OneOf(
		rapid.Map(rapid.Int64Range(1, 1<<62), func(id int64) TagSimple { return TagSimple{ID: id} }),
		rapid.Map(names, func(name string) TagSimple { return TagSimple{Name: name} })), 1, 3)
	licenses := rapid.SliceOfN(rapid.StringMatching(`[A-Z_]{2,10}`), 1, 3)
	rapid.Check(t, func(t *rapid.T) {
		var sent AgentActKeyChange
		draw := func(label string) bool { return rapid.Bool().Draw(t, label) }
		if draw("title") {
			sent.Title = new(names.Draw(t, "title"))
		}
		if draw("type") {
			sent.Type = new("UNLIMITED")
		}
		if draw("count") {
			sent.CountPurchased = new(rapid.Int64().Draw(t, "count"))
		}
		if draw("expires") {
			sent.ExpireDate = new(at(rapid.IntRange(0, 23).Draw(t, "hour"), 0))
		}
		if draw("disabled") {
			sent.IsDisabled = new(draw("isDisabled"))
		}
		if draw("apply") {
			sent.ApplyOnAgents = new(draw("applyOnAgents"))
		}
		if draw("set") {
			sent.Licenses.Set, sent.Tags.Set = licenses.Draw(t, "licenses"), []TagSimple{}
		}
		if draw("add") {
			sent.Tags.Add, sent.Tags.Remove = tags.Draw(t, "added"), tags.Draw(t, "removed")
		}
		for _, form := range forms {
			body := EncodeRequest(form, &Request{Data: &Node{Name: "data", Children: []*Node{sent.Node()}}})
			req, err := DecodeRequest(strings.NewReader(string(body)), form.ContentType())
			if err != nil {
				t.Fatalf("%v: %v\n%s", form, err, body)
			}
			got, err := ParseAgentActKeyChange(req.Data.Child("AgentActKey"))
			if err != nil {
				t.Fatalf("%v: %v\n%s", form, err, body)
			}
			if diff := cmp.Diff(sent, got); diff != "" {
				t.Fatalf("%v (-sent +received):\n%s\n%s", form, diff, body)
			}
		}
	})
}
