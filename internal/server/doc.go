// Package server is the HTTP side of the platform that all its APIs share: TLS
// and time limits, routing, concurrency budgets, authentication of operators,
// recovery, request logs, and the one place where a failure becomes an HTTP
// status and a QPS response code.
//
// Mux routes requests and is handed to Server, which listens. Each API (qpsapi,
// agentapi, automationapi) contributes Routes and knows nothing of the others.
// A handler reports a failure with Fail and writes nothing else; the route says
// in which form the failure is written.
//
// Limits. Header blocks are bounded by MaxHeaderBytes and must arrive within
// ReadHeaderTimeout. A route bounds the size of its bodies, the time they may
// take to arrive and the time of the whole exchange; requests beyond the
// concurrency of the route's Budget are refused with 503 and Retry-After before
// anything is done, so agents cannot crowd out operators, nor these the agents.
// Limits bound what each user may do beside that, where an operator wants it.
package server
