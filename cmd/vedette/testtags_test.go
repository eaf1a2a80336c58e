package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// testTags are the tags of a testPlatform: the system tag 9, which all agents
// carry, 51 Edge with the children 52 West and 53 East, and 54 West. testPlatform
// guards it.
type testTags struct {
	platform *testPlatform
	tags     []fleet.Tag
}

func newTestTags(p *testPlatform) *testTags {
	made := time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC)
	return &testTags{platform: p, tags: []fleet.Tag{
		{ID: 9, Name: "Cloud Agent", System: true, RuleType: fleet.RuleStatic, Created: made},
		{ID: 51, Name: "Edge", RuleType: fleet.RuleStatic, Color: "#2A6F97", Created: made},
		{ID: 52, ParentID: 51, Name: "West", RuleType: fleet.RuleStatic, Created: made},
		{ID: 53, ParentID: 51, Name: "East", RuleType: fleet.RuleOS, RuleText: "Debian", Created: made},
		{ID: 54, Name: "West", RuleType: fleet.RuleStatic, Created: made},
	}}
}

func (s *testTags) handle(mux *http.ServeMux) {
	mux.HandleFunc("POST /qps/rest/2.0/search/am/tag", s.search)
	mux.HandleFunc("GET /qps/rest/2.0/get/am/tag/{id}", s.get)
	mux.HandleFunc("POST /qps/rest/2.0/{operation}/am/tag", s.write)
	mux.HandleFunc("POST /qps/rest/2.0/{operation}/am/tag/{id}", s.write)
	mux.HandleFunc("POST /qps/rest/2.0/update/am/hostasset", s.assign)
}

func (s *testTags) InsertTag(_ context.Context, t fleet.Tag) (int64, error) {
	t.ID = s.tags[len(s.tags)-1].ID + 1
	s.tags = append(s.tags, t)
	return t.ID, nil
}

func (s *testTags) SaveTag(_ context.Context, t fleet.Tag) error {
	s.tags[slices.IndexFunc(s.tags, func(old fleet.Tag) bool { return old.ID == t.ID })] = t
	return nil
}

func (s *testTags) record(t fleet.Tag) *qps.Tag {
	var children []qps.TagSimple
	for _, child := range s.tags {
		if child.ParentID == t.ID {
			children = append(children, qps.TagSimple{ID: child.ID, Name: child.Name})
		}
	}
	return t.Wire(children)
}

// search answers in pages of two tags, so that every script follows them.
func (s *testTags) search(w http.ResponseWriter, r *http.Request) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		send(w, qps.NewError(qps.SchemaTag, qps.CodeInvalidXML, err.Error(), "Mend it."))
		return
	}
	schema := fleet.NewTagSchema()
	conditions, err := schema.Parse(req.Criteria)
	if err != nil {
		s.refuse(w, err)
		return
	}
	var records []qps.Record
	var last int64
	for _, t := range s.tags {
		if !schema.Match(&t, conditions) {
			continue
		}
		if len(records) == 2 {
			send(w, qps.NewPage(qps.SchemaTag, records, true, last))
			return
		}
		records, last = append(records, s.record(t)), t.ID
	}
	send(w, qps.NewPage(qps.SchemaTag, records, false, last))
}

func (s *testTags) refuse(w http.ResponseWriter, err error) {
	refused, _ := errors.AsType[*fault.Error](err)
	code := qps.CodeInvalidRequest
	if refused.Code == fault.NotFound {
		code = qps.CodeNotFound
	}
	send(w, qps.NewError(qps.SchemaTag, code, refused.Message, refused.Resolution))
}

func (s *testTags) get(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	tag, err := fleet.NewForest(s.tags, s, time.Time{}).Tag(id)
	if err != nil {
		s.refuse(w, err)
		return
	}
	send(w, qps.NewResult(qps.SchemaTag, s.record(tag)))
}

// write creates, updates or deletes tags.
func (s *testTags) write(w http.ResponseWriter, r *http.Request) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		send(w, qps.NewError(qps.SchemaTag, qps.CodeInvalidXML, err.Error(), "Mend it."))
		return
	}
	f := fleet.NewForest(slices.Clone(s.tags), s, time.Date(2025, 1, 2, 21, 0, 0, 0, time.UTC))
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	var change qps.TagChange
	if req.Data != nil {
		if change, err = qps.ParseTagChange(req.Data.Children[0]); err != nil {
			send(w, qps.NewError(qps.SchemaTag, qps.CodeInvalidRequest, err.Error(), "Mend it."))
			return
		}
	}
	switch r.PathValue("operation") {
	case "create":
		id, err = f.Create(r.Context(), change)
	case "update":
		err = f.Update(r.Context(), id, change)
	default:
		var ids []int64
		for text := range strings.SplitSeq(req.Criteria[0].Value, ",") {
			id, _ = strconv.ParseInt(text, 10, 64)
			ids = append(ids, id)
		}
		if err = f.CheckDelete(ids); err == nil {
			s.tags = slices.DeleteFunc(s.tags, func(t fleet.Tag) bool { return slices.Contains(ids, t.ID) })
			send(w, qps.NewResult(qps.SchemaTag, &qps.Tag{ID: id}))
			return
		}
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	send(w, qps.NewResult(qps.SchemaTag, s.record(s.tags[slices.IndexFunc(s.tags, func(t fleet.Tag) bool { return t.ID == id })])))
}

// assign changes the tags of agents.
func (s *testTags) assign(w http.ResponseWriter, r *http.Request) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		send(w, qps.NewError(qps.SchemaHostAsset, qps.CodeInvalidXML, err.Error(), "Mend it."))
		return
	}
	a, err := qps.ParseTagAssignment(req.Data.Children[0])
	if err != nil {
		send(w, qps.NewError(qps.SchemaHostAsset, qps.CodeInvalidRequest, err.Error(), "Mend it."))
		return
	}
	f := fleet.NewForest(s.tags, s, time.Time{})
	var changed []qps.Record
	for _, h := range s.platform.assets {
		if !meets(h, req.Criteria[0]) {
			continue
		}
		changed = append(changed, &qps.HostAsset{ID: h.ID, Name: h.Name})
		h.Tags = slices.DeleteFunc(h.Tags, func(t qps.TagSimple) bool {
			return t.ID != 9 && (a.Replace || slices.Contains(a.Remove, t.ID) || slices.Contains(a.Add, t.ID))
		})
		for _, id := range a.Add {
			tag, err := f.Tag(id)
			if err != nil {
				send(w, qps.NewError(qps.SchemaHostAsset, qps.CodeInvalidRequest, fmt.Sprintf("tags: there is no tag %d.", id), "Search for tags."))
				return
			}
			h.Tags = append(h.Tags, qps.TagSimple{ID: id, Name: tag.Name})
		}
	}
	send(w, qps.NewResult(qps.SchemaHostAsset, changed...))
}
