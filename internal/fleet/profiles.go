package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

// ProfileStore is the storage Profiles needs.
type ProfileStore interface {
	// Profiles returns all profiles in ascending order of id, with their tags.
	Profiles(ctx context.Context) ([]Profile, error)
	// ProfileAgents returns how many agents have each profile, by its id;
	// profiles without agents are missing.
	ProfileAgents(ctx context.Context) (map[int64]int64, error)
	// CreateProfile stores a new profile with the lowest priority. Tags are looked
	// up by id, or by name where there is no id. A default profile replaces the
	// former one. It returns the profile as stored.
	CreateProfile(ctx context.Context, p Profile) (Profile, error)
	// UpdateProfile changes one profile in a transaction: change gets it as it is
	// and its error undoes everything. A profile that moves to another priority
	// moves those between. It returns the profile as stored, or fault.NotFound.
	UpdateProfile(ctx context.Context, id int64, change func(*Profile) error) (Profile, error)
	// DeleteProfile removes a profile and closes up the priorities. The default
	// profile and system profiles are a fault.Conflict.
	DeleteProfile(ctx context.Context, id int64) error
}

// Profiles are the configuration profiles and their rules. Agents are told of
// changes afterwards, see Rollout. It is safe for concurrent use.
//
// Every profile may be read; a caller whose scope is limited changes only those
// that are for agents in scope alone.
type Profiles struct {
	Store ProfileStore
	Now   func() time.Time
	NewID func() string // makes UUIDs
	// Changed is called after every change, so that its rollout begins at once.
	Changed func()
	Hosts   Hosts
}

// The criteria fields that only profiles have.
const (
	FieldIsDefault          Field = "isDefault"
	FieldPriority           Field = "priority"
	FieldCreatedDate        Field = "createdDate"
	FieldCreatedBy          Field = "createdBy"
	FieldDescription        Field = "description"
	FieldSuspendScanning    Field = "suspendScanning"
	FieldPreventAgentUpdate Field = "preventAgentUpdate"
)

// ProfileSchema is what profiles can be searched by.
func ProfileSchema() Schema[Profile] {
	return NewSchema(map[Field]Property[Profile]{
		FieldID:                 Integer(func(p *Profile) []int64 { return []int64{p.ID} }),
		FieldName:               Text(func(p *Profile) string { return p.Name }),
		FieldDescription:        Text(func(p *Profile) string { return p.Description }),
		FieldIsDefault:          Boolean(func(p *Profile) bool { return p.Default }),
		FieldPriority:           Integer(func(p *Profile) []int64 { return []int64{int64(p.Priority)} }),
		FieldCreatedDate:        Date(func(p *Profile) time.Time { return p.Created }),
		FieldCreatedBy:          Text(func(p *Profile) string { return p.CreatedBy }),
		FieldSuspendScanning:    Boolean(func(p *Profile) bool { return p.SuspendScanning }),
		FieldPreventAgentUpdate: Boolean(func(p *Profile) bool { return p.PreventAgentUpdate }),
		FieldTagID:              Integer(func(p *Profile) []int64 { return p.Rule().tagIDs() }),
	})
}

// Rule says which agents the profile is for.
func (p Profile) Rule() Rule {
	return Rule{ProfileID: p.ID, Default: p.Default, Include: p.Include.set(), Exclude: p.Exclude.set()}
}

func (t ProfileTags) set() TagSet {
	set := TagSet{All: t.All}
	for _, tag := range t.Tags {
		set.TagIDs = append(set.TagIDs, tag.ID)
	}
	return set
}

func (r Rule) tagIDs() []int64 {
	return append(append([]int64(nil), r.Include.TagIDs...), r.Exclude.TagIDs...)
}

// Matching returns the profiles that meet all criteria, in ascending order of
// id.
func (s *Profiles) Matching(ctx context.Context, criteria []qps.Criterion) ([]Profile, error) {
	schema := ProfileSchema()
	conditions, err := schema.Parse(criteria)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.Profiles(ctx)
	if err != nil {
		return nil, err
	}
	var matching []Profile
	for i := range all {
		if schema.Match(&all[i], conditions) {
			matching = append(matching, all[i])
		}
	}
	return matching, nil
}

