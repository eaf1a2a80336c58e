package qpsapi_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// keyPath is below which the calls on keys are.
const keyPath = "/qps/rest/1.0/"

// keyTags are the tags of the test platform.
var keyTags = []qps.TagSimple{{ID: 51077, Name: "Edge"}, {ID: 51078, Name: "West"}}

// keyStore is fleet.KeyStore in memory.
type keyStore struct {
	mu    sync.Mutex
	keys  []fleet.ActivationKey
	moved []keyMove
}

// keyMove is a call of MoveAgents.
type keyMove struct {
	Key        string
	Conditions []fleet.Condition
}

func resolved(k fleet.ActivationKey) (fleet.ActivationKey, error) {
	var tags []qps.TagSimple
	for _, tag := range k.Tags {
		i := slices.IndexFunc(keyTags, func(o qps.TagSimple) bool { return o.ID == tag.ID || tag.ID == 0 && o.Name == tag.Name })
		if i < 0 {
			return k, fault.New(fault.Invalid, fmt.Sprintf("tags: there is no tag %d '%s'.", tag.ID, tag.Name), "Search for the tags there are.")
		}
		tags = append(tags, keyTags[i])
	}
	k.Tags = tags
	return k, nil
}

func (s *keyStore) index(id int64) (int, error) {
	i := slices.IndexFunc(s.keys, func(k fleet.ActivationKey) bool { return k.ID == id })
	if i < 0 {
		return 0, fault.Newf(fault.NotFound, "There is no activation key %d.", id)
	}
	return i, nil
}

func (s *keyStore) ActivationKeys(context.Context) ([]fleet.ActivationKey, error) {
	return slices.Clone(s.keys), nil
}

func (s *keyStore) ActivationKey(_ context.Context, id int64) (fleet.ActivationKey, error) {
	i, err := s.index(id)
	if err != nil {
		return fleet.ActivationKey{}, err
	}
	return s.keys[i], nil
}

func (s *keyStore) CreateActivationKey(_ context.Context, k fleet.ActivationKey) (fleet.ActivationKey, error) {
	k, err := resolved(k)
	if err != nil {
		return k, err
	}
	k.ID = s.keys[len(s.keys)-1].ID + 1
	s.keys = append(s.keys, k)
	return k, nil
}

func (s *keyStore) UpdateActivationKey(_ context.Context, id int64, _ bool, change func(fleet.ActivationKey) (fleet.ActivationKey, error)) (fleet.ActivationKey, error) {
	i, err := s.index(id)
	if err != nil {
		return fleet.ActivationKey{}, err
	}
	k, err := change(s.keys[i])
	if err != nil {
		return k, err
	}
	if k, err = resolved(k); err == nil {
		s.keys[i] = k
	}
	return k, err
}

func (s *keyStore) DeleteActivationKey(_ context.Context, id int64) error {
	i, err := s.index(id)
	if err == nil {
		s.keys = slices.Delete(s.keys, i, i+1)
	}
	return err
}

func (s *keyStore) MoveAgents(_ context.Context, _ fleet.Scope, key string, conditions []fleet.Condition, _ int, _ time.Time) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = append(s.moved, keyMove{key, conditions})
	if key == fullKey {
		return 0, fault.New(fault.Conflict, "newActivationKey: the activation key is used up.", "Raise its limit or use another one.")
	}
	return 2, nil
}

// The UUIDs of keys 4401 and 4402, and of a new one.
const (
	freeKey = "5d2f0000-0000-4000-8000-00000000b001"
	fullKey = "5d2f0000-0000-4000-8000-00000000b002"
	nextKey = "5d2f0000-0000-4000-8000-00000000b009"
)

// newKeyPlatform has three keys.
func newKeyPlatform() (*platform, *keyStore) {
	made := time.Date(2031, 1, 5, 8, 0, 0, 0, time.UTC)
	store := &keyStore{keys: []fleet.ActivationKey{
		{ID: 4401, Key: freeKey, Title: "Everything", Type: fleet.KeyUnlimited, CountUsed: 3, Created: made},
		{
			ID: 4402, Key: fullKey, Title: "Edge <key>", Type: fleet.KeyCountTimeLimited, CountPurchased: 2, CountUsed: 2, ExpireDate: made.AddDate(1, 0, 0),
			Modules: []fleet.Module{"AGENT_FIM", fleet.ModuleVM}, Tags: keyTags[:1], Created: made,
		},
		{ID: 4403, Key: "5d2f0000-0000-4000-8000-00000000b003", Title: "Old", Type: fleet.KeyTimeLimited, Disabled: true, ExpireDate: made, Created: made},
	}}
	ring := &fleet.Keyring{Keys: store, Now: func() time.Time { return made.AddDate(0, 3, 0) }, NewKey: func() string { return nextKey }}
	return newPlatform(func(c *qpsapi.Config) { c.Keys = ring }), store
}

