// Package resident is the resident agent as a program: its command line, its
// worker process and its control socket around one session.Agent. Main is the
// entry; cmd/vedette-agent is that and nothing else, and cmd/vedette runs it for
// the host it stands on.
//
// Options are written Name=Value in any order, with the names the public agents
// use.
//
// Limits: the control socket is for the owner of the state folder. On Windows
// its access rules are those of the folder.
package resident
