package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// scopeTo gives a user the tags as scope.
func scopeTo(t *testing.T, b *bundle, name string, tags ...int64) access.User {
	t.Helper()
	return must(b.UpdateUser(t.Context(), name, func(u *access.User) error { u.Scope.TagIDs = tags; return nil }))(t)
}

func testScopes(t *testing.T, create func(tb testing.TB) Database) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *bundle)
	}{
		{"reach every tag below theirs, in any forest", testReach},
		{"follow the tags as these move", testMovedTag},
		{"keep their tags from being deleted", testScopeTagStays},
		{"and deletions at once leave no scope without its tag", testScopeAgainstDeletion},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, setup(t, create))
		})
	}
}

// testReach lets forests grow at random and compares the reach of scopes with what
// walking up from every tag says.
func testReach(t *testing.T, b *bundle) {
	parents := map[int64]int64{}
	var tags []int64
	createUser(t, b, "ada")
	rapid.Check(t, func(r *rapid.T) {
		if len(tags) < 60 {
			change := qps.TagChange{Name: new(fmt.Sprint("tag ", len(tags)))}
			if len(tags) > 0 && rapid.IntRange(0, 3).Draw(r, "child") > 0 {
				change.ParentTagID = new(rapid.SampledFrom(tags).Draw(r, "parent"))
			}
			id := makeTag(t, b, change)
			if change.ParentTagID != nil {
				parents[id] = *change.ParentTagID
			}
			tags = append(tags, id)
		}
		scope := rapid.SliceOfN(rapid.SampledFrom(tags), 0, 4).Draw(r, "scope")
		got := scopeTo(t, b, "ada", scope...).Scope
		want := access.Scope{TagIDs: slices.Compact(slices.Sorted(slices.Values(scope)))}
		for _, tag := range tags {
			for at := tag; at != 0; at = parents[at] {
				if slices.Contains(scope, at) {
					want.Reach = append(want.Reach, tag)
					break
				}
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("scope %v of the forest %v: %s", scope, parents, diff)
		}
	})
}

func testMovedTag(t *testing.T, b *bundle) {
	ctx := t.Context()
	top := makeTag(t, b, qps.TagChange{Name: new("top")})
	below := makeTag(t, b, qps.TagChange{Name: new("below"), ParentTagID: &top})
	other := makeTag(t, b, qps.TagChange{Name: new("other")})
	createUser(t, b, "ada")
	scopeTo(t, b, "ada", top)
	for _, move := range []struct {
		parent int64
		want   []int64
	}{{top, []int64{top, below}}, {other, []int64{top}}, {top, []int64{top, below}}} {
		if err := b.UpdateTags(ctx, []int64{below}, qps.TagChange{ParentTagID: &move.parent}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(move.want, must(b.UserByName(ctx, "ada"))(t).Scope.Reach); diff != "" {
			t.Errorf("below %d: %s", move.parent, diff)
		}
	}
	if err := b.DeleteTags(ctx, []int64{below}); err != nil { // not the scope itself
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{top}, must(b.UserByName(ctx, "ada"))(t).Scope.Reach); diff != "" {
		t.Error(diff)
	}
}

func testScopeTagStays(t *testing.T, b *bundle) {
	ctx := t.Context()
	free := makeTag(t, b, qps.TagChange{Name: new("free")})
	tag := makeTag(t, b, qps.TagChange{Name: new("lab")})
	var names []string
	for i := range 7 {
		name := fmt.Sprintf("user%d", i)
		createUser(t, b, name)
		scopeTo(t, b, name, tag)
		names = append(names, name)
	}
	err := b.DeleteTags(ctx, []int64{free, tag})
	wantCode(t, err, fault.Conflict)
	for _, part := range []string{"'lab'", "'user0'", "'user4'", "and 2 more"} {
		if !strings.Contains(messageOf(err), part) {
			t.Errorf("message %q lacks %s", messageOf(err), part)
		}
	}
	if n := len(must(b.Tags(ctx))(t)); n != 3 { // with the system tag
		t.Errorf("%d tags are left, want 3", n)
	}
	for _, name := range names {
		scopeTo(t, b, name)
	}
	if err := b.DeleteTags(ctx, []int64{free, tag}); err != nil {
		t.Errorf("a tag that is nobody's scope any more: %v", err)
	}
}

func testScopeAgainstDeletion(t *testing.T, b *bundle) {
	ctx := t.Context()
	const rounds = 12
	other := b.database(t, b.clock)
	createUser(t, b, "ada")
	for round := range rounds {
		tag := makeTag(t, b, qps.TagChange{Name: new(fmt.Sprint(round))})
		var wait sync.WaitGroup
		var scoped, deleted error
		wait.Go(func() {
			_, scoped = b.UpdateUser(ctx, "ada", func(u *access.User) error { u.Scope.TagIDs = []int64{tag}; return nil })
		})
		wait.Go(func() { deleted = other.DeleteTags(ctx, []int64{tag}) })
		wait.Wait()
		switch {
		case scoped == nil:
			wantCode(t, deleted, fault.Conflict)
		case deleted == nil:
			wantCode(t, scoped, fault.Invalid)
		default:
			t.Fatalf("both were refused: %v, %v", scoped, deleted)
		}
	}
}
