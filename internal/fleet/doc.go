// Package fleet knows the agents: host assets, the tags and modules they carry,
// the activation keys they came with and the configuration profiles they obey.
//
// The read model of a host is qps.HostAsset, the wire vocabulary itself; there is
// no second one. Query and Condition say which hosts are meant, Match is the
// meaning of a condition in plain Go and the oracle the SQL compilers are tested
// against. Enrolment turns an activation key and a host into an agent. Roster is
// what the check-in path knows of each agent without asking the database, Pulse
// collects heartbeats, Wakeups reaches agents that wait.
//
// Profiles are the configuration profiles; SelectProfile says which one an agent
// gets by its tags, and Rollout brings what changed to the agents, in small steps
// and at a bounded rate.
//
// Keyring manages the activation keys: their limits, what they are licensed for,
// and the agents that change from one to another.
//
// Forest holds the rules of the hierarchy of tags, Tagger puts static tags on hosts
// by hand, TagRule and RuleEvaluator put the others on by their rules.
//
// Storage is named by small interfaces beside the code that needs them.
//
// Actions is what operators do with agents: activate and deactivate modules,
// uninstall, purge. An Uninstall is the order that outlives an uninstalled asset.
package fleet
