package playbook

import (
	"slices"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// EventKind names something that happens on the platform and starts playbooks.
type EventKind string

// The events.
const (
	// AgentInactive: agents have not checked in for so many days.
	AgentInactive EventKind = "agent-inactive"
	// ScanFinished: an on-demand scan has come to an end.
	ScanFinished EventKind = "scan-finished"
	// ConnectorFailed: a run of a cloud connector ended in error.
	ConnectorFailed EventKind = "connector-failed"
	// KeyNearlyUsedUp: an activation key has few units left.
	KeyNearlyUsedUp EventKind = "key-nearly-used-up"
)

// Kinds of triggers that are no events; trigger.kind has these words too.
const (
	TriggerManual   = "manual"
	TriggerSchedule = "schedule"
	TriggerWebhook  = "webhook"
	TriggerPlaybook = "playbook" // a step of another playbook
)

// eventKinds are all events.
func eventKinds() []EventKind {
	return []EventKind{AgentInactive, ScanFinished, ConnectorFailed, KeyNearlyUsedUp}
}

// triggerKinds are the words of trigger.kind.
func triggerKinds() []string {
	words := []string{TriggerManual, TriggerSchedule, TriggerWebhook, TriggerPlaybook}
	for _, kind := range eventKinds() {
		words = append(words, string(kind))
	}
	return words
}

// Data returns the fields of trigger.data of an event: who raises one gives them
// all.
func (k EventKind) Data() expression.Type {
	fields := map[string]expression.Type{}
	switch k {
	case AgentInactive:
		fields["agentIds"] = expression.List(expression.Integer)
		fields["days"] = expression.Integer
	case ScanFinished:
		fields["agentId"], fields["scanId"] = expression.Integer, expression.Integer
		fields["scanType"] = expression.Word(scanTypes()...)
		fields["state"] = expression.Word(scanStates()...)
	case ConnectorFailed:
		fields["connectorId"] = expression.Integer
		fields["name"], fields["message"] = expression.Text, expression.Text
	case KeyNearlyUsedUp:
		fields["keyId"], fields["used"], fields["max"] = expression.Integer, expression.Integer, expression.Integer
		fields["title"] = expression.Text
	}
	return expression.Object("Data_"+string(k), fields)
}

// WantsScan reports whether a scan that came to an end starts the playbook.
func (e *Event) WantsScan(scanType, state string) bool {
	return (len(e.ScanTypes) == 0 || slices.Contains(e.ScanTypes, scanType)) && (len(e.ScanStates) == 0 || slices.Contains(e.ScanStates, state))
}

// WantsKey reports whether a key with so many of its units used is nearly used up.
func (e *Event) WantsKey(used, purchased int64) bool {
	if e.Percent > 0 {
		return used*100 >= int64(e.Percent)*purchased
	}
	return purchased-used <= int64(e.Left)
}

// scanTypes are the types of scans, as the command line has them.
func scanTypes() []string {
	var words []string
	for _, t := range automation.ScanTypes() {
		words = append(words, t.Token)
	}
	return words
}

// scanStates are the states in which a scan has come to an end.
func scanStates() []string { return []string{"complete", "rejected", "expired", "failed"} }
