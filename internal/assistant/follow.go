package assistant

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/qps/qpsclient"
)

const (
	// firstLook is how long the first look at a run waits for its end, and laterLook how
	// long later ones do: the assistant is told of progress within that time.
	firstLook, laterLook = 2 * time.Second, 5 * time.Second
)

// follow returns a run of a command once it has ended, or as it is after some time.
// Whoever stops it before stops the following and not the run.
func (s *Server) follow(ctx context.Context, r qpsclient.CommandRun, patience time.Duration, tell func(string, time.Duration)) (qpsclient.CommandRun, error) {
	return follow(ctx, r, patience, tell, s.options.Platform.WaitForCommandRun, func(r qpsclient.CommandRun) (int64, string, bool) {
		return r.ID, string(r.State), r.State.Final()
	})
}

// followPlaybook is follow for a run of a playbook, which is returned as well once it
// waits for people: they take longer than any call.
func (s *Server) followPlaybook(ctx context.Context, r qpsclient.PlaybookRun, patience time.Duration, tell func(string, time.Duration)) (qpsclient.PlaybookRun, error) {
	return follow(ctx, r, patience, tell, s.options.Platform.WaitForPlaybookRun, func(r qpsclient.PlaybookRun) (int64, string, bool) {
		return r.ID, string(r.State), r.State.Final() || asksPeople(r)
	})
}

// follow looks at a run until stands says that it has ended.
func follow[R any](
	ctx context.Context, r R, patience time.Duration, tell func(string, time.Duration),
	look func(context.Context, int64, time.Duration) (R, error), stands func(R) (id int64, state string, ended bool),
) (R, error) {
	for wait, spent := firstLook, time.Duration(0); spent < patience; wait = laterLook {
		id, state, ended := stands(r)
		if ended {
			break
		}
		tell(fmt.Sprintf("run %d is %s", id, cleanText(state)), spent)
		wait = min(wait, patience-spent)
		now, err := look(ctx, id, wait)
		if err != nil {
			return r, err
		}
		r, spent = now, spent+wait
	}
	return r, nil
}
