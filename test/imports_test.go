package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// This file is the floor plan of the house: which package may import which. A
// room is a folder with everything below it, unless a folder below is a room of
// its own. Arrows point down:
//
//	wiring      cmd, test
//	technology  store, jobs, server, outbound, packages, releases   agent, swarm, assistant
//	domain      ondemand, knowledge, compliance, connector, automation
//	            inventory, fleet, access
//	ground      qps, performance, agentwire, fault, hidden, secret
//
// The rules hold for the code of the product; a test may import what it needs.

const module = "vedette.dev/vedette"

// room says what the packages in a folder may import of ours, beside themselves.
type room struct {
	folder string
	may    []string // rooms
	rule   string   // what is broken by importing anything else
}

func floors() []room {
	ground := []string{"qps", "performance", "internal/agentwire", "internal/fault", "internal/hidden"}
	known := []string{"internal/inventory", "internal/fleet", "internal/access"}
	acting := []string{"internal/ondemand", "internal/knowledge", "internal/compliance", "internal/connector", "internal/automation"}

	plan := []room{
		{"qps", nil, "ground imports nothing of ours"},
		{"performance", nil, "ground imports nothing of ours"},
		{"internal/fault", nil, "ground imports nothing of ours"},
		{"internal/hidden", nil, "ground imports nothing of ours"},
		{"internal/secret", nil, "ground imports nothing of ours"},
		{"internal/agentwire", []string{"performance"}, "ground imports nothing of ours, agentwire only performance"},
		{"qps/qpsclient", []string{"qps"}, "the public client stands on the public vocabulary alone"},
		{"data", nil, "embedded data imports nothing of ours"},
		{"web", nil, "the built console imports nothing of ours"},
	}
	for _, folder := range known {
		plan = append(plan, room{folder, ground, "inventory, fleet and access stand on the ground and know no sibling"})
	}
	for _, folder := range acting {
		allowed := slices.Concat(ground, known)
		if folder == "internal/automation" {
			allowed = append(allowed, "qps/qpsclient")
		}
		plan = append(plan, room{folder, allowed, "a domain package may know inventory, fleet and access, no other sibling and no technology"})
	}
	for _, folder := range []string{"internal/store", "internal/jobs", "internal/outbound", "internal/packages", "internal/releases"} {
		allowed := slices.Concat(ground, known, acting, []string{"data", "internal/secret"})
		if folder == "internal/outbound" {
			allowed = append(allowed, "qps/qpsclient") // calls the platforms of connections
		}
		plan = append(plan, room{folder, allowed, "technology serves the domain and knows no other technology"})
	}
	plan = append(plan, room{"internal/backup", []string{"internal/fault"}, "a backup file knows no engine and no domain"})
	plan = append(plan, room{
		"internal/server",
		slices.Concat(ground, known, acting, []string{"internal/server/qpsapi", "internal/server/agentapi", "internal/server/automationapi", "internal/server/console"}),
		"technology serves the domain and knows no other technology",
	})
	for _, folder := range []string{"internal/server/qpsapi", "internal/server/agentapi", "internal/server/automationapi", "internal/server/console"} {
		plan = append(plan, room{folder, slices.Concat(ground, known, acting, []string{"internal/server", "web"}), "the faces of the server know nothing of each other"})
	}
	return append(
		plan,
		room{"internal/agent", []string{"internal/agentwire", "performance"}, "the agent shares only agentwire and performance with the platform"},
		room{"internal/swarm", []string{"internal/agentwire", "performance", "internal/agent/session", "internal/agent/scan"}, "the swarm is made of agent sessions and collects nothing"},
		room{"internal/assistant", []string{"qps/qpsclient", "internal/automation", "internal/fault"}, "an assistant gets what the automation API gives to clients, in the words of automation"},
		room{"cmd", slices.Concat(ground, known, acting, []string{
			"qps/qpsclient", "data", "web", "internal/backup", "internal/secret", "internal/store", "internal/jobs", "internal/server", "internal/server/qpsapi",
			"internal/server/agentapi", "internal/server/automationapi", "internal/server/console", "internal/outbound",
			"internal/packages", "internal/releases", "internal/agent", "internal/swarm", "internal/assistant",
		}), "cmd wires the product, and tests are no part of it"},
		room{"test", slices.Concat(ground, []string{"qps/qpsclient"}), "tests drive the product from outside"},
	)
}

// ban forbids what the floor plan alone would allow. Both ends cover what lies
// below them.
type ban struct {
	from, to []string
	linked   bool // also by way of other packages
	rule     string
}

