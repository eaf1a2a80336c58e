package fleet

import "testing"

func TestSelectProfile(t *testing.T) {
	t.Parallel()
	const normal, edge, database, all = 1, 2, 3, 4 // profiles
	const west, east, db, lab = 11, 12, 13, 14     // tags
	rules := []Rule{
		{ProfileID: edge, Include: TagSet{TagIDs: []int64{west, east}}, Exclude: TagSet{TagIDs: []int64{lab}}},
		{ProfileID: normal, Default: true},
		{ProfileID: database, Include: TagSet{TagIDs: []int64{db, east}, All: true}, Exclude: TagSet{TagIDs: []int64{west, lab}, All: true}},
		{ProfileID: all, Include: TagSet{TagIDs: []int64{west, db}}},
	}
	for _, tc := range []struct {
		name  string
		rules []Rule
		tags  []int64
		want  int64
	}{
		{"one of ANY included tags is enough", rules, []int64{east}, edge},
		{"tags of no rule give the default", rules, []int64{99}, normal},
		{"no tags give the default", rules, nil, normal},
		{"the first match in ascending priority wins", rules, []int64{west, db}, edge},
		{"one of ANY excluded tags excludes", rules, []int64{west, lab}, all},
		{"ALL included tags are needed", rules[1:], []int64{east}, normal},
		{"ALL included tags match", rules[1:], []int64{east, db}, database},
		{"a part of ALL excluded tags does not exclude", rules[1:], []int64{east, db, lab}, database},
		{"ALL excluded tags together exclude", rules[1:], []int64{east, db, lab, west}, all},
		{"a default profile behind the match does not hide it", rules[1:], []int64{db}, all},
		{"an empty include set matches nobody", []Rule{{ProfileID: edge, Include: TagSet{All: true}}, {ProfileID: normal, Default: true}}, []int64{west}, normal},
		{"an empty exclude set of ALL excludes nobody", []Rule{{ProfileID: edge, Include: TagSet{TagIDs: []int64{west}}, Exclude: TagSet{All: true}}}, []int64{west}, edge},
		{"the default profile can match by its tags too", []Rule{{ProfileID: normal, Default: true, Include: TagSet{TagIDs: []int64{db}}}, {ProfileID: all, Include: TagSet{TagIDs: []int64{db}}}}, []int64{db}, normal},
		{"without a default there is no profile", rules[:1], []int64{db}, 0},
		{"no rules", nil, []int64{db}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := SelectProfile(tc.rules, tc.tags); got != tc.want {
				t.Errorf("got profile %d, want %d", got, tc.want)
			}
		})
	}
}