func keyXML(elements string) string {
	return "<ServiceRequest><data><AgentActKey>" + elements + "</AgentActKey></data></ServiceRequest>"
}

func keyJSON(members string) string {
	return `{"ServiceRequest":{"data":{"AgentActKey":{` + members + `}}}}`
}

func moveXML(key, filters string) string {
	return "<ServiceRequest><data><ChangeActKey><newActivationKey>" + key + "</newActivationKey></ChangeActKey></data>" + filters + "</ServiceRequest>"
}

// TestKeyAnswersAreTheSameForBothRequestForms sends every call as XML and as
// JSON, asks for both forms, and compares with one golden file per form asked
// for.
func TestKeyAnswersAreTheSameForBothRequestForms(t *testing.T) {
	t.Parallel()
	const ids = `<filters><Criteria field="id" operator="IN">7003001,7003002</Criteria></filters>`
	for _, tc := range []struct{ name, path, xml, json string }{
		{"key get", "get/ca/agentactkey/4402", "", "4402"},
		{"key get fields", "get/ca/agentactkey/4402/?fields=id,tags.list.Tag.name", "<ServiceRequest/>", ""},
		{"key get unknown", "get/ca/agentactkey/1", "", ""},
		{"key get by UUID", "get/ca/agentactkey/" + freeKey, "", ""},
		{"key search", "search/ca/agentactkey/", "<ServiceRequest/>", ""},
		{
			"key search page", "search/ca/agentactkey",
			`<ServiceRequest><preferences><limitResults>1</limitResults><startFromOffset>2</startFromOffset></preferences></ServiceRequest>`,
			`{"ServiceRequest":{"preferences":{"limitResults":"1","startFromOffset":2}}}`,
		},
		{
			"key search without a match", "search/ca/agentactkey",
			`<ServiceRequest><filters><Criteria field="activationKey" operator="EQUALS">none</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":[{"field":"activationKey","operator":"EQUALS","value":"none"}]}}}`,
		},
		{
			"key search unknown criterion", "search/ca/agentactkey",
			`<ServiceRequest><filters><Criteria field="disabled" operator="EQUALS">true</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":{"field":"disabled","operator":"EQUALS","value":true}}}}`,
		},
		{
			"key count disabled", "count/ca/agentactkey",
			`<ServiceRequest><filters><Criteria field="isDisabled" operator="EQUALS">true</Criteria></filters></ServiceRequest>`,
			`{"ServiceRequest":{"filters":{"Criteria":{"field":"isDisabled","operator":"EQUALS","value":true}}}}`,
		},
		{
			"key create", "create/ca/agentactkey/",
			keyXML(`<title>Edge key</title><type>COUNT_TIME_LIMITED</type><countPurchased>250</countPurchased><expireDate>2032-06-30T00:00:00Z</expireDate>
				<modules><list><ActivationKeyModule><license>VM_LICENSE</license></ActivationKeyModule><ActivationKeyModule><license>FIM</license></ActivationKeyModule></list></modules>
				<tags><list><Tag><id>51077</id></Tag><Tag><name>West</name></Tag></list></tags>`),
			keyJSON(`"title":"Edge key","type":"COUNT_TIME_LIMITED","countPurchased":"250","expireDate":"2032-06-30",
				"modules":{"list":[{"ActivationKeyModule":{"license":"VM_LICENSE"}},{"ActivationKeyModule":{"license":"FIM"}}]},
				"tags":{"set":{"Tag":[{"id":"51077"},{"name":"West"}]}}`),
		},
		{
			"key create unlimited", "create/ca/agentactkey",
			keyXML(`<type>UNLIMITED</type><countPurchased>0</countPurchased><expireDate/><modules><list><ActivationKeyModule><license>ALL</license></ActivationKeyModule></list></modules>`),
			keyJSON(`"type":"UNLIMITED","countPurchased":0,"modules":{"list":{"ActivationKeyModule":{"license":"ALL"}}}`),
		},
		{"key create without a type", "create/ca/agentactkey", keyXML(`<title>x</title>`), keyJSON(`"title":"x"`)},
		{"key create without data", "create/ca/agentactkey", `<ServiceRequest/>`, `{"ServiceRequest":{}}`},
		{"key create unknown tag", "create/ca/agentactkey",
			keyXML(`<type>UNLIMITED</type><tags><list><Tag><name>edge</name></Tag></list></tags>`), keyJSON(`"type":"UNLIMITED","tags":{"list":{"Tag":{"name":"edge"}}}`)},
		{
			"key update", "update/ca/agentactkey/4402",
			keyXML(`<id>4402</id><isDisabled>true</isDisabled><applyOnAgents>false</applyOnAgents><countUsed>9</countUsed><tags><remove><Tag><id>51077</id></Tag></remove><add><Tag><name>West</name></Tag></add></tags>`),
			keyJSON(`"isDisabled":"true","tags":{"remove":{"Tag":{"name":"Edge"}},"add":[{"Tag":{"id":51078}}]}`),
		},
		{"key update by id in the body", "update/ca/agentactkey", keyXML(`<id>4402</id><type>UNLIMITED</type>`), keyJSON(`"id":4402,"type":"unlimited"`)},
		{"key update without an id", "update/ca/agentactkey", keyXML(`<title/>`), keyJSON(`"title":""`)},
		{"key update of two ids", "update/ca/agentactkey/4402", keyXML(`<id>4401</id>`), keyJSON(`"id":"4401"`)},
		{"key update unknown", "update/ca/agentactkey/1", keyXML(`<title>x</title>`), keyJSON(`"title":"x"`)},
		{"key delete", "delete/ca/agentactkey/4402", "", "4402"},
		{"key delete unknown", "delete/ca/agentactkey/1/", "", ""},
		{"key change", "cak/ca/changeactkey", moveXML(freeKey, ids),
			`{"ServiceRequest":{"filters":{"Criteria":{"field":"id","operator":"IN","value":"7003001,7003002"}},"data":{"ChangeActKey":{"newActivationKey":"` + freeKey + `"}}}}`},
		{"key change refused", "cak/ca/changeactkey", moveXML(fullKey, ids),
			`{"ServiceRequest":{"filters":{"Criteria":{"field":"id","operator":"IN","value":"7003001,7003002"}},"data":[{"ChangeActKey":{"newActivationKey":"` + fullKey + `"}}]}}`},
		{"key change without a criterion", "cak/ca/changeactkey", moveXML(freeKey, ""),
			`{"ServiceRequest":{"data":{"ChangeActKey":{"newActivationKey":"` + freeKey + `"}}}}`},
	} {
		for _, in := range []struct{ form, contentType, body string }{{"xml", "text/xml", tc.xml}, {"json", "application/json", tc.json}} {
			for _, out := range []struct{ form, accept string }{{"xml", "application/xml"}, {"json", "application/json"}} {
				t.Run(tc.name+"/"+in.form+" in "+out.form+" out", func(t *testing.T) {
					t.Parallel()
					p, _ := newKeyPlatform()
					w := p.do(t, request{method: http.MethodPost, path: keyPath + tc.path, body: in.body, contentType: in.contentType, accept: out.accept})
					got := fmt.Sprintf("%d %s\n\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
					name := filepath.Join("testdata", strings.ReplaceAll(tc.name, " ", "-")+"."+out.form)
					switch {
					case !*update:
						compareGolden(t, name, got)
					case in.form == "xml":
						if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// TestWrongKeysAreRefusedByName holds what a create or an update may not say.
func TestWrongKeysAreRefusedByName(t *testing.T) {
	t.Parallel()
	licenses := func(words ...string) string {
		var b strings.Builder
		for _, w := range words {
			b.WriteString("<ActivationKeyModule><license>" + w + "</license></ActivationKeyModule>")
		}
		return "<modules><list>" + b.String() + "</list></modules>"
	}
	const create, update, unlimited = "create/ca/agentactkey", "update/ca/agentactkey/4402", "<type>UNLIMITED</type>"
	for _, tc := range []struct{ name, path, elements, message string }{
		{"unknown type", create, `<type>LIMITED</type>`, "type: invalid value 'LIMITED'."},
		{"no count", create, `<type>COUNT_LIMITED</type>`, "countPurchased: the element is missing, a key of type COUNT_LIMITED needs it."},
		{"count of zero", create, `<type>COUNT_LIMITED</type><countPurchased>0</countPurchased>`, "countPurchased: invalid value '0'."},
		{"negative count", create, `<type>COUNT_LIMITED</type><countPurchased>-1</countPurchased>`, "countPurchased: invalid value '-1'."},
		{"count beyond int", create, `<type>COUNT_LIMITED</type><countPurchased>2147483648</countPurchased>`, "countPurchased: invalid value '2147483648'."},
		{"count beyond 64 bits", create, `<type>COUNT_LIMITED</type><countPurchased>9223372036854775808</countPurchased>`, "AgentActKey: invalid value '9223372036854775808' for 'countPurchased'."},
		{"count of a type without one", create, `<type>TIME_LIMITED</type><expireDate>2032-01-01</expireDate><countPurchased>5</countPurchased>`, "countPurchased: a key of type TIME_LIMITED has no count, and 5 is given."},
		{"count below the agents there are", update, `<countPurchased>1</countPurchased>`, "countPurchased: 1 is less than the 2 agents the key has made."},
		{"no expiry", create, `<type>TIME_LIMITED</type>`, "expireDate: the element is missing, a key of type TIME_LIMITED needs it."},
		{"no date", create, `<type>TIME_LIMITED</type><expireDate>soon</expireDate>`, "AgentActKey: invalid value 'soon' for 'expireDate'."},
		{"expiry of a type without one", create, unlimited + `<expireDate>2032-01-01</expireDate>`, "expireDate: a key of type UNLIMITED does not expire, and 2032-01-01T00:00:00Z is given."},
		{"unknown license", create, unlimited + licenses("VM_LICENSE", "WAS"), "license: unknown value 'WAS'."},
		{"module without a license", create, unlimited + `<modules><list><ActivationKeyModule/></list></modules>`, "modules: an ActivationKeyModule has no license."},
		{"PC and SCA", create, unlimited + licenses("PC_LICENSE", "SCA"), "modules: PC_LICENSE and SCA exclude each other."},
		{"SWCA alone", create, unlimited + licenses("SWCA"), "modules: SWCA needs VM_LICENSE."},
		{"tag id that is none", create, unlimited + `<tags><list><Tag><id>x</id></Tag></list></tags>`, "tags: invalid value 'x' for the id of a Tag."},
		{"empty tag", create, unlimited + `<tags><list><Tag/></list></tags>`, "tags: a Tag has neither id nor name."},
		{"wrong item", create, unlimited + `<tags><list><TagId>1</TagId></list></tags>`, "tags: unknown element 'TagId'."},
		{"items without a list", create, unlimited + `<tags><Tag><id>51077</id></Tag></tags>`, "tags: unknown element 'Tag'."},
		{"list and set", create, unlimited + `<tags><list/><set/></tags>`, "tags: list and set are both given."},
		{"no boolean", update, `<isDisabled>yes</isDisabled>`, "AgentActKey: invalid value 'yes' for 'isDisabled'."},
		{"misspelled element", update, `<isDisable>true</isDisable>`, "AgentActKey: unknown element 'isDisable'."},
		{"element twice", update, `<title>a</title><title>b</title>`, "AgentActKey: 'title' is given more than once."},
		{"structure for a value", update, `<title><b>a</b></title>`, "AgentActKey: invalid value '<b>' for 'title'."},
		{"long title", update, "<title>" + strings.Repeat("é", 257) + "</title>", "title: it has 257 characters."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, store := newKeyPlatform()
			before := slices.Clone(store.keys)
			response := envelope(t, p.do(t, request{method: http.MethodPost, path: keyPath + tc.path, body: keyXML(tc.elements)}))
			if response.Code != qps.CodeInvalidRequest || response.Error.Message != tc.message || response.Error.Resolution == "" {
				t.Errorf("answer %s %+v, want the message %q and a resolution", response.Code, response.Error, tc.message)
			}
			if diff := cmp.Diff(before, store.keys); diff != "" {
				t.Errorf("keys changed:\n%s", diff)
			}
		})
	}
}

func TestUpdatesChangeWhatTheySayAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, elements string
		want           func(k *fleet.ActivationKey)
	}{
		{"nothing", ``, func(*fleet.ActivationKey) {}},
		{"empty elements but the title", `<type/><countPurchased/><isDisabled/><modules/><tags/>`, func(*fleet.ActivationKey) {}},
		{"an empty title", `<title/>`, func(k *fleet.ActivationKey) { k.Title = "" }},
		{"empty lists", `<modules><list/></modules><tags><list/></tags>`, func(k *fleet.ActivationKey) { k.Modules, k.Tags = nil, nil }},
		{"the count", `<countPurchased>3</countPurchased>`, func(k *fleet.ActivationKey) { k.CountPurchased = 3 }},
		{"the expiry", `<expireDate>2033-01-01</expireDate>`, func(k *fleet.ActivationKey) { k.ExpireDate = time.Date(2033, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"the type, which drops the expiry", `<type>COUNT_LIMITED</type>`, func(k *fleet.ActivationKey) {
			k.Type, k.ExpireDate = fleet.KeyCountLimited, time.Time{}
		}},
		{"a license more, one less", `<modules><add><ActivationKeyModule><license>PC_LICENSE</license></ActivationKeyModule></add><remove><ActivationKeyModule><license>FIM</license></ActivationKeyModule></remove></modules>`,
			func(k *fleet.ActivationKey) { k.Modules = []fleet.Module{fleet.ModulePC, fleet.ModuleVM} }},
		{"a key as it was read", `<id>4402</id><title>Edge &lt;key&gt;</title><activationKey>` + fullKey + `</activationKey><countUsed>2</countUsed><countPurchased>2</countPurchased>
			<expireDate>2032-01-05T08:00:00Z</expireDate><datePurchased>2031-01-05T08:00:00Z</datePurchased><type>COUNT_TIME_LIMITED</type><isDisabled>false</isDisabled>
			<tags><list><Tag><id>51077</id><name>renamed</name></Tag></list></tags>`, func(*fleet.ActivationKey) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, store := newKeyPlatform()
			want := store.keys[1]
			tc.want(&want)
			response := envelope(t, p.do(t, request{method: http.MethodPost, path: keyPath + "update/ca/agentactkey/4402", body: keyXML(tc.elements)}))
			if response.Code != qps.CodeSuccess {
				t.Fatal(response.Err(0))
			}
			if diff := cmp.Diff(want, store.keys[1], cmp.Transformer("empty", func(m []fleet.Module) string { return fmt.Sprint(m) })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeyMovesTakeTheDocumentedCriteriaOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ field, operator, value, message string }{
		{"id", "EQUALS", "7003001", ""},
		{"id", "IN", "7003001, 7003002", ""},
		{"id", "NOT EQUALS", "7003001", ""},
		{"id", "GREATER", "7003001", ""},
		{"id", "LESSER", "7003001", ""},
		{"tagName", "CONTAINS", "Cloud", ""},
		{"tagName", "EQUALS", "Cloud Agent", ""},
		{"tagName", "NOT EQUALS", "Cloud Agent", ""},
		{"activationKey", "EQUALS", freeKey, ""},
		{"activationKey", "CONTAINS", "5d2f", "Criteria: Operator 'CONTAINS' is not supported for criteria 'activationKey'."},
		{"id", "CONTAINS", "7", "Criteria: Operator 'CONTAINS' is not supported for criteria 'id'."},
		{"name", "EQUALS", "edge-cache-01", "Criteria: 'name' cannot select the agents whose activation key changes."},
	} {
		t.Run(tc.field+" "+tc.operator, func(t *testing.T) {
			t.Parallel()
			p, store := newKeyPlatform()
			filter := fmt.Sprintf(`<filters><Criteria field="%s" operator="%s">%s</Criteria></filters>`, tc.field, tc.operator, tc.value)
			response := envelope(t, p.do(t, request{method: http.MethodPost, path: keyPath + "cak/ca/changeactkey/", body: moveXML(freeKey, filter)}))
			if tc.message != "" {
				if response.Code != qps.CodeInvalidRequest || response.Error.Message != tc.message || store.moved != nil {
					t.Errorf("answer %s %+v after %v, want %q", response.Code, response.Error, store.moved, tc.message)
				}
				return
			}
			want, err := fleet.ParseConditions([]qps.Criterion{{Field: tc.field, Operator: qps.Operator(tc.operator), Value: tc.value}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]keyMove{{freeKey, want}}, store.moved); diff != "" || response.Count != 2 {
				t.Errorf("count %d, moved (-want +got):\n%s", response.Count, diff)
			}
		})
	}
}
