package qps

import "time"

// SchemaAgentConfig is the schema path of configuration profiles.
const SchemaAgentConfig = "/qps/xsd/1.0/ca/agentconfig.xsd"

// Values of ConfigTags.IncludeResolution and ExcludeResolution.
const (
	ResolveAny = "ANY"
	ResolveAll = "ALL"
)

// AgentConfig is a configuration profile (Qualys Cloud Agent API, object
// agentconfig). Its elements are written in the order of the sample response of
// the 2017 release note, "Create configuration profile".
//
// Zero values mean "not known" and are not written, except ID, Name, the
// booleans, TotalAgents and the three blocks. Priority, which that sample does
// not have and a create refuses, is written when it is not zero, after
// isDefault; InMemoryDBEnabled, a later addition, is written when true.
type AgentConfig struct {
	ID                  int64
	Name                string
	IsDefault           bool // written as 0 or 1
	Priority            int64
	CreatedDate         time.Time
	CreatedBy           string // first and last name; empty for system profiles
	Description         string
	Tags                ConfigTags
	SuspendScanning     bool
	PreventAgentUpdate  bool
	InMemoryDBEnabled   bool
	TotalAgents         int64
	Blackouts           []BlackoutConfig
	PerformanceSettings []PerformanceLevelSettings
}

// ConfigTags says which agents a profile is for. Resolutions are ResolveAny or
// ResolveAll; that of no tags to exclude is not written, as in the sample.
type ConfigTags struct {
	Include           []ConfigTag
	IncludeResolution string
	Exclude           []ConfigTag
	ExcludeResolution string
	TagSetUUID        string
}

// ConfigTag names a tag of a profile.
type ConfigTag struct {
	ID   int64
	UUID string
	Name string
}

// BlackoutConfig is one blackout window. Days are those of time.Weekday, Sunday
// first; they are written as 0 or 1, Monday first.
type BlackoutConfig struct {
	StartHour int64
	EndHour   int64
	Days      [7]bool
}

// PerformanceLevelSettings is one parameter of the performance profile. Values
// are text, numbers too.
type PerformanceLevelSettings struct {
	Key   string
	Value string
}

// weekdays are the day elements in the order they are written.
var weekdays = [7]struct {
	element string
	day     time.Weekday
}{
	{"monday", time.Monday},
	{"tuesday", time.Tuesday},
	{"wednesday", time.Wednesday},
	{"thursday", time.Thursday},
	{"friday", time.Friday},
	{"saturday", time.Saturday},
	{"sunday", time.Sunday},
}

// ElementName returns "AgentConfig".
func (*AgentConfig) ElementName() string { return "AgentConfig" }

func (a *AgentConfig) writeTo(s sink) {
	s.integer("id", a.ID)
	s.text("name", a.Name)
	writeBit(s, "isDefault", a.IsDefault)
	optInteger(s, "priority", a.Priority)
	optTime(s, "createdDate", a.CreatedDate)
	optText(s, "createdBy", a.CreatedBy)
	optText(s, "description", a.Description)
	a.Tags.writeTo(s)
	s.boolean("suspendScanning", a.SuspendScanning)
	s.boolean("preventAgentUpdate", a.PreventAgentUpdate)
	if a.InMemoryDBEnabled {
		s.boolean("inMemoryDbEnabled", true)
	}
	s.integer("totalAgents", a.TotalAgents)
	s.begin("blackoutConfig")
	writeList(s, "settings", "BlackoutConfig", a.Blackouts, writeBlackout)
	s.end("blackoutConfig")
	s.begin("performanceProfile")
	writeList(s, "settings", "PerformanceLevelSettings", a.PerformanceSettings, func(s sink, p *PerformanceLevelSettings) {
		s.text("key", p.Key)
		s.text("value", p.Value)
	})
	s.end("performanceProfile")
}

func (t *ConfigTags) writeTo(s sink) {
	s.begin("tags")
	writeConfigTags(s, "includeTags", t.Include)
	optText(s, "includeResolution", t.IncludeResolution)
	writeConfigTags(s, "excludeTags", t.Exclude)
	if len(t.Exclude) > 0 {
		optText(s, "excludeResolution", t.ExcludeResolution)
	}
	optText(s, "tagSetUuid", t.TagSetUUID)
	s.end("tags")
}

// writeConfigTags writes no list when there are no tags, as in the sample.
func writeConfigTags(s sink, name string, tags []ConfigTag) {
	if len(tags) == 0 {
		s.begin(name)
		s.end(name)
		return
	}
	writeList(s, name, "ConfigTag", tags, func(s sink, t *ConfigTag) {
		s.integer("id", t.ID)
		optText(s, "uuid", t.UUID)
		s.text("name", t.Name)
	})
}

func writeBlackout(s sink, b *BlackoutConfig) {
	s.integer("startHour", b.StartHour)
	s.integer("endHour", b.EndHour)
	for _, w := range weekdays {
		writeBit(s, w.element, b.Days[w.day])
	}
}

func writeBit(s sink, name string, value bool) {
	bit := int64(0)
	if value {
		bit = 1
	}
	s.integer(name, bit)
}

func readAgentConfig(n *Node) (*AgentConfig, error) {
	id, err := readID(n)
	if err != nil {
		return nil, err
	}
	tags := n.Child("tags")
	return &AgentConfig{
		ID: id, Name: n.Value("name"), IsDefault: n.boolean("isDefault"), Priority: n.integer("priority"),
		CreatedDate: n.time("createdDate"), CreatedBy: n.Value("createdBy"), Description: n.Value("description"),
		Tags: ConfigTags{
			Include: readConfigTags(tags, "includeTags"), IncludeResolution: tags.Trimmed("includeResolution"),
			Exclude: readConfigTags(tags, "excludeTags"), ExcludeResolution: tags.Trimmed("excludeResolution"),
			TagSetUUID: tags.Trimmed("tagSetUuid"),
		},
		SuspendScanning: n.boolean("suspendScanning"), PreventAgentUpdate: n.boolean("preventAgentUpdate"),
		InMemoryDBEnabled: n.boolean("inMemoryDbEnabled"), TotalAgents: n.integer("totalAgents"),
		Blackouts: readItems(n.Child("blackoutConfig"), "settings", readBlackout),
		PerformanceSettings: readItems(n.Child("performanceProfile"), "settings", func(n *Node) PerformanceLevelSettings {
			return PerformanceLevelSettings{n.Value("key"), n.Value("value")}
		}),
	}, nil
}

func readConfigTags(n *Node, name string) []ConfigTag {
	return readItems(n, name, func(n *Node) ConfigTag {
		return ConfigTag{n.integer("id"), n.Trimmed("uuid"), n.Value("name")}
	})
}

func readBlackout(n *Node) BlackoutConfig {
	b := BlackoutConfig{StartHour: n.integer("startHour"), EndHour: n.integer("endHour")}
	for _, w := range weekdays {
		b.Days[w.day] = n.boolean(w.element)
	}
	return b
}
