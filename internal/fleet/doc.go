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
// Storage is named by small interfaces beside the code that needs them.
package fleet
