package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// ContestedInstance is a cloud instance that an agent says it runs on while the
// instance is another host asset: that of the agent that said so first, or of
// one that was found to be it. The second agent gets nothing of it. It is an
// installation that was copied, or somebody who lies.
type ContestedInstance struct {
	HostID     int64 // the host whose agent says so
	HolderID   int64 // the host asset the instance is
	AccountID  string
	InstanceID string
	Since      time.Time // when the agent said so first
}

// maxContested is how many contested instances are reported at a time: more are
// one copied installation many times over.
const maxContested = 1000

// ContestedInstances is the storage ClaimReporter needs.
type ContestedInstances interface {
	// ContestedInstances returns at most limit of them, by the id of the host.
	ContestedInstances(ctx context.Context, limit int) ([]ContestedInstance, error)
}

// ClaimReporter tells operators, in the log, of agents that say they run on an
// instance which another asset is: each time an agent begins to say so, and once
// after a start. It is for one goroutine.
type ClaimReporter struct {
	Instances ContestedInstances
	Log       *slog.Logger

	told map[ContestedInstance]bool
}

// Report logs what has not been logged yet.
func (r *ClaimReporter) Report(ctx context.Context) error {
	contested, err := r.Instances.ContestedInstances(ctx, maxContested)
	if err != nil {
		return fmt.Errorf("look for contested instances: %w", err)
	}
	told := make(map[ContestedInstance]bool, len(contested))
	for _, c := range contested {
		if told[c] = true; r.told[c] {
			continue
		}
		r.Log.WarnContext(ctx, "an agent says that it runs on an instance that another asset is; it gets nothing of it",
			"asset", c.HostID, "other asset", c.HolderID, "account", c.AccountID, "instance", c.InstanceID, "since", c.Since,
			"next step", "uninstall the agent that is not on the instance")
	}
	r.told = told
	return nil
}