// Get returns one profile, or fault.NotFound.
func (s *Profiles) Get(ctx context.Context, id int64) (Profile, error) {
	all, err := s.Store.Profiles(ctx)
	if err != nil {
		return Profile{}, err
	}
	for _, p := range all {
		if p.ID == id {
			return p, nil
		}
	}
	return Profile{}, NoProfile(id)
}

// NoProfile is the error for a profile that does not exist.
func NoProfile(id int64) error {
	return fault.New(fault.NotFound, fmt.Sprintf("Configuration profile %d does not exist.", id), "Search for the ids of the profiles there are.")
}

// Agents returns how many agents in scope have each of the profiles; profiles
// without agents may be missing.
func (s *Profiles) Agents(ctx context.Context, scope Scope, profiles []Profile) (map[int64]int64, error) {
	if scope.All {
		return s.Store.ProfileAgents(ctx)
	}
	counts := make(map[int64]int64, len(profiles))
	for _, p := range profiles {
		n, err := s.Hosts.CountHosts(ctx, scope, []Condition{{Field: FieldAgentConfigurationID, Operator: qps.OpEquals, Ints: []int64{p.ID}}})
		if err != nil {
			return nil, err
		}
		counts[p.ID] = n
	}
	return counts, nil
}

// Create makes a profile of a user, whose first and last name by is. It goes
// last; its name, whether it is the default and its tags must be given. Without
// performance parameters its agents use the Low values, as they do for each
// parameter that is left out.
func (s *Profiles) Create(ctx context.Context, scope Scope, change ProfileChange, by string) (Profile, error) {
	switch {
	case change.Name == nil:
		return Profile{}, missing("name")
	case change.Default == nil:
		return Profile{}, missing("isDefault")
	case change.Tags == nil:
		return Profile{}, missing("tags")
	case change.Priority != nil:
		return Profile{}, fault.New(fault.Invalid, fmt.Sprintf("priority: value '%d' is given for a new profile.", *change.Priority),
			"Leave priority out: a new profile goes last, an update moves it.")
	}
	p := Profile{
		TagSetUUID: s.NewID(), Performance: performance.Settings{},
		Created: s.Now().UTC().Truncate(time.Second), CreatedBy: strings.TrimSpace(by),
	}
	if err := change.apply(&p); err != nil {
		return Profile{}, err
	}
	if err := scope.allowProfile(p); err != nil {
		return Profile{}, err
	}
	created, err := s.Store.CreateProfile(ctx, p)
	if err != nil {
		return Profile{}, fmt.Errorf("create configuration profile %q: %w", p.Name, err)
	}
	s.Changed()
	return created, nil
}

// Update changes a profile. The name must be given even if it stays (Qualys
// Cloud Agent API, update configuration profile).
func (s *Profiles) Update(ctx context.Context, scope Scope, id int64, change ProfileChange) (Profile, error) {
	if change.Name == nil {
		return Profile{}, missing("name")
	}
	return s.update(ctx, scope, id, change.apply)
}

// update changes a profile by apply, if all of it is for agents in scope.
func (s *Profiles) update(ctx context.Context, scope Scope, id int64, apply func(*Profile) error) (Profile, error) {
	updated, err := s.Store.UpdateProfile(ctx, id, func(p *Profile) error {
		before := *p
		if err := scope.allowProfile(before); err != nil {
			return err
		}
		if err := apply(p); err != nil {
			return err
		}
		return scope.allowProfileChange(before, *p)
	})
	if err != nil {
		return Profile{}, fmt.Errorf("update configuration profile %d: %w", id, err)
	}
	s.Changed()
	return updated, nil
}

// Delete removes a profile; its agents get the next one that matches.
func (s *Profiles) Delete(ctx context.Context, scope Scope, id int64) error {
	p, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := scope.allowProfile(p); err != nil {
		return err
	}
	if err := s.Store.DeleteProfile(ctx, id); err != nil {
		return fmt.Errorf("delete configuration profile %d: %w", id, err)
	}
	s.Changed()
	return nil
}

func missing(element string) error {
	return fault.New(fault.Invalid, element+": the element is missing.", "Specify "+element+".")
}
