package fleet

import (
	"context"

	"vedette.dev/vedette/qps"
)

// Query selects a page of host assets in ascending order of id.
type Query struct {
	Scope      Scope
	Conditions []Condition // all must hold; none selects every host asset in scope
	FromID     int64       // first id that may be returned, inclusive; 0 from the start
	Offset     int64       // matching hosts to pass over, from FromID on
	Limit      int         // page size, at least 1
	// Include says whether a top-level element of HostAsset (such as "software")
	// is wanted; what is not wanted need not be read. nil wants everything.
	Include func(element string) bool
}

// Page is one page of a search.
type Page struct {
	Hosts []qps.HostAsset
	More  bool // at least one further host matches
}

// Hosts is where host assets are found. Implementations run each call on one
// consistent view of the data.
type Hosts interface {
	SearchHosts(ctx context.Context, q Query) (Page, error)
	CountHosts(ctx context.Context, scope Scope, conditions []Condition) (int64, error)
	// Host returns one host asset, or fault.NotFound, also for what is not in
	// scope.
	Host(ctx context.Context, scope Scope, id int64) (qps.HostAsset, error)
}
