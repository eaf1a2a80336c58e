package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// tagTable stores tags in memory.
type tagTable struct{ tags []fleet.Tag }

func (s *tagTable) InsertTag(_ context.Context, t fleet.Tag) (int64, error) {
	t.ID = int64(len(s.tags) + 1)
	s.tags = append(s.tags, t)
	return t.ID, nil
}

func (s *tagTable) SaveTag(_ context.Context, t fleet.Tag) error {
	s.tags[t.ID-1] = t
	return nil
}

// paths returns every tag with the names of those above it.
func (s *tagTable) paths() []string {
	var paths []string
	for _, t := range s.tags {
		path := t.Name
		for above := t.ParentID; above != 0; above = s.tags[above-1].ParentID {
			path = s.tags[above-1].Name + "/" + path
		}
		paths = append(paths, path)
	}
	return paths
}

var tagTime = time.Date(2031, 4, 1, 6, 12, 44, 5, time.UTC)

// grove is the system tag 1 and the tags 2 a, 3 a/b, 4 a/b/c and 5 d.
func grove() (*tagTable, *fleet.Forest) {
	s := &tagTable{tags: []fleet.Tag{
		{ID: 1, Name: "Cloud Agent", System: true, RuleType: fleet.RuleStatic},
		{ID: 2, Name: "a", RuleType: fleet.RuleStatic},
		{ID: 3, ParentID: 2, Name: "b", RuleType: fleet.RuleStatic},
		{ID: 4, ParentID: 3, Name: "c", RuleType: fleet.RuleOS, RuleText: "x"},
		{ID: 5, Name: "d", RuleType: fleet.RuleStatic},
	}}
	return s, fleet.NewForest(slices.Clone(s.tags), s, tagTime)
}

func ptr[T any](v T) *T { return &v }

func named(names ...string) []qps.TagChange {
	var list []qps.TagChange
	for _, name := range names {
		list = append(list, qps.TagChange{Name: ptr(name)})
	}
	return list
}