func bans() []ban {
	domain := []string{
		"internal/inventory", "internal/fleet", "internal/access", "internal/ondemand",
		"internal/knowledge", "internal/compliance", "internal/connector",
		"internal/automation", // last, see below
	}
	collectors := []string{"internal/agent/collect", "github.com/google/osv-scalibr", "github.com/shirou/gopsutil", "github.com/jaypipes/ghw"}
	databases := []string{"database/sql", "github.com/jackc/pgx", "modernc.org/sqlite", "github.com/riverqueue/river"}
	return []ban{
		{from: domain, to: databases, rule: "no SQL and no HTTP in the domain"},
		// Automation is left out: the result of a command carries an HTTP status.
		{from: domain[:len(domain)-1], to: []string{"net/http"}, rule: "no SQL and no HTTP in the domain"},
		{from: []string{"performance"}, to: []string{"*.*"}, linked: true, rule: "performance needs the standard library only"},
		{from: []string{"internal/agent/session", "internal/swarm"}, to: collectors, linked: true, rule: "an agent session collects nothing"},
		{
			from: []string{"cmd/vedette-agent"}, linked: true,
			to:   slices.Concat(collectors, databases, []string{"github.com/theupdateframework/go-tuf", "github.com/aws", "text/template", "html/template", "encoding/xml"}),
			rule: "the resident agent stays small: no collector, no SQL driver, no TUF, no AWS, no templates, no XML",
		},
		{from: []string{"*"}, to: append(testSupport(), "testing"), rule: "test support stays out of the product"},
	}
}

// testSupport are packages that only tests import, though they are no tests.
func testSupport() []string {
	return []string{
		"internal/store/postgres/pgtest", "internal/store/storetest", "internal/access/accesstest",
		"internal/outbound/aws/mototest", "internal/outbound/mail/mailtest", "internal/outbound/vault/vaulttest",
	}
}

// graph is every package of ours and those they need, with their direct imports.
// Ours are named by their folder, with a slash before it.
type graph map[string][]string

func TestArrowsPointDown(t *testing.T) {
	t.Parallel()
	imports, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range violations(imports) {
		t.Error(violation)
	}
}

// load asks the go command for the imports of the product.
func load(t *testing.T) (graph, error) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,ImportMap", "./...")
	list.Dir = ".."
	output, err := list.Output()
	if err != nil {
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w\n%s", err, failed.Stderr)
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	imports := graph{}
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			ImportMap  map[string]string
		}
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return imports, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		name := named(p.ImportPath)
		imports[name] = []string{}
		for _, path := range p.Imports {
			if actual, vendored := p.ImportMap[path]; vendored {
				path = actual
			}
			imports[name] = append(imports[name], named(path))
		}
	}
}

// named returns the name of a package in a graph.
func named(path string) string {
	if folder, ours := strings.CutPrefix(path, module); ours {
		return folder
	}
	return path
}

// violations returns what in a graph is not allowed, one sentence each.
func violations(imports graph) []string {
	var found []string
	for _, from := range slices.Sorted(maps.Keys(imports)) {
		folder, ours := strings.CutPrefix(from, "/")
		if !ours {
			continue
		}
		home, ok := roomOf(folder)
		if !ok {
			found = append(found, folder+" is in no room: give it a place in test/imports_test.go")
			continue
		}
		for _, to := range imports[from] {
			if target, ours := strings.CutPrefix(to, "/"); ours && !mayImport(home, target) {
				found = append(found, fmt.Sprintf("%s -> %s is not allowed: %s", folder, target, home.rule))
			}
		}
		found = append(found, banned(imports, from)...)
	}
	return found
}

// roomOf returns the innermost room of a folder.
func roomOf(folder string) (room, bool) {
	var innermost room
	for _, r := range floors() {
		if within(folder, r.folder) && len(r.folder) > len(innermost.folder) {
			innermost = r
		}
	}
	return innermost, innermost.folder != ""
}

// mayImport reports whether the floor plan lets a room import a folder of ours.
func mayImport(home room, target string) bool {
	for _, support := range testSupport() {
		if within(target, support) {
			return true // a ban says it better
		}
	}
	other, _ := roomOf(target)
	return other.folder == home.folder || slices.ContainsFunc(home.may, func(allowed string) bool {
		// A part of a room may be allowed alone, such as one package of the agent.
		return allowed == other.folder || within(target, allowed) && within(allowed, other.folder)
	})
}

