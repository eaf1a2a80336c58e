package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/sqlite"
	"vedette.dev/vedette/internal/store/storetest"
	"vedette.dev/vedette/qps"
)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vedette.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOverdueRequestsAreFoundByTheirIndex(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, states := range []string{"('queued')", "('delivered', 'running', 'uploaded')"} {
		err := s.InTx(t.Context(), func(tx *store.Tx) error {
			var plan string
			var a, b, c int
			row := tx.QueryRow(t.Context(), "EXPLAIN QUERY PLAN "+fmt.Sprintf(store.OverdueQuery, states), 1, 1)
			if err := row.Scan(&a, &b, &c, &plan); err != nil {
				return err
			}
			if !strings.HasPrefix(plan, "SEARCH scan_requests USING INDEX scan_requests_pending_created") {
				t.Errorf("%s: the plan is %q", states, plan)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestASoftwareSearchLooksAtTheHostsThatHaveIt(t *testing.T) {
	t.Parallel()
	libraries := func(format string, n int) []agentwire.Software {
		list := make([]agentwire.Software, n)
		for i := range list {
			list[i] = agentwire.Software{Kind: "deb", Name: fmt.Sprintf(format, i), Version: "1"}
		}
		return list
	}
	for _, test := range []struct {
		name string
		on   [][]agentwire.Software // of hosts 1, 2, ...; the first is removed again
		want bool                   // texts are compared on each host
	}{
		{"more entries than a search resolves, on no host any more", [][]agentwire.Software{libraries("gone-lib-%d", 6000), libraries("rare-lib-%d", 1)}, false},
		{"more pairs of host and package than candidates", [][]agentwire.Software{nil, libraries("lib-%d", 3000), libraries("lib-%d", 3000)}, false},
		{"more entries than a search resolves, on few hosts", [][]agentwire.Software{nil, libraries("lib-%d", 4000), libraries("other-lib-%d", 4000)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			storetest.Bootstrap(t, s)
			want := []int64{}
			for i, software := range append(test.on, nil) {
				id := int64(i + 1)
				storetest.Fill(t, s, []storetest.Synthetic{{ID: id, Name: fmt.Sprint("host-", id), Created: storetest.Start, Modified: storetest.Start, Software: software}})
				if i > 0 && software != nil {
					want = append(want, id)
				}
			}
			err := s.InTx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), "DELETE FROM hosts WHERE id = 1")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			conditions, err := fleet.ParseConditions([]qps.Criterion{{Field: "installedSoftware", Operator: qps.OpContains, Value: "lib"}})
			if err != nil {
				t.Fatal(err)
			}
			got, narrow, texts, err := s.Candidates(t.Context(), conditions)
			if diff := cmp.Diff(want, got); err != nil || !narrow || texts != test.want || diff != "" {
				t.Errorf("narrow %t, texts compared %t, %v, %s", narrow, texts, err, diff)
			}
		})
	}
}
