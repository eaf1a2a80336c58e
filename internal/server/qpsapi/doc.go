// Package qpsapi serves the QPS API of the platform: portal version, host
// assets, the activation of modules, uninstalling agents, on-demand scans,
// configuration profiles, tags and their assignment, agent packages, and the
// classic about.php probe, in XML and JSON, and the schemas that the XML answers
// name, which need no credentials.
//
// Routes is the entry point; it turns a Config into routes for server.Mux. The
// package decodes requests, asks the domain and writes envelopes; which HTTP
// status and response code a failure gets is decided in package server.
//
// What clients send is accepted widely: a missing Content-Type or body, bodies
// on calls by id, any case of query parameter names, commas plain or encoded.
// What they get is decided by Accept alone.
//
// Limits are those of package qps: 4 MiB per request, 100 criteria, 1,000
// records per page.
package qpsapi
