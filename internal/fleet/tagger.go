package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

const (
	// MaxTaggedHosts bounds one bulk assignment: at a few thousand hosts a second
	// it ends within the time a caller waits.
	MaxTaggedHosts = 100_000
	// tagChunk is how many hosts change in one transaction. On SQLite, where all
	// who write wait for it, 250 hosts take a few dozen milliseconds at most.
	tagChunk = 250
	// hostIDPage is how many hosts are looked up at a time.
	hostIDPage = 5000
)

// TagAssignments is the storage Tagger needs.
type TagAssignments interface {
	SearchHosts(ctx context.Context, q Query) (Page, error)
	// AssignTags changes the tags of the hosts, decides again which profile their
	// agents get, and returns the ids of those that exist: all in one transaction.
	// A tag that does not exist, that is put on hosts by its rule or that is a
	// system tag is refused as Tagger says.
	AssignTags(ctx context.Context, hostIDs []int64, a qps.TagAssignment) ([]int64, error)
}

// Tagger puts static tags on hosts and takes them off. Tags that hosts get by a
// rule, and system tags, are no part of it: to add or to remove one is
// fault.Conflict, and a list that replaces all tags neither adds nor removes
// them, so that a client can send back what it has read. It is safe for
// concurrent use.
type Tagger struct {
	Assignments TagAssignments
}

// AssignOne changes the tags of one host in scope, or returns fault.NotFound.
func (t *Tagger) AssignOne(ctx context.Context, scope Scope, hostID int64, a qps.TagAssignment) error {
	hosts, err := t.matching(ctx, scope, []Condition{{Field: FieldID, Operator: qps.OpEquals, Ints: []int64{hostID}}})
	if err != nil {
		return err
	}
	ids, err := t.Assignments.AssignTags(ctx, hosts, a)
	if err != nil {
		return fmt.Errorf("change tags of host %d: %w", hostID, err)
	}
	if len(ids) == 0 {
		return fault.New(fault.NotFound, fmt.Sprintf("There is no host asset %d.", hostID), "Search for the ids of the host assets there are.")
	}
	return nil
}

// AssignMatching changes the tags of all hosts in scope that meet the
// conditions, of which there must be one, none of them NOT EQUALS, and returns their ids. Each
// host changes as a whole and learns its profile with it, but hosts change some
// hundreds at a time, so that nobody waits long for the database: when it is
// interrupted, some are changed, and repeating it changes the others.
func (t *Tagger) AssignMatching(ctx context.Context, scope Scope, conditions []Condition, a qps.TagAssignment) ([]int64, error) {
	if err := CheckBulk(conditions); err != nil {
		return nil, err
	}
	hosts, err := t.matching(ctx, scope, conditions)
	if err != nil {
		return nil, err
	}
	if len(hosts) == 0 { // what is wrong with the tags is said all the same
		if _, err := t.Assignments.AssignTags(ctx, nil, a); err != nil {
			return nil, fmt.Errorf("change tags of no host: %w", err)
		}
	}
	changed := make([]int64, 0, len(hosts))
	for chunk := range slices.Chunk(hosts, tagChunk) {
		ids, err := t.Assignments.AssignTags(ctx, chunk, a)
		if err != nil {
			return changed, fmt.Errorf("change tags of %d hosts, %d are done: %w", len(hosts), len(changed), err)
		}
		changed = append(changed, ids...)
	}
	return changed, nil
}

func (t *Tagger) matching(ctx context.Context, scope Scope, conditions []Condition) ([]int64, error) {
	query := Query{Scope: scope, Conditions: conditions, Limit: hostIDPage, Include: func(string) bool { return false }}
	var ids []int64
	for {
		page, err := t.Assignments.SearchHosts(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("find the hosts to tag: %w", err)
		}
		for i := range page.Hosts {
			ids = append(ids, page.Hosts[i].ID)
		}
		if len(ids) > MaxTaggedHosts {
			return nil, fault.New(fault.TooLarge, fmt.Sprintf("The criteria match more than %d hosts, the most one call may change.", MaxTaggedHosts),
				"Add a criterion that selects fewer hosts, such as a range of ids.")
		}
		if !page.More {
			return ids, nil
		}
		query.FromID = ids[len(ids)-1] + 1
	}
}

// CheckBulk refuses conditions that could select everything by accident: none
// at all, and NOT EQUALS.
func CheckBulk(conditions []Condition) error {
	if len(conditions) == 0 {
		return fault.New(fault.Invalid, "Criteria: at least one criterion is required to change objects in bulk.", "Select the objects with filters, or one by its id in the path.")
	}
	for _, c := range conditions {
		if c.Operator == qps.OpNotEquals {
			return fault.New(fault.Invalid, fmt.Sprintf("Criteria: Operator 'NOT EQUALS' is not supported for criteria '%s' in bulk changes.", c.Field),
				"Select the objects to change by what they are.")
		}
	}
	return nil
}

const (
	// evaluateEvery is how often rules are looked for that another replica left
	// without being evaluated; a hint in this process shortens the wait.
	evaluateEvery = 15 * time.Second
)

// RulePasses is the storage RuleEvaluator needs.
type RulePasses interface {
	// EvaluateRules evaluates rules that were made or changed, for a bounded number
	// of hosts in one transaction, and reports whether there is more to do.
	EvaluateRules(ctx context.Context) (more bool, err error)
}

// RuleEvaluator evaluates the rules of tags for all hosts when they were made or
// changed. When a host changes, it is evaluated with the change; this is for the
// hosts that do not. How far it came is stored, so that any replica continues.
type RuleEvaluator struct {
	Passes RulePasses
	Hint   <-chan struct{} // a rule changed in this process; may be nil
	Log    *slog.Logger
}

// Run evaluates until ctx ends.
func (e *RuleEvaluator) Run(ctx context.Context) {
	ticker := time.NewTicker(evaluateEvery)
	defer ticker.Stop()
	for {
		if err := e.pass(ctx); err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "tag rules were not evaluated, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-e.Hint:
		case <-ticker.C:
		}
	}
}

func (e *RuleEvaluator) pass(ctx context.Context) error {
	for {
		more, err := e.Passes.EvaluateRules(ctx)
		if err != nil || !more || ctx.Err() != nil {
			return err
		}
	}
}