// banned returns the bans that a package breaks.
func banned(imports graph, from string) []string {
	folder := strings.TrimPrefix(from, "/")
	if slices.ContainsFunc(testSupport(), func(support string) bool { return within(folder, support) }) {
		return nil
	}
	var found []string
	for _, b := range bans() {
		if !slices.ContainsFunc(b.from, func(pattern string) bool { return within(folder, pattern) }) {
			continue
		}
		hit := func(to string) bool {
			return slices.ContainsFunc(b.to, func(pattern string) bool { return within(strings.TrimPrefix(to, "/"), pattern) })
		}
		if chain := shortest(imports, from, hit, b.linked); chain != nil {
			found = append(found, fmt.Sprintf("%s is not allowed: %s", strings.Join(chain, " -> "), b.rule))
		}
	}
	return found
}

// shortest returns the shortest chain of imports from a package to one that is
// hit: of one arrow, unless it may be linked by others. It returns nil when
// there is none.
func shortest(imports graph, from string, hit func(string) bool, linked bool) []string {
	reached := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, to := range imports[queue[0]] {
			if _, seen := reached[to]; seen {
				continue
			}
			reached[to] = queue[0]
			if hit(to) {
				var chain []string
				for at := to; at != ""; at = reached[at] {
					chain = append([]string{strings.TrimPrefix(at, "/")}, chain...)
				}
				return chain
			}
			if linked {
				queue = append(queue, to)
			}
		}
	}
	return nil
}

// within reports whether a package is that of a pattern or lies below it. "*" is
// every package, and "*.*" every package of another module.
func within(name, pattern string) bool {
	switch pattern {
	case "*":
		return true
	case "*.*":
		first, _, _ := strings.Cut(name, "/")
		return strings.Contains(first, ".")
	}
	return name == pattern || strings.HasPrefix(name, pattern+"/")
}

