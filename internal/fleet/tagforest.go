package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// TagWriter stores what a Forest has decided.
type TagWriter interface {
	// InsertTag stores a new tag and returns its id.
	InsertTag(ctx context.Context, t Tag) (int64, error)
	// SaveTag stores a tag that exists.
	SaveTag(ctx context.Context, t Tag) error
}

// Forest is all tags of a subscription in their hierarchy, and the rules of
// changing them. Storage makes one inside a transaction, from all tags, and
// throws it away with it. It is not safe for concurrent use.
type Forest struct {
	writer  TagWriter
	now     time.Time
	tags    map[int64]Tag
	places  map[int64]map[string]int64 // ids by parent (0 for roots) and name
	written int
}

// NewForest returns the forest of tags, of which there must be all. Changes are
// dated now and go to w.
func NewForest(tags []Tag, w TagWriter, now time.Time) *Forest {
	f := &Forest{writer: w, now: now.UTC().Truncate(time.Second), tags: make(map[int64]Tag, len(tags)), places: make(map[int64]map[string]int64)}
	for _, t := range tags {
		f.put(t)
	}
	return f
}

func (f *Forest) put(t Tag) {
	if old, ok := f.tags[t.ID]; ok {
		delete(f.places[old.ParentID], old.Name)
	}
	f.tags[t.ID] = t
	if f.places[t.ParentID] == nil {
		f.places[t.ParentID] = make(map[string]int64)
	}
	f.places[t.ParentID][t.Name] = t.ID
}

// Create makes a tag with its children and returns its id. A child with an id is
// a tag that exists and moves below it.
func (f *Forest) Create(ctx context.Context, c qps.TagChange) (int64, error) {
	if c.ID != nil {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("id: %d is given for a tag to create.", *c.ID), "Leave out the id, or update the tag.")
	}
	t := Tag{RuleType: RuleStatic, Created: f.now}.with(c)
	t.Evaluating = t.RuleType != RuleStatic
	if len(f.tags) >= MaxTags {
		return 0, fault.New(fault.TooLarge, fmt.Sprintf("There are %d tags, the most a subscription may have.", len(f.tags)), "Delete tags that are not needed.")
	}
	id, err := f.write(ctx, t)
	if err != nil {
		return 0, err
	}
	return id, f.changeChildren(ctx, id, c.Children)
}

// Update makes a change to a tag. A child it removes becomes a root tag: nothing
// is deleted because a list of children lacked it.
func (f *Forest) Update(ctx context.Context, id int64, c qps.TagChange) error {
	t, err := f.changeable(id)
	if err != nil {
		return err
	}
	next := t.with(c)
	if next.RuleType == RuleStatic {
		next.Evaluating = false
	} else if next.RuleType != t.RuleType || next.RuleText != t.RuleText {
		next.Evaluating = true
	}
	if _, err := f.write(ctx, next); err != nil {
		return err
	}
	return f.changeChildren(ctx, id, c.Children)
}

// CheckDelete refuses to delete system tags, and tags with children that are not
// deleted with them.
func (f *Forest) CheckDelete(ids []int64) error {
	for _, id := range ids {
		t, err := f.changeable(id)
		if err != nil {
			return err
		}
		for _, child := range slices.Sorted(maps.Values(f.places[id])) {
			if !slices.Contains(ids, child) {
				return fault.New(fault.Conflict, fmt.Sprintf("Tag %d, '%s', has the child %d, '%s'.", id, echo(t.Name), child, echo(f.tags[child].Name)),
					"Delete the children with it, or move them first.")
			}
		}
	}
	return nil
}

// Tag returns a tag, or fault.NotFound.
func (f *Forest) Tag(id int64) (Tag, error) {
	t, ok := f.tags[id]
	if !ok {
		return Tag{}, fault.New(fault.NotFound, fmt.Sprintf("There is no tag %d.", id), "Search for the ids of the tags there are.")
	}
	return t, nil
}

func (f *Forest) changeable(id int64) (Tag, error) {
	t, err := f.Tag(id)
	if err == nil && t.System {
		err = fault.New(fault.Conflict, fmt.Sprintf("Tag %d, '%s', is a system tag.", id, t.Name), "System tags cannot be changed or deleted.")
	}
	return t, err
}

