package qps

import "time"

// AgentActKey is an activation key, with which hosts become agents (Qualys
// Cloud Agent API, object agentactkey). ID names it in calls, ActivationKey is
// what an agent is installed with.
//
// Clients index answers without looking whether an element is there, so all but
// Status and the two dates are always written, the collections as an empty list.
// Zero values of Status and the dates mean "not known" or "none".
type AgentActKey struct {
	ID             int64
	Title          string
	ActivationKey  string // UUID
	Status         string
	CountUsed      int64 // agents it has made and that still exist
	CountPurchased int64 // agents it may make, 0 for types without a count
	ExpireDate     time.Time
	DatePurchased  time.Time // when it was made
	Type           string    // UNLIMITED, COUNT_LIMITED, TIME_LIMITED or COUNT_TIME_LIMITED
	IsDisabled     bool
	Licenses       []string    // license words of its modules, such as VM_LICENSE
	Tags           []TagSimple // put on its agents; the item element is Tag
}

// ElementName returns "AgentActKey".
func (*AgentActKey) ElementName() string { return "AgentActKey" }

func (k *AgentActKey) writeTo(s sink) {
	s.integer("id", k.ID)
	s.text("title", k.Title)
	s.text("activationKey", k.ActivationKey)
	optText(s, "status", k.Status)
	s.integer("countUsed", k.CountUsed)
	s.integer("countPurchased", k.CountPurchased)
	optTime(s, "expireDate", k.ExpireDate)
	optTime(s, "datePurchased", k.DatePurchased)
	s.text("type", k.Type)
	s.boolean("isDisabled", k.IsDisabled)
	writeList(s, "modules", "ActivationKeyModule", k.Licenses, func(s sink, license *string) { s.text("license", *license) })
	writeList(s, "tags", "Tag", k.Tags, func(s sink, t *TagSimple) {
		s.integer("id", t.ID)
		s.text("name", t.Name)
	})
}

func readAgentActKey(n *Node) (*AgentActKey, error) {
	id, err := readID(n)
	if err != nil {
		return nil, err
	}
	return &AgentActKey{
		ID: id, Title: n.Value("title"), ActivationKey: n.Value("activationKey"), Status: n.Value("status"),
		CountUsed: n.integer("countUsed"), CountPurchased: n.integer("countPurchased"),
		ExpireDate: n.time("expireDate"), DatePurchased: n.time("datePurchased"),
		Type: n.Value("type"), IsDisabled: n.boolean("isDisabled"),
		Licenses: readItems(n, "modules", func(n *Node) string { return n.Value("license") }),
		Tags:     readTags(n),
	}, nil
}
