package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/qps"
)

// testKeys are the activation keys of a testPlatform, 3 (unlimited) and 4 (two
// agents, of which one is left). It takes what is said as it is; agents 1 to 4
// exist. testPlatform guards it.
type testKeys struct {
	keys []*qps.AgentActKey
}

func newTestKeys() *testKeys {
	made := time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC)
	return &testKeys{keys: []*qps.AgentActKey{
		{ID: 3, Title: "First", ActivationKey: testKeyUUID(3), CountUsed: 4, DatePurchased: made, Type: "UNLIMITED", Licenses: []string{"VM_LICENSE", "FIM"}},
		{ID: 4, Title: "Edge", ActivationKey: testKeyUUID(4), CountUsed: 1, CountPurchased: 2, DatePurchased: made, Type: "COUNT_LIMITED", Tags: []qps.TagSimple{{ID: 9, Name: "Cloud Agent"}}},
	}}
}

func testKeyUUID(id int64) string { return fmt.Sprintf("5d2f0000-0000-4000-8000-%012d", id) }

func (k *testKeys) handle(mux *http.ServeMux) {
	mux.HandleFunc("POST /qps/rest/1.0/search/ca/agentactkey", k.search)
	mux.HandleFunc("GET /qps/rest/1.0/get/ca/agentactkey/{id}", k.get)
	mux.HandleFunc("POST /qps/rest/1.0/create/ca/agentactkey", k.create)
	mux.HandleFunc("POST /qps/rest/1.0/update/ca/agentactkey/{id}", k.update)
	mux.HandleFunc("POST /qps/rest/1.0/delete/ca/agentactkey/{id}", k.remove)
	mux.HandleFunc("POST /qps/rest/1.0/cak/ca/changeactkey", k.change)
}

func (k *testKeys) refuse(w http.ResponseWriter, code qps.ResponseCode, message string) {
	send(w, qps.NewError(qps.SchemaAgentActKey, code, message, "List the keys."))
}

// at returns the key of the path, or nil after having answered.
func (k *testKeys) at(w http.ResponseWriter, r *http.Request) *qps.AgentActKey {
	for _, key := range k.keys {
		if r.PathValue("id") == strconv.FormatInt(key.ID, 10) {
			return key
		}
	}
	k.refuse(w, qps.CodeNotFound, "There is no activation key "+r.PathValue("id")+".")
	return nil
}

// search answers in pages of one key, so that every script follows them.
func (k *testKeys) search(w http.ResponseWriter, r *http.Request) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		k.refuse(w, qps.CodeInvalidXML, err.Error())
		return
	}
	var after int64
	for _, c := range req.Criteria {
		after, _ = strconv.ParseInt(c.Value, 10, 64)
	}
	i := slices.IndexFunc(k.keys, func(key *qps.AgentActKey) bool { return key.ID > after })
	if i < 0 {
		send(w, qps.NewPage(qps.SchemaAgentActKey, nil, false, 0))
		return
	}
	send(w, qps.NewPage(qps.SchemaAgentActKey, []qps.Record{k.keys[i]}, i < len(k.keys)-1, k.keys[i].ID))
}

func (k *testKeys) get(w http.ResponseWriter, r *http.Request) {
	if key := k.at(w, r); key != nil {
		send(w, qps.NewResult(qps.SchemaAgentActKey, key))
	}
}

func (k *testKeys) create(w http.ResponseWriter, r *http.Request) {
	id := k.keys[len(k.keys)-1].ID + 1
	key := &qps.AgentActKey{ID: id, ActivationKey: testKeyUUID(id)}
	if k.apply(w, r, key) {
		k.keys = append(k.keys, key)
		send(w, qps.NewResult(qps.SchemaAgentActKey, key))
	}
}

// update answers with no more than the id, as Qualys may.
func (k *testKeys) update(w http.ResponseWriter, r *http.Request) {
	if key := k.at(w, r); key != nil && k.apply(w, r, key) {
		send(w, qps.NewResult(qps.SchemaAgentActKey, &qps.AgentActKey{ID: key.ID}))
	}
}

// apply changes a key as the request says, or answers what is wrong.
func (k *testKeys) apply(w http.ResponseWriter, r *http.Request, key *qps.AgentActKey) bool {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	var c qps.AgentActKeyChange
	if err == nil {
		c, err = qps.ParseAgentActKeyChange(req.Data.Child("AgentActKey"))
	}
	if err != nil || c.Type == nil {
		k.refuse(w, qps.CodeInvalidRequest, fmt.Sprintf("%v, type %v", err, c.Type))
		return false
	}
	*key = qps.AgentActKey{
		ID: key.ID, ActivationKey: key.ActivationKey, CountUsed: key.CountUsed, DatePurchased: key.DatePurchased, Type: *c.Type,
		Title: pick(c.Title, key.Title), CountPurchased: pick(c.CountPurchased, 0), ExpireDate: pick(c.ExpireDate, time.Time{}),
		IsDisabled: pick(c.IsDisabled, key.IsDisabled), Licenses: key.Licenses, Tags: key.Tags,
	}
	if c.Licenses.Set != nil {
		key.Licenses = c.Licenses.Set
	}
	if c.Tags.Set != nil {
		key.Tags = c.Tags.Set
	}
	if pick(c.ApplyOnAgents, false) {
		key.Title += " on agents"
	}
	return true
}

func pick[T any](said *T, otherwise T) T {
	if said != nil {
		return *said
	}
	return otherwise
}

func (k *testKeys) remove(w http.ResponseWriter, r *http.Request) {
	if key := k.at(w, r); key != nil {
		k.keys = slices.DeleteFunc(k.keys, func(o *qps.AgentActKey) bool { return o == key })
		send(w, qps.NewResult(qps.SchemaAgentActKey, &qps.AgentActKey{ID: key.ID}))
	}
}

func (k *testKeys) change(w http.ResponseWriter, r *http.Request) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		k.refuse(w, qps.CodeInvalidXML, err.Error())
		return
	}
	if uuid := req.Data.Child("ChangeActKey").Value("newActivationKey"); uuid != testKeyUUID(4) {
		k.refuse(w, qps.CodeNotFound, "newActivationKey: there is no activation key "+uuid+".")
		return
	}
	existing := slices.DeleteFunc(strings.Split(req.Criteria[0].Value, ","), func(id string) bool { return len(id) > 1 || id > "4" })
	send(w, qps.NewCount(qps.SchemaAgentActKey, int64(len(existing))))
}
