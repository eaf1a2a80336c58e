// Package connector turns the EC2 instances of AWS accounts into host assets.
// A connector names an account of one partition, how to get into it and which
// regions to list; a run lists them and keeps the host assets true to what it
// found.
//
// Directory manages connectors, authentication records and base accounts after
// the rules of the Qualys Asset Management API; Syncer carries out one run.
// Both are safe for concurrent use.
//
// Limits: an instance belongs to one account and region; a connector to one
// partition; at most one run of a connector at a time, on however many
// replicas.
package connector
