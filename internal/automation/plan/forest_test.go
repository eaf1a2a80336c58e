package plan

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vedette.dev/vedette/qps"
)

// woods are 1 Edge with 2 West, 3 World with 4 Edge and that with 5 West, 6 the
// root tag CI/CD, 7 CI with 8 CD, and 9 and 10, which are each other's parent.
func woods() *forest {
	return newForest([]*qps.Tag{
		{ID: 1, Name: "Edge"},
		{ID: 2, Name: "West", ParentTagID: 1},
		{ID: 3, Name: "World"},
		{ID: 4, Name: "Edge", ParentTagID: 3},
		{ID: 5, Name: "West", ParentTagID: 4},
		{ID: 6, Name: "CI/CD"},
		{ID: 7, Name: "CI"},
		{ID: 8, Name: "CD", ParentTagID: 7},
		{ID: 9, Name: "Hen", ParentTagID: 10},
		{ID: 10, Name: "Egg", ParentTagID: 9},
	})
}

func TestTagsAreNamedByNameOrPath(t *testing.T) {
	t.Parallel()
	tests := []struct {
		give string
		want int64 // 0 for an error
		err  string
	}{
		{"World", 3, ""},
		{"/World", 3, ""},
		{"/Edge", 1, ""},
		{"World/Edge", 4, ""},
		{"/World/Edge/West", 5, ""},
		{"/Edge/West", 2, ""},
		{`CI\/CD`, 6, ""},
		{"/CI/CD", 8, ""},
		{`/CI\/CD`, 6, ""},
		{"CD", 8, ""},
		{"Edge", 0, `2 tags are called "Edge"`},
		{"Edge/West", 0, `2 tags are called "Edge/West"`},
		{"CI/CD", 0, `2 tags are called "CI/CD"`},
		{"/West", 0, `there is no tag "/West", neither on the platform nor in the files`},
		{"world", 0, `there is no tag "world", neither on the platform nor in the files`},
		{"", 0, `there is no tag "", neither on the platform nor in the files`},
		{"/", 0, `there is no tag "/", neither on the platform nor in the files`},
	}
	for _, tt := range tests {
		n, err := woods().resolve(tt.give)
		switch {
		case tt.want == 0 && (err == nil || err.Error() != tt.err):
			t.Errorf("%s: error %v, want %s", tt.give, err, tt.err)
		case tt.want != 0 && (err != nil || n.id != tt.want):
			t.Errorf("%s: %v (%v), want tag %d", tt.give, n, err, tt.want)
		}
	}
	_, err := woods().resolve("Edge")
	if f, _ := asFault(err); f.Resolution != "Write which one: /Edge, /World/Edge." {
		t.Errorf("next step %q", f.Resolution)
	}
}

func TestEveryTagHasATextOfItsOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "a/b", `a\b`, "/", `\`, "none", "/a", "a/"})
		taken := map[string]bool{}
		var tags []*qps.Tag
		for i := range int64(12) {
			tag := &qps.Tag{ID: i + 1, Name: name.Draw(t, "name")}
			if above := rapid.IntRange(0, len(tags)).Draw(t, "above"); above > 0 {
				tag.ParentTagID = tags[above-1].ID
			}
			if place := string(rune(tag.ParentTagID)) + tag.Name; !taken[place] { // siblings differ
				taken[place] = true
				tags = append(tags, tag)
			}
		}
		f := newForest(tags)
		for _, n := range f.nodes {
			for _, text := range []string{n.text(), f.shortest(n)} {
				if found, err := f.resolve(text); err != nil || found != n {
					t.Fatalf("%q, of tag %d, names %v (%v)", text, n.id, found, err)
				}
			}
		}
	})
}

func TestParentsMayBeDescribedLater(t *testing.T) {
	t.Parallel()
	documents, err := Decode("t.yaml", []byte(`{kind: Tag, name: Inner, parent: Edge/North}
---
{kind: Tag, name: North, parent: /Edge}
---
{kind: Tag, name: Edge}
---
{kind: Tag, name: Edge, parent: none, color: "#fff"}
`))
	if err != nil {
		t.Fatal(err)
	}
	f := woods()
	var three []*Document
	for i := range documents[:3] {
		three = append(three, &documents[i])
	}
	if err := f.place(three); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, n := range f.nodes {
		if n.described != nil {
			texts = append(texts, n.text())
		}
	}
	if want := []string{"/Edge", "/Edge/North", "/Edge/North/Inner"}; !slices.Equal(texts, want) {
		t.Errorf("described are %q, want %q", texts, want)
	}
	err = woods().place(append(three, &documents[3]))
	if want := "t.yaml:7: the tag \"/Edge\" is described in t.yaml:5 already."; err == nil || err.Error() != want {
		t.Errorf("a tag described twice: %v, want %s", err, want)
	}
}
