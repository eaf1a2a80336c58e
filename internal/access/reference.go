package access

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// Reference names a role or a tag by its id, or by its name where ID is 0. With
// both, they must belong together.
type Reference struct {
	ID   int64
	Name string
}

func (r Reference) String() string {
	if r.Name == "" {
		return strconv.FormatInt(r.ID, 10)
	}
	return "'" + echo(r.Name) + "'"
}

// find returns the id that a reference means among names by id. what is the
// field it is given in, and kind what it is.
func (r Reference) find(field, kind string, names map[int64]string) (int64, error) {
	if r.ID != 0 {
		name, known := names[r.ID]
		switch {
		case !known:
			return 0, unknown(field, kind, strconv.FormatInt(r.ID, 10), names)
		case r.Name != "" && r.Name != name:
			return 0, fault.New(fault.Invalid, fmt.Sprintf("%s: %s %d is called '%s', not '%s'.", field, kind, r.ID, echo(name), echo(r.Name)), "Give the id or the name.")
		}
		return r.ID, nil
	}
	var ids []int64
	for id, name := range names {
		if name == r.Name {
			ids = append(ids, id)
		}
	}
	switch slices.Sort(ids); len(ids) {
	case 0:
		return 0, unknown(field, kind, "'"+echo(r.Name)+"'", names)
	case 1:
		return ids[0], nil
	}
	return 0, fault.New(fault.Invalid, fmt.Sprintf("%s: %d %ss are called '%s': %s.", field, len(ids), kind, echo(r.Name), strings.Trim(fmt.Sprint(ids), "[]")), "Give the id.")
}

// unknown is the error of a reference to nothing, with what there is.
func unknown(field, kind, given string, names map[int64]string) error {
	var there []string
	for _, id := range slices.Sorted(maps.Keys(names)) {
		there = append(there, fmt.Sprintf("%d %s", id, echo(names[id])))
	}
	return fault.New(fault.Invalid, fmt.Sprintf("%s: there is no %s %s.", field, kind, given), "There is: "+listed(there)+".")
}

// MaxScopeTags bounds the tags of a scope: it goes with every request.
const MaxScopeTags = 100

// ScopeChoice is the scope a user is to have.
type ScopeChoice struct {
	All  bool
	Tags []Reference // none with All
}

func (d *Directory) scope(ctx context.Context, c ScopeChoice) (Scope, error) {
	switch {
	case c.All && len(c.Tags) > 0:
		return Scope{}, fault.New(fault.Invalid, "scope: tags and all assets exclude each other.", "Give tags, or all assets.")
	case len(c.Tags) > MaxScopeTags:
		return Scope{}, fault.New(fault.Invalid, fmt.Sprintf("scope: %d tags are given.", len(c.Tags)), fmt.Sprintf("Give at most %d, and put tags below one of them.", MaxScopeTags))
	case len(c.Tags) == 0:
		return Scope{All: c.All}, nil
	}
	names, err := d.Tags.TagNames(ctx)
	if err != nil {
		return Scope{}, err
	}
	var s Scope
	for _, tag := range c.Tags {
		id, err := tag.find("scope", "tag", names)
		if err != nil {
			return Scope{}, err
		}
		s.TagIDs = append(s.TagIDs, id)
	}
	slices.Sort(s.TagIDs)
	s.TagIDs = slices.Compact(s.TagIDs)
	return s, nil
}

// roles returns the roles that references mean.
func (d *Directory) roles(ctx context.Context, references []Reference) ([]Role, error) {
	if len(references) == 0 {
		return nil, nil
	}
	all, err := d.Roles.Roles(ctx)
	if err != nil {
		return nil, err
	}
	names := roleNames(all)
	chosen := map[int64]bool{}
	for _, reference := range references {
		id, err := reference.find("roles", "role", names)
		if err != nil {
			return nil, err
		}
		chosen[id] = true
	}
	return slices.DeleteFunc(all, func(r Role) bool { return !chosen[r.ID] }), nil
}

func roleNames(roles []Role) map[int64]string {
	names := make(map[int64]string, len(roles))
	for _, r := range roles {
		names[r.ID] = r.Name
	}
	return names
}