// write checks a tag and stores it; one without an id is new.
func (f *Forest) write(ctx context.Context, t Tag) (int64, error) {
	t.Modified = f.now
	if err := t.check(); err != nil {
		return 0, err
	}
	if err := f.checkPlace(t); err != nil {
		return 0, err
	}
	if f.written++; f.written > MaxTagsPerRequest {
		return 0, fault.New(fault.TooLarge, fmt.Sprintf("The request makes or changes more than %d tags.", MaxTagsPerRequest), "Split it into smaller ones.")
	}
	if t.ID != 0 {
		if err := f.writer.SaveTag(ctx, t); err != nil {
			return 0, fmt.Errorf("save tag %d: %w", t.ID, err)
		}
	} else {
		id, err := f.writer.InsertTag(ctx, t)
		if err != nil {
			return 0, fmt.Errorf("insert tag %q: %w", t.Name, err)
		}
		t.ID = id
	}
	f.put(t)
	return t.ID, nil
}

// checkPlace refuses a place in the hierarchy that a tag cannot take.
func (f *Forest) checkPlace(t Tag) error {
	if twin, ok := f.places[t.ParentID][t.Name]; ok && twin != t.ID {
		return fault.New(fault.Conflict, fmt.Sprintf("name: the tag %d is called '%s' already, below the same parent.", twin, echo(t.Name)),
			"Use another name or another parent.")
	}
	depth := 1
	for above := t.ParentID; above != 0; depth++ {
		parent, ok := f.tags[above]
		switch {
		case !ok:
			return fault.New(fault.Invalid, fmt.Sprintf("parentTagId: there is no tag %d.", above), "Specify the id of a tag, or none.")
		case above == t.ID:
			return fault.New(fault.Invalid, fmt.Sprintf("parentTagId: tag %d would be below itself.", t.ID), "Specify a tag that is not below it.")
		}
		above = parent.ParentID
	}
	if t.ID != 0 {
		depth += f.height(t.ID)
	}
	if depth > MaxTagDepth {
		return fault.New(fault.Invalid, fmt.Sprintf("parentTagId: '%s' would make a hierarchy of %d levels.", echo(t.Name), depth),
			fmt.Sprintf("Use at most %d levels.", MaxTagDepth))
	}
	return nil
}

// height returns the levels below a tag. There are no circles: checkPlace lets
// none begin.
func (f *Forest) height(id int64) int {
	below := 0
	for _, child := range f.places[id] {
		below = max(below, 1+f.height(child))
	}
	return below
}

func (f *Forest) changeChildren(ctx context.Context, id int64, c *qps.TagChildren) error {
	if c == nil {
		return nil
	}
	removed := slices.Clone(c.Remove)
	for _, child := range removed {
		if t, ok := f.tags[child]; !ok || t.ParentID != id {
			return fault.New(fault.Invalid, fmt.Sprintf("children: tag %d is not a child of tag %d.", child, id), "Remove children the tag has.")
		}
	}
	if c.Replace {
		removed = f.missing(id, c.Add)
	}
	for _, child := range removed {
		if err := f.Update(ctx, child, qps.TagChange{ParentTagID: new(int64)}); err != nil {
			return err
		}
	}
	for _, child := range c.Add {
		if err := f.addChild(ctx, id, child, c.Replace); err != nil {
			return err
		}
	}
	return nil
}

// missing returns, in order, the children of a tag that a list does not name.
func (f *Forest) missing(id int64, list []qps.TagChange) []int64 {
	var ids []int64
	for _, child := range slices.Sorted(maps.Values(f.places[id])) {
		named := slices.ContainsFunc(list, func(c qps.TagChange) bool {
			return (c.ID != nil && *c.ID == child) || (c.ID == nil && c.Name != nil && *c.Name == f.tags[child].Name)
		})
		if !named {
			ids = append(ids, child)
		}
	}
	return ids
}

// addChild makes a child, or moves one that exists. With set, a child that is
// there already is named by its name too.
func (f *Forest) addChild(ctx context.Context, parent int64, c qps.TagChange, set bool) error {
	if c.ParentTagID != nil && *c.ParentTagID != parent {
		return fault.New(fault.Invalid, fmt.Sprintf("parentTagId: %d is given for a child of tag %d.", *c.ParentTagID, parent), "Leave it out for children.")
	}
	c.ParentTagID = &parent
	if c.ID != nil {
		return f.Update(ctx, *c.ID, c)
	}
	if c.Name != nil && set {
		if id, ok := f.places[parent][*c.Name]; ok {
			return f.Update(ctx, id, c)
		}
	}
	_, err := f.Create(ctx, c)
	return err
}
