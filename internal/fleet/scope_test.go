package fleet

import (
	"context"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// mine is the scope of somebody with the tags 3 and 5.
var mine = Scope{TagIDs: []int64{3, 5}}

func TestAScopeHoldsWhatCarriesOneOfItsTags(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scope Scope
		tags  []int64
		want  bool
	}{
		"a tag of the scope":          {mine, []int64{1, 5}, true},
		"other tags":                  {mine, []int64{1, 4}, false},
		"no tags":                     {mine, nil, false},
		"the zero scope":              {Scope{}, []int64{3}, false},
		"the whole fleet":             {WholeFleet(), nil, true},
		"the whole fleet, any object": {WholeFleet(), []int64{9}, true},
	} {
		if got := test.scope.Holds(test.tags); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTagsBeyondAScopeCannotBeChanged(t *testing.T) {
	t.Parallel()
	child := func(c qps.TagChange) *qps.TagChildren { return &qps.TagChildren{Add: []qps.TagChange{c}} }
	all := []Tag{{ID: 3, ParentID: 8}, {ID: 4}, {ID: 5, ParentID: 3}, {ID: 8}, {ID: 9}}
	for name, test := range map[string]struct {
		ids    []int64
		change qps.TagChange
		want   string // what the refusal names; empty when allowed
	}{
		"a new static tag":                    {nil, qps.TagChange{Name: new("Team")}, ""},
		"below a tag of the scope":            {nil, qps.TagChange{Name: new("Team"), ParentTagID: new(int64(3))}, ""},
		"below another tag":                   {nil, qps.TagChange{ParentTagID: new(int64(4))}, "parentTagId: tag 4"},
		"a tag of the scope":                  {[]int64{3, 5}, qps.TagChange{Name: new("Team")}, ""},
		"another tag":                         {[]int64{3, 4}, qps.TagChange{Name: new("Team")}, "Tag: tag 4"},
		"a rule":                              {[]int64{3}, qps.TagChange{RuleType: new("NAME_CONTAINS"), RuleText: new(".*")}, "ruleType"},
		"the text of a rule":                  {[]int64{3}, qps.TagChange{RuleText: new(".*")}, "ruleType"},
		"no rule any more":                    {[]int64{3}, qps.TagChange{RuleType: new("STATIC")}, ""},
		"a new child":                         {[]int64{3}, qps.TagChange{Children: child(qps.TagChange{Name: new("Below")})}, ""},
		"a new child with a rule":             {[]int64{3}, qps.TagChange{Children: child(qps.TagChange{Name: new("Below"), RuleText: new(".*")})}, "ruleType"},
		"a tag of others as a child":          {[]int64{3}, qps.TagChange{Children: child(qps.TagChange{ID: new(int64(9))})}, "Tag: tag 9"},
		"a tag of others as a child's child":  {nil, qps.TagChange{Children: child(qps.TagChange{Name: new("A"), Children: child(qps.TagChange{ID: new(int64(9))})})}, "Tag: tag 9"},
		"a tag of others as a child no more":  {[]int64{3}, qps.TagChange{Children: &qps.TagChildren{Remove: []int64{9}}}, "children: tag 9"},
		"the order of the scope's own tags":   {[]int64{3}, qps.TagChange{Children: child(qps.TagChange{ID: new(int64(5))})}, ""},
		"to be the child of a tag not theirs": {[]int64{5}, qps.TagChange{ParentTagID: new(int64(8))}, "parentTagId: tag 8"},
		"away from a tag of others":           {[]int64{3}, qps.TagChange{ParentTagID: new(int64(0))}, "parentTagId: tag 8"},
		"from a tag of others to their own":   {[]int64{3}, qps.TagChange{ParentTagID: new(int64(5))}, "parentTagId: tag 8"},
		"a child taken from a tag of others":  {[]int64{5}, qps.TagChange{Children: child(qps.TagChange{ID: new(int64(3))})}, "parentTagId: tag 8"},
		"away from a tag of the scope":        {[]int64{5}, qps.TagChange{ParentTagID: new(int64(0))}, ""},
		"its parent sent back":                {[]int64{5}, qps.TagChange{ParentTagID: new(int64(3))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, mine.AllowTagChange(all, test.ids, test.change), test.want)
			wantRefusal(t, WholeFleet().AllowTagChange(all, test.ids, test.change), "")
		})
	}
}

func TestARuleIsChangedByWhateverGivesOrTakesOne(t *testing.T) {
	t.Parallel()
	child := func(c qps.TagChange) qps.TagChange {
		return qps.TagChange{Children: &qps.TagChildren{Replace: true, Add: []qps.TagChange{c}}}
	}
	all := []Tag{{ID: 1, Name: "Ruled", RuleType: RuleOS, RuleText: "x"}, {ID: 2, Name: "Static", RuleType: RuleStatic}, {ID: 3, ParentID: 2, Name: "Below", RuleType: RuleOS, RuleText: "x"}}
	for name, test := range map[string]struct {
		ids    []int64
		change qps.TagChange
		want   bool
	}{
		"a new static tag":                     {nil, qps.TagChange{RuleType: new("STATIC")}, false},
		"a new tag with a rule":                {nil, qps.TagChange{RuleType: new("OS_REGEX"), RuleText: new("x")}, true},
		"a new child with a rule":              {nil, child(qps.TagChange{RuleType: new("OS_REGEX")}), true},
		"a new child's child with a rule":      {nil, child(child(qps.TagChange{RuleText: new("x")})), true},
		"the name of a tag with a rule":        {[]int64{1}, qps.TagChange{Name: new("y")}, false},
		"the end of a rule":                    {[]int64{1}, qps.TagChange{RuleType: new("STATIC")}, true},
		"the end of a rule, without a word":    {[]int64{1}, qps.TagChange{RuleType: new("")}, true},
		"an empty text":                        {[]int64{1}, qps.TagChange{RuleText: new("")}, true},
		"a static tag sent back":               {[]int64{2}, qps.TagChange{RuleType: new("STATIC"), RuleText: new("")}, false},
		"the end of a child's rule":            {[]int64{2}, child(qps.TagChange{ID: new(int64(3)), RuleType: new("STATIC")}), true},
		"the end of a child's rule, by name":   {[]int64{2}, child(qps.TagChange{Name: new("Below"), RuleType: new("STATIC")}), true},
		"a child of that name elsewhere":       {[]int64{1}, child(qps.TagChange{Name: new("Below"), RuleType: new("STATIC")}), false},
		"one of several tags in bulk is ruled": {[]int64{2, 1}, qps.TagChange{RuleType: new("STATIC")}, true},
	} {
		if got := ChangesRule(all, test.ids, test.change); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func wantRefusal(t *testing.T, err error, names string) {
	t.Helper()
	switch {
	case names == "" && err != nil:
		t.Errorf("refused: %v", err)
	case names != "" && (!fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), names)):
		t.Errorf("got %v, want a refusal that names %q", err, names)
	}
}

// oneKey is a KeyStore with one key, which has made agents in and out of scope.
type oneKey struct {
	KeyStore
	key     ActivationKey
	agents  map[bool]int64 // in scope, in the whole fleet
	written bool
}

func (s *oneKey) ActivationKeys(context.Context) ([]ActivationKey, error) {
	return []ActivationKey{s.key}, nil
}

func (s *oneKey) ActivationKey(context.Context, int64) (ActivationKey, error) { return s.key, nil }

func (s *oneKey) CreateActivationKey(_ context.Context, k ActivationKey) (ActivationKey, error) {
	s.written = true
	return k, nil
}

func (s *oneKey) UpdateActivationKey(_ context.Context, _ int64, _ bool, change func(ActivationKey) (ActivationKey, error)) (ActivationKey, error) {
	k, err := change(s.key)
	s.written = err == nil
	return k, err
}

func (s *oneKey) DeleteActivationKey(context.Context, int64) error {
	s.written = true
	return nil
}

func (s *oneKey) MoveAgents(context.Context, Scope, string, []Condition, int, time.Time) (int64, error) {
	s.written = true
	return 1, nil
}

func (s *oneKey) SearchHosts(context.Context, Query) (Page, error) { return Page{}, nil }

func (s *oneKey) Host(context.Context, Scope, int64) (qps.HostAsset, error) {
	return qps.HostAsset{}, nil
}

func (s *oneKey) CountHosts(_ context.Context, scope Scope, _ []Condition) (int64, error) {
	return s.agents[!scope.All], nil
}

func TestKeysBeyondAScopeAreOutOfSightAndCannotBeChanged(t *testing.T) {
	t.Parallel()
	tags := func(ids ...int64) []qps.TagSimple {
		var list []qps.TagSimple
		for _, id := range ids {
			list = append(list, qps.TagSimple{ID: id})
		}
		return list
	}
	update := func(c KeyChange) func(*Keyring) error {
		return func(r *Keyring) error { _, err := r.Update(context.Background(), mine, 1, c); return err }
	}
	create := func(c KeyChange) func(*Keyring) error {
		return func(r *Keyring) error {
			c.Type = new(KeyUnlimited)
			_, err := r.Create(context.Background(), mine, c)
			return err
		}
	}
	remove := func(r *Keyring) error { return r.Delete(context.Background(), mine, 1) }
	move := func(r *Keyring) error {
		_, err := r.MoveAgents(context.Background(), mine, "k", []Condition{{Field: FieldID, Operator: qps.OpEquals, Ints: []int64{1}}})
		return err
	}
	all := map[bool]int64{true: 4, false: 4}
	some := map[bool]int64{true: 3, false: 4}
	for name, test := range map[string]struct {
		tags   []int64
		agents map[bool]int64
		do     func(*Keyring) error
		want   fault.Code
	}{
		"title of a key in scope":                {[]int64{3, 9}, some, update(KeyChange{Title: new("x")}), ""},
		"title of another key":                   {[]int64{9}, all, update(KeyChange{Title: new("x")}), fault.NotFound},
		"title of a key without tags":            {nil, all, update(KeyChange{Title: new("x")}), fault.NotFound},
		"one more tag of the scope":              {[]int64{3}, all, update(KeyChange{Tags: KeyList[qps.TagSimple]{Add: tags(5)}}), ""},
		"one more tag of others":                 {[]int64{3}, all, update(KeyChange{Tags: KeyList[qps.TagSimple]{Add: tags(9)}}), fault.Forbidden},
		"a tag by its name":                      {[]int64{3}, all, update(KeyChange{Tags: KeyList[qps.TagSimple]{Add: []qps.TagSimple{{Name: "Others"}}}}), fault.Forbidden},
		"the last tag of the scope taken off":    {[]int64{3, 9}, all, update(KeyChange{Tags: KeyList[qps.TagSimple]{Remove: tags(3)}}), fault.Forbidden},
		"a change on its agents, all in scope":   {[]int64{3}, all, update(KeyChange{OnAgents: true}), ""},
		"a change on its agents, some out of it": {[]int64{3}, some, update(KeyChange{OnAgents: true}), fault.Forbidden},
		"deleted, its agents in scope":           {[]int64{3}, all, remove, ""},
		"deleted, some agents out of scope":      {[]int64{3}, some, remove, fault.Forbidden},
		"another key deleted":                    {[]int64{9}, all, remove, fault.NotFound},
		"a new key with a tag of the scope":      {nil, all, create(KeyChange{Tags: KeyList[qps.TagSimple]{Set: tags(5)}}), ""},
		"a new key without tags":                 {nil, all, create(KeyChange{}), fault.Forbidden},
		"a new key with a tag of others":         {nil, all, create(KeyChange{Tags: KeyList[qps.TagSimple]{Set: tags(5, 9)}}), fault.Forbidden},
		"agents given a key in scope":            {[]int64{3}, all, move, ""},
		"agents given another key":               {[]int64{9}, all, move, fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &oneKey{key: ActivationKey{ID: 1, Key: "k", Type: KeyUnlimited, Tags: tags(test.tags...)}, agents: test.agents}
			ring := &Keyring{Keys: s, Hosts: s, Now: time.Now, NewKey: func() string { return "new" }}
			if err := test.do(ring); fault.CodeOf(err) != test.want || s.written != (test.want == "") {
				t.Errorf("got %v, written %t, want code %q", err, s.written, test.want)
			}
		})
	}
	s := &oneKey{key: ActivationKey{ID: 1, Key: "k", Tags: tags(9)}}
	ring := &Keyring{Keys: s, Hosts: s}
	if keys, err := ring.Search(t.Context(), mine, nil); err != nil || len(keys) != 0 {
		t.Errorf("search shows %v, %v", keys, err)
	}
	if _, err := ring.Get(t.Context(), mine, 1); !fault.Is(err, fault.NotFound) {
		t.Errorf("get: %v", err)
	}
}

