package swarm

import (
	"slices"
	"time"
)

// Scenario is what a swarm lives through. All times are those of its agents. The
// zero value of a field means that there is nothing of the kind.
type Scenario struct {
	Name    string
	Summary string // for people, one line

	// Ramp is the time within which the agents start, evenly. Then the swarm waits
	// until every first inventory is with the platform.
	Ramp time.Duration
	// Before, Outage and Duration follow: the platform is out of reach for Outage
	// after Before; after Duration the run ends.
	Before, Outage, Duration time.Duration
	// Image is how many hosts are made from one installed image. The first of them
	// provisions and takes its inventory, is stopped, and all start at once with a
	// copy of its files.
	Image int
	// Life is the mean life of a host: it goes without a word, and another comes in
	// its place, as in a group that scales itself.
	Life time.Duration
	// Change is the time between two upgrades of a few packages of a host.
	Change time.Duration
}

// Scenarios returns the scenarios there are.
func Scenarios() []Scenario {
	const day = 24 * time.Hour
	return []Scenario{
		{
			Name: "steady", Summary: "agents start one by one and keep checking in; packages change about once a day",
			Ramp: 10 * time.Minute, Duration: 2 * time.Hour, Change: day,
		},
		{
			Name: "storm", Summary: "all agents are installed in the same second and send their first inventories",
			Duration: time.Hour, Change: day,
		},
		{
			Name: "outage", Summary: "the network is away for 30 minutes; what the platform meets on its return is measured",
			Ramp: 10 * time.Minute, Before: time.Hour, Outage: 30 * time.Minute, Duration: 4 * time.Hour, Change: day,
		},
		{
			Name: "clones", Summary: "50 hosts at a time start at once from a copy of one installed host",
			Image: 50, Duration: 2 * time.Hour, Change: day,
		},
		{
			Name: "churn", Summary: "hosts live for two hours, go without a word and are replaced; packages change every 30 minutes",
			Ramp: 10 * time.Minute, Duration: 4 * time.Hour, Life: 2 * time.Hour, Change: 30 * time.Minute,
		},
	}
}

// ScenarioNames returns the names of the scenarios.
func ScenarioNames() []string {
	var names []string
	for _, s := range Scenarios() {
		names = append(names, s.Name)
	}
	return names
}

// FindScenario returns the scenario of a name.
func FindScenario(name string) (Scenario, bool) {
	list := Scenarios()
	i := slices.IndexFunc(list, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return list[i], true
}