func TestChangesOfTheHierarchy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		id     int64 // 0 creates
		change qps.TagChange
		want   []string
	}{
		{"a tree", 0, qps.TagChange{Name: ptr("e"), Children: &qps.TagChildren{Replace: true, Add: []qps.TagChange{{Name: ptr("f"), Children: &qps.TagChildren{Add: named("g")}}, {Name: ptr("h")}}}},
			[]string{"Cloud Agent", "a", "a/b", "a/b/c", "d", "e", "e/f", "e/f/g", "e/h"}},
		{"a child of the system tag", 0, qps.TagChange{Name: ptr("e"), ParentTagID: ptr[int64](1)}, []string{"Cloud Agent", "a", "a/b", "a/b/c", "d", "Cloud Agent/e"}},
		{"a name that another parent's child has", 0, qps.TagChange{Name: ptr("b"), ParentTagID: ptr[int64](5)}, []string{"Cloud Agent", "a", "a/b", "a/b/c", "d", "d/b"}},
		{"a name in another case", 0, qps.TagChange{Name: ptr("A")}, []string{"Cloud Agent", "a", "a/b", "a/b/c", "d", "A"}},
		{"a tag above one that exists", 0, qps.TagChange{Name: ptr("e"), Children: &qps.TagChildren{Add: []qps.TagChange{{ID: ptr[int64](3)}}}}, []string{"Cloud Agent", "a", "e/b", "e/b/c", "d", "e"}},
		{"move with everything below", 3, qps.TagChange{ParentTagID: ptr[int64](5)}, []string{"Cloud Agent", "a", "d/b", "d/b/c", "d"}},
		{"move to the roots", 4, qps.TagChange{ParentTagID: ptr[int64](0)}, []string{"Cloud Agent", "a", "a/b", "c", "d"}},
		{"rename", 2, qps.TagChange{Name: ptr("z")}, []string{"Cloud Agent", "z", "z/b", "z/b/c", "d"}},
		{"the same name again", 2, qps.TagChange{Name: ptr("a")}, []string{"Cloud Agent", "a", "a/b", "a/b/c", "d"}},
		{"add a child", 2, qps.TagChange{Children: &qps.TagChildren{Add: named("e")}}, []string{"Cloud Agent", "a", "a/b", "a/b/c", "d", "a/e"}},
		{"a child that is removed becomes a root", 2, qps.TagChange{Children: &qps.TagChildren{Remove: []int64{3}}}, []string{"Cloud Agent", "a", "b", "b/c", "d"}},
		{"set keeps by name and makes the rest", 2, qps.TagChange{Children: &qps.TagChildren{Replace: true, Add: named("b", "e")}}, []string{"Cloud Agent", "a", "a/b", "a/b/c", "d", "a/e"}},
		{"set keeps by id and renames", 2, qps.TagChange{Children: &qps.TagChildren{Replace: true, Add: []qps.TagChange{{ID: ptr[int64](3), Name: ptr("y")}}}}, []string{"Cloud Agent", "a", "a/y", "a/y/c", "d"}},
		{"set to nothing", 2, qps.TagChange{Children: &qps.TagChildren{Replace: true}}, []string{"Cloud Agent", "a", "b", "b/c", "d"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, f := grove()
			var err error
			if tc.id == 0 {
				_, err = f.Create(t.Context(), tc.change)
			} else {
				err = f.Update(t.Context(), tc.id, tc.change)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, s.paths()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func chain(levels int) qps.TagChange {
	c := qps.TagChange{Name: ptr("x")}
	for range levels - 1 {
		c = qps.TagChange{Name: ptr("x"), Children: &qps.TagChildren{Add: []qps.TagChange{c}}}
	}
	return c
}

func TestRefusedTags(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		id     int64
		change qps.TagChange
		code   fault.Code
		says   string
	}{
		{"no name", 0, qps.TagChange{}, fault.Invalid, "name: the value is missing"},
		{"an empty name", 2, qps.TagChange{Name: ptr("")}, fault.Invalid, "name: the value is missing"},
		{"a name that is too long", 0, qps.TagChange{Name: ptr(strings.Repeat("ü", 513))}, fault.Invalid, "1026 bytes"},
		{"a name with a line break", 0, qps.TagChange{Name: ptr("a\nb")}, fault.Invalid, "control characters"},
		{"a name that is no text", 0, qps.TagChange{Name: ptr("a\xff")}, fault.Invalid, "name"},
		{"a name that is taken", 0, qps.TagChange{Name: ptr("a")}, fault.Conflict, "the tag 2 is called 'a' already"},
		{"a child's name that is taken", 2, qps.TagChange{Children: &qps.TagChildren{Add: named("b")}}, fault.Conflict, "the tag 3"},
		{"a rename to a name that is taken", 5, qps.TagChange{Name: ptr("a")}, fault.Conflict, "the tag 2"},
		{"a child that becomes a root with a name that is taken", 2, qps.TagChange{Name: ptr("b"), Children: &qps.TagChildren{Remove: []int64{3}}}, fault.Conflict, "the tag 2"},
		{"a word for a color", 0, qps.TagChange{Name: ptr("e"), Color: ptr("red")}, fault.Invalid, "color: invalid value 'red'. Specify a color as #RGB or #RRGGBB."},
		{"a color cut short", 0, qps.TagChange{Name: ptr("e"), Color: ptr("#FF")}, fault.Invalid, "'#FF'"},
		{"a color with another digit", 0, qps.TagChange{Name: ptr("e"), Color: ptr("#GGG")}, fault.Invalid, "'#GGG'"},
		{"a criticality of 6", 0, qps.TagChange{Name: ptr("e"), CriticalityScore: ptr[int64](6)}, fault.Invalid, "from 1 to 5"},
		{"a criticality beyond 32 bits", 0, qps.TagChange{Name: ptr("e"), CriticalityScore: ptr[int64](1<<32 + 1)}, fault.Invalid, "from 1 to 5"},
		{"a description that is too long", 0, qps.TagChange{Name: ptr("e"), Description: ptr(strings.Repeat("x", 4097))}, fault.Invalid, "4097"},
		{"an unknown rule type", 0, qps.TagChange{Name: ptr("e"), RuleType: ptr("MAGIC"), RuleText: ptr("x")}, fault.Invalid, "'MAGIC'. Values expected: STATIC, GROOVY"},
		{"a rule without a type", 0, qps.TagChange{Name: ptr("e"), RuleText: ptr("x")}, fault.Invalid, "a static tag has no rule"},
		{"a type without a rule", 0, qps.TagChange{Name: ptr("e"), RuleType: ptr("OS_REGEX")}, fault.Invalid, "missing for OS_REGEX"},
		{"a rule of blanks", 0, qps.TagChange{Name: ptr("e"), RuleType: ptr("NAME_CONTAINS"), RuleText: ptr("  ")}, fault.Invalid, "missing for NAME_CONTAINS"},
		{"an expression that is none", 0, qps.TagChange{Name: ptr("e"), RuleType: ptr("OS_REGEX"), RuleText: ptr("(")}, fault.Invalid, "missing closing )"},
		{"an expression with a look-ahead", 0, qps.TagChange{Name: ptr("e"), RuleType: ptr("OS_REGEX"), RuleText: ptr("(?=a)b")}, fault.Invalid, "RE2"},
		{"a provider without a cloud rule", 0, qps.TagChange{Name: ptr("e"), Provider: ptr("EC2")}, fault.Invalid, "CLOUD_ASSET"},
		{"an unknown provider", 0, qps.TagChange{Name: ptr("e"), RuleType: ptr("CLOUD_ASSET"), RuleText: ptr("x"), Provider: ptr("ACME")}, fault.Invalid, "EC2, AZURE, GCP, IBM, OCI"},
		{"an unknown parent", 0, qps.TagChange{Name: ptr("e"), ParentTagID: ptr[int64](99)}, fault.Invalid, "there is no tag 99"},
		{"a parent below it", 2, qps.TagChange{ParentTagID: ptr[int64](4)}, fault.Invalid, "below itself"},
		{"itself as parent", 2, qps.TagChange{ParentTagID: ptr[int64](2)}, fault.Invalid, "below itself"},
		{"its parent as child", 4, qps.TagChange{Children: &qps.TagChildren{Add: []qps.TagChange{{ID: ptr[int64](2)}}}}, fault.Invalid, "below itself"},
		{"too many levels", 0, chain(33), fault.Invalid, "33 levels"},
		{"too many levels with what is below", 2, qps.TagChange{Children: &qps.TagChildren{Add: []qps.TagChange{chain(32)}}}, fault.Invalid, "33 levels"},
		{"an unknown child", 2, qps.TagChange{Children: &qps.TagChildren{Add: []qps.TagChange{{ID: ptr[int64](99)}}}}, fault.NotFound, "no tag 99"},
		{"a child with another parent", 2, qps.TagChange{Children: &qps.TagChildren{Add: []qps.TagChange{{Name: ptr("e"), ParentTagID: ptr[int64](5)}}}}, fault.Invalid, "parentTagId: 5"},
		{"a child to remove that is none", 2, qps.TagChange{Children: &qps.TagChildren{Remove: []int64{4}}}, fault.Invalid, "not a child"},
		{"the system tag as child", 2, qps.TagChange{Children: &qps.TagChildren{Add: []qps.TagChange{{ID: ptr[int64](1)}}}}, fault.Conflict, "system tag"},
		{"the system tag renamed", 1, qps.TagChange{Name: ptr("e")}, fault.Conflict, "system tag"},
		{"children of the system tag", 1, qps.TagChange{Children: &qps.TagChildren{Add: named("e")}}, fault.Conflict, "system tag"},
		{"an unknown tag", 99, qps.TagChange{Name: ptr("e")}, fault.NotFound, "no tag 99"},
		{"an id for a new tag", 0, qps.TagChange{ID: ptr[int64](7), Name: ptr("e")}, fault.Invalid, "id: 7"},
		{"too many at once", 0, qps.TagChange{Name: ptr("e"), Children: &qps.TagChildren{Add: named(numbers(1000)...)}}, fault.TooLarge, "1000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, f := grove()
			var err error
			if tc.id == 0 {
				_, err = f.Create(t.Context(), tc.change)
			} else {
				err = f.Update(t.Context(), tc.id, tc.change)
			}
			wantFault(t, err, tc.code, tc.says)
		})
	}
}

func numbers(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	return names
}

func wantFault(t *testing.T, err error, code fault.Code, says string) {
	t.Helper()
	text := ""
	if refused, ok := errors.AsType[*fault.Error](err); ok {
		text = refused.Message + " " + refused.Resolution
	}
	if fault.CodeOf(err) != code || !strings.Contains(text, says) {
		t.Errorf("got %s (%v, %q), want %s with %q", fault.CodeOf(err), err, text, code, says)
	}
}

func TestDeletingTags(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		ids  []int64
		code fault.Code
	}{
		{"a leaf", []int64{4}, ""},
		{"a branch with its leaves", []int64{4, 2, 3}, ""},
		{"a branch without its leaves", []int64{3}, fault.Conflict},
		{"the system tag", []int64{5, 1}, fault.Conflict},
		{"an unknown tag", []int64{5, 99}, fault.NotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, f := grove()
			if err := f.CheckDelete(tc.ids); fault.CodeOf(err) != tc.code {
				t.Errorf("got %v, want %q", err, tc.code)
			}
		})
	}
}