func TestTheRulesCatchAViolation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give graph
		want []string
	}{
		{"ground imports ground", graph{"/qps": {"/performance"}}, []string{"qps -> performance is not allowed: ground imports nothing of ours"}},
		{"public imports internal", graph{"/qps": {"/internal/fault"}}, []string{"qps -> internal/fault is not allowed: ground imports nothing of ours"}},
		{"agentwire imports performance", graph{"/internal/agentwire": {"/performance"}}, nil},
		{"agentwire imports qps", graph{"/internal/agentwire": {"/qps"}}, []string{"internal/agentwire -> qps is not allowed: ground imports nothing of ours, agentwire only performance"}},
		{"client imports the domain", graph{"/qps/qpsclient": {"/qps", "/internal/fleet"}}, []string{"qps/qpsclient -> internal/fleet is not allowed: the public client stands on the public vocabulary alone"}},
		{"domain stands on the ground", graph{"/internal/fleet": {"/qps", "/performance", "/internal/agentwire", "/internal/fault"}}, nil},
		{"domain imports its sibling", graph{"/internal/fleet": {"/internal/inventory"}}, []string{"internal/fleet -> internal/inventory is not allowed: inventory, fleet and access stand on the ground and know no sibling"}},
		{"acting domain imports the known", graph{"/internal/ondemand": {"/internal/inventory", "/internal/fleet", "/internal/access"}}, nil},
		{"acting domain imports automation", graph{"/internal/ondemand": {"/internal/automation"}}, []string{"internal/ondemand -> internal/automation is not allowed: a domain package may know inventory, fleet and access, no other sibling and no technology"}},
		{"automation uses the client", graph{"/internal/automation": {"/qps/qpsclient"}}, nil},
		{"connector uses the client", graph{"/internal/connector": {"/qps/qpsclient"}}, []string{"internal/connector -> qps/qpsclient is not allowed: a domain package may know inventory, fleet and access, no other sibling and no technology"}},
		{"domain imports technology", graph{"/internal/access": {"/internal/store"}}, []string{"internal/access -> internal/store is not allowed: inventory, fleet and access stand on the ground and know no sibling"}},
		{"domain speaks SQL", graph{"/internal/access": {"database/sql"}}, []string{"internal/access -> database/sql is not allowed: no SQL and no HTTP in the domain"}},
		{"domain speaks HTTP", graph{"/internal/fleet": {"net/http"}}, []string{"internal/fleet -> net/http is not allowed: no SQL and no HTTP in the domain"}},
		{"automation speaks HTTP through the client", graph{"/internal/automation": {"/qps/qpsclient"}, "/qps/qpsclient": {"net/http"}}, nil},
		{"one store, two engines", graph{"/internal/store/sqlite": {"/internal/store", "/internal/store/criteria"}}, nil},
		{"technology imports technology", graph{"/internal/store/sqlite": {"/internal/jobs"}}, []string{"internal/store/sqlite -> internal/jobs is not allowed: technology serves the domain and knows no other technology"}},
		{"face imports the server", graph{"/internal/server/qpsapi": {"/internal/server", "/internal/fleet"}}, nil},
		{"face imports a face", graph{"/internal/server/qpsapi": {"/internal/server/agentapi"}}, []string{"internal/server/qpsapi -> internal/server/agentapi is not allowed: the faces of the server know nothing of each other"}},
		{"face imports a face's part", graph{"/internal/server/console": {"/internal/server/agentapi/upload"}}, []string{"internal/server/console -> internal/server/agentapi/upload is not allowed: the faces of the server know nothing of each other"}},
		{"agent stays with its own", graph{"/internal/agent/worker": {"/internal/agent/collect", "/internal/agentwire", "/performance"}}, nil},
		{"agent imports the one error type", graph{"/internal/agent/session": {"/internal/fault"}}, []string{"internal/agent/session -> internal/fault is not allowed: the agent shares only agentwire and performance with the platform"}},
		{"session collects by another's hand", graph{"/internal/agent/session": {"/internal/agent/scan"}, "/internal/agent/scan": {"/internal/agent/collect"}}, []string{"internal/agent/session -> internal/agent/scan -> internal/agent/collect is not allowed: an agent session collects nothing"}},
		{"swarm stands on sessions", graph{"/internal/swarm": {"/internal/agent/session"}}, nil},
		{"swarm imports the worker", graph{"/internal/swarm": {"/internal/agent/worker"}}, []string{"internal/swarm -> internal/agent/worker is not allowed: the swarm is made of agent sessions and collects nothing"}},
		{"resident agent links a driver", graph{"/cmd/vedette-agent": {"/internal/agent/x"}, "/internal/agent/x": {"github.com/jackc/pgx/v5"}}, []string{"cmd/vedette-agent -> internal/agent/x -> github.com/jackc/pgx/v5 is not allowed: the resident agent stays small: no collector, no SQL driver, no TUF, no AWS, no templates, no XML"}},
		{"resident agent links the cloud", graph{"/cmd/vedette-agent": {"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"}}, []string{"cmd/vedette-agent -> github.com/aws/aws-sdk-go-v2/feature/ec2/imds is not allowed: the resident agent stays small: no collector, no SQL driver, no TUF, no AWS, no templates, no XML"}},
		{"resident agent links the job engine", graph{"/cmd/vedette-agent": {"github.com/riverqueue/river/rivertype"}}, []string{"cmd/vedette-agent -> github.com/riverqueue/river/rivertype is not allowed: the resident agent stays small: no collector, no SQL driver, no TUF, no AWS, no templates, no XML"}},
		{"domain knows the job engine", graph{"/internal/connector": {"/internal/jobs"}}, []string{"internal/connector -> internal/jobs is not allowed: a domain package may know inventory, fleet and access, no other sibling and no technology"}},
		{"domain speaks to River", graph{"/internal/connector": {"github.com/riverqueue/river"}}, []string{"internal/connector -> github.com/riverqueue/river is not allowed: no SQL and no HTTP in the domain"}},
		{"store knows River's schema, not the engine", graph{"/internal/store": {"github.com/riverqueue/river/rivermigrate"}}, nil},
		{"worker links templates", graph{"/cmd/vedette-agent-worker": {"text/template", "github.com/google/osv-scalibr/extractor"}}, nil},
		{"cmd wires everything", graph{"/cmd/vedette": {"/qps", "/qps/qpsclient", "/internal/fault", "/internal/store/sqlite", "/internal/server/qpsapi", "/internal/agent/worker", "/internal/swarm", "/internal/automation"}}, nil},
		{"cmd imports its own parts", graph{"/cmd/vedette": {"/cmd/vedette/cli"}}, nil},
		{"cmd imports tests", graph{"/cmd/vedette": {"/test/fleet"}}, []string{"cmd/vedette -> test/fleet is not allowed: cmd wires the product, and tests are no part of it"}},
		{"nothing imports cmd", graph{"/internal/jobs": {"/cmd/vedette"}}, []string{"internal/jobs -> cmd/vedette is not allowed: technology serves the domain and knows no other technology"}},
		{"product imports test support", graph{"/internal/store/postgres": {"/internal/store/postgres/pgtest"}}, []string{"internal/store/postgres -> internal/store/postgres/pgtest is not allowed: test support stays out of the product"}},
		{"performance needs a module", graph{"/performance": {"golang.org/x/text"}}, []string{"performance -> golang.org/x/text is not allowed: performance needs the standard library only"}},
		{"new folder", graph{"/internal/util": {}}, []string{"internal/util is in no room: give it a place in test/imports_test.go"}},
		{"names that only begin alike", graph{"/internal/agentwire": {"/performance"}, "/internal/agent/x": {"/internal/agentwire"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, violations(tt.give)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}