func TestProfilesForAgentsBeyondAScopeCannotBeChanged(t *testing.T) {
	t.Parallel()
	profile := func(change func(*Profile)) Profile {
		p := Profile{Name: "Team", Priority: 2, Include: ProfileTags{Tags: []TagRef{{ID: 3}, {ID: 5}}}}
		change(&p)
		return p
	}
	same := func(*Profile) {}
	include := func(tags ...TagRef) func(*Profile) { return func(p *Profile) { p.Include.Tags = tags } }
	for name, test := range map[string]struct {
		before, after func(*Profile)
		want          string
	}{
		"its settings":               {same, func(p *Profile) { p.SuspendScanning = true }, ""},
		"fewer tags":                 {same, include(TagRef{ID: 3}), ""},
		"tags that are excluded":     {same, func(p *Profile) { p.Exclude.Tags = []TagRef{{ID: 9}} }, ""},
		"tags of others":             {same, include(TagRef{ID: 3}, TagRef{ID: 9}), "includeTags: tag 9"},
		"a tag by its name":          {same, include(TagRef{Name: "Others"}), "'Others'"},
		"no tags":                    {same, include(), "includes no tag"},
		"the default profile":        {func(p *Profile) { p.Default = true }, same, "isDefault"},
		"to be the default":          {same, func(p *Profile) { p.Default = true }, "isDefault"},
		"its place":                  {same, func(p *Profile) { p.Priority = 1 }, "priority"},
		"a profile of others":        {include(TagRef{ID: 9}), same, "includeTags: tag 9"},
		"a profile that others have": {include(TagRef{ID: 3}, TagRef{ID: 9}), same, "includeTags: tag 9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := profile(test.before)
			after := before
			test.after(&after)
			wantRefusal(t, mine.allowProfileChange(before, after), test.want)
			wantRefusal(t, WholeFleet().allowProfileChange(before, after), "")
		})
	}
}