func TestARuleIsEvaluatedAgainOnlyWhenItChanges(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		id     int64
		change qps.TagChange
		want   bool
	}{
		{"a new rule", 4, qps.TagChange{RuleText: ptr("y")}, true},
		{"the same rule", 4, qps.TagChange{RuleText: ptr("x"), RuleType: ptr("OS_REGEX")}, false},
		{"a new name", 4, qps.TagChange{Name: ptr("z")}, false},
		{"a rule for a static tag", 5, qps.TagChange{RuleType: ptr("NAME_CONTAINS"), RuleText: ptr("x")}, true},
		{"a tag that becomes static", 4, qps.TagChange{RuleType: ptr("")}, false},
		{"a rule that is not evaluated any more", 4, qps.TagChange{RuleType: ptr("VULN_EXIST")}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, f := grove()
			if err := f.Update(t.Context(), tc.id, tc.change); err != nil {
				t.Fatal(err)
			}
			if got := s.tags[tc.id-1]; got.Evaluating != tc.want || (got.RuleType == fleet.RuleStatic && got.RuleText != "") {
				t.Errorf("tag is %+v, want evaluating %t", got, tc.want)
			}
		})
	}
}

func TestCriteriaOnTags(t *testing.T) {
	t.Parallel()
	schema := fleet.NewTagSchema()
	tag := &fleet.Tag{ID: 7, ParentID: 2, Name: "Edge west", Color: "#2A6F97", RuleType: fleet.RuleStatic}
	root := &fleet.Tag{ID: 2, Name: "Edge", RuleType: fleet.RuleCloudAsset, Provider: "EC2"}
	for _, tc := range []struct {
		c         qps.Criterion
		tag, root bool
	}{
		{qps.Criterion{Field: "id", Operator: qps.OpGreater, Value: "2"}, true, false},
		{qps.Criterion{Field: "id", Operator: qps.OpIn, Value: "1,2"}, false, true},
		{qps.Criterion{Field: "name", Operator: qps.OpContains, Value: "Edge"}, true, true},
		{qps.Criterion{Field: "name", Operator: qps.OpEquals, Value: "edge"}, false, false},
		{qps.Criterion{Field: "parent", Operator: qps.OpEquals, Value: "2"}, true, false},
		{qps.Criterion{Field: "parent", Operator: qps.OpNotEquals, Value: "2"}, false, true},
		{qps.Criterion{Field: "ruleType", Operator: qps.OpIn, Value: "CLOUD_ASSET,NETWORK"}, false, true},
		{qps.Criterion{Field: "provider", Operator: qps.OpEquals, Value: "EC2"}, false, true},
		{qps.Criterion{Field: "color", Operator: qps.OpEquals, Value: "#2A6F97"}, true, false},
	} {
		conditions, err := schema.Parse([]qps.Criterion{tc.c})
		if err != nil {
			t.Fatal(err)
		}
		if got, gotRoot := schema.Match(tag, conditions), schema.Match(root, conditions); got != tc.tag || gotRoot != tc.root {
			t.Errorf("%+v matches %t and %t, want %t and %t", tc.c, got, gotRoot, tc.tag, tc.root)
		}
	}
}
