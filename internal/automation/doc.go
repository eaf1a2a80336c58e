// Package automation holds the commands of the automation layer: Search Cloud
// Agents, Launch On Demand Scans and Test Connection. Commands is the main type;
// each of its methods returns an Outcome with the state word, the raw data, a
// table for people, the key fields and the errors.
//
// The rules are those of the integration "Qualys Cloud Agent" as published for
// D3 SOAR (22 January 2025), word for word where it fixes words: parameter names,
// scan types, the failure indicators, and the form of an error as three lines.
//
// The commands know the platform only through the Platform interface, which
// qpsclient.Client implements, so they treat a Qualys subscription and a Vedette
// platform alike. What only Vedette offers, the state of a scan, is behind
// ScanStates; Watch falls back to what can be read from a host asset.
package automation
