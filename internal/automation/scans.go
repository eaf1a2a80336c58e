package automation

import (
	"context"
	"errors"

	"vedette.dev/vedette/qps/qpsclient"
)

// scanPage is how many scans are listed at a time; platforms have 1,000 at most.
const scanPage = 200

// eachScan finds the scan of each agent and passes it, or why it cannot be asked
// for, to see: that with the id in known, otherwise the newest of the type; nil
// when there is none. Many are looked for in the list of all scans of the type
// first, which takes a call for hundreds of them. An error ends it: the others
// could not be asked for either, above all with qpsclient.ErrNoScanStates.
func (w Watcher) eachScan(ctx context.Context, of qpsclient.ScanType, agents []int64, known map[int64]int64, see func(agent int64, s *qpsclient.Scan, err error)) error {
	found := map[int64]qpsclient.Scan{}
	if len(agents) > singleLaunches {
		if err := w.listed(ctx, of, agents, known, found); err != nil {
			return err
		}
	}
	for _, agent := range agents {
		scan, listed := found[agent]
		if listed {
			see(agent, &scan, nil)
			continue
		}
		single, err := w.single(ctx, of, agent, known[agent])
		if err != nil && concernsAll(err) {
			return err
		}
		see(agent, single, err)
	}
	return nil
}

// concernsAll reports whether an error would meet every further question.
func concernsAll(err error) bool {
	return errors.Is(err, qpsclient.ErrNoScanStates) || concernsConnection(err)
}

// listed looks for scans in the list of all, newest first. It stops where the rest
// is quicker asked for one by one.
func (w Watcher) listed(ctx context.Context, of qpsclient.ScanType, agents []int64, known map[int64]int64, found map[int64]qpsclient.Scan) error {
	open := make(map[int64]int64, len(agents))
	for _, agent := range agents {
		open[agent] = known[agent]
	}
	for query := (qpsclient.ScanQuery{Type: of, Limit: scanPage}); ; {
		scans, err := w.States.Scans(ctx, query)
		if err != nil {
			if concernsAll(err) {
				return err
			}
			return nil // what the list cannot say, single questions may
		}
		before := len(open)
		for _, s := range scans {
			if id, wanted := open[s.AssetID]; wanted && (id == 0 || id == s.ID) {
				found[s.AssetID] = s
				delete(open, s.AssetID)
			}
		}
		if len(scans) < scanPage || before == len(open) || len(open) == 0 {
			return nil
		}
		query.Before = scans[len(scans)-1].ID
	}
}

// single asks for one scan by its id, or for the newest of an agent.
func (w Watcher) single(ctx context.Context, of qpsclient.ScanType, agent, id int64) (*qpsclient.Scan, error) {
	if id != 0 {
		scan, err := w.States.Scan(ctx, id)
		return &scan, err
	}
	scans, err := w.States.Scans(ctx, qpsclient.ScanQuery{AssetID: agent, Type: of, Limit: 1})
	if err != nil || len(scans) == 0 {
		return nil, err
	}
	return &scans[0], nil
}
