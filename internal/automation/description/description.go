package description

import (
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

// Words for what an object shall not have.
const (
	NoParent  = "none"  // Tag.Parent: a root tag
	NoMaximum = "none"  // maxAgents
	NoExpiry  = "never" // expires
)

// Tag is what somebody says about a tag. nil is not said and stays as it is.
type Tag struct {
	Name        *string
	Parent      *string // names a tag; NoParent for a root tag
	Color       *string // #RGB or #RRGGBB
	RuleType    *string // STATIC, NAME_CONTAINS, …
	Rule        *string
	Criticality *int64 // 1 to 5, 0 for none
	Description *string
	Provider    *string // of the rule type CLOUD_ASSET
}

// ActivationKey is what somebody says about an activation key.
type ActivationKey struct {
	Title     *string
	MaxAgents *int64     // 0 for no maximum
	Expires   *time.Time // the zero time for never
	Disabled  *bool
	Modules   *[]string // license words
	Tags      *[]string // each names a tag
}

// ConfigurationProfile is what somebody says about a configuration profile.
type ConfigurationProfile struct {
	Name               *string
	Description        *string
	Default            *bool
	Priority           *int64 // position, 1 first
	IncludeTags        *[]string
	ExcludeTags        *[]string
	IncludeAll         *bool // all included tags are asked for, otherwise any
	ExcludeAll         *bool
	SuspendScanning    *bool
	PreventAgentUpdate *bool
	InMemoryDatabase   *bool
	Blackouts          *[]qps.BlackoutConfig
	Level              *performance.Level   // the recommended value of every parameter
	Performance        performance.Settings // single parameters, on top of Level
}

// FindTag returns the tag that a text names; only the id or the name of it may
// be known.
type FindTag func(text string) (qps.TagSimple, error)

// TagByText is a FindTag that leaves it to the platform to find the tag: digits
// are its id, anything else its name.
func TagByText(text string) (qps.TagSimple, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return qps.TagSimple{ID: id}, nil
	}
	return qps.TagSimple{Name: text}, nil
}

// Change returns the request that makes a tag as described, but for its parent:
// only a FindTag can tell what Parent means.
func (t Tag) Change() qps.TagChange {
	return qps.TagChange{
		Name: t.Name, Color: t.Color, RuleType: t.RuleType, RuleText: t.Rule, CriticalityScore: t.Criticality,
		Description: t.Description, Provider: t.Provider,
	}
}

// Change returns the request that makes a key, now as current says, as described.
// Its type follows from its limits; it is always said, with the limits, because
// platforms require it.
func (k ActivationKey) Change(current qps.AgentActKey, find FindTag) (qps.AgentActKeyChange, error) {
	c := qps.AgentActKeyChange{Title: k.Title, IsDisabled: k.Disabled}
	if k.MaxAgents != nil {
		current.CountPurchased = *k.MaxAgents
	}
	if k.Expires != nil {
		current.ExpireDate = *k.Expires
	}
	c.Type = new(KeyType(current))
	if current.CountPurchased > 0 {
		c.CountPurchased = &current.CountPurchased
	}
	if !current.ExpireDate.IsZero() {
		c.ExpireDate = &current.ExpireDate
	}
	if k.Modules != nil {
		c.Licenses.Set = append([]string{}, *k.Modules...)
	}
	if k.Tags != nil {
		c.Tags.Set = []qps.TagSimple{}
		for _, text := range *k.Tags {
			tag, err := find(text)
			if err != nil {
				return c, err
			}
			c.Tags.Set = append(c.Tags.Set, tag)
		}
	}
	return c, nil
}

// KeyType is the type of a key with these limits.
func KeyType(k qps.AgentActKey) string {
	switch {
	case k.CountPurchased > 0 && !k.ExpireDate.IsZero():
		return "COUNT_TIME_LIMITED"
	case k.CountPurchased > 0:
		return "COUNT_LIMITED"
	case !k.ExpireDate.IsZero():
		return "TIME_LIMITED"
	}
	return "UNLIMITED"
}

// Change returns the request that makes a profile, now as current says, as
// described. The API takes the tag rule and the performance profile as a whole,
// so what is not said of them comes from current.
func (p ConfigurationProfile) Change(current *qps.AgentConfig, find FindTag) (qps.AgentConfigChange, error) {
	c := qps.AgentConfigChange{
		Name: p.Name, Description: p.Description, IsDefault: p.Default, Priority: p.Priority, SuspendScanning: p.SuspendScanning,
		PreventAgentUpdate: p.PreventAgentUpdate, InMemoryDBEnabled: p.InMemoryDatabase, Blackouts: p.Blackouts,
	}
	if p.Level != nil || p.Performance != nil {
		c.PerformanceSettings = new(settingsList(p.Settings(SettingsOf(current.PerformanceSettings))))
	}
	if p.IncludeTags == nil && p.ExcludeTags == nil && p.IncludeAll == nil && p.ExcludeAll == nil {
		return c, nil
	}
	tags := qps.ConfigTags{
		Include: current.Tags.Include, IncludeResolution: current.Tags.IncludeResolution,
		Exclude: current.Tags.Exclude, ExcludeResolution: current.Tags.ExcludeResolution,
	}
	for _, side := range []struct {
		said   *[]string
		target *[]qps.ConfigTag
	}{{p.IncludeTags, &tags.Include}, {p.ExcludeTags, &tags.Exclude}} {
		if side.said == nil {
			continue
		}
		*side.target = nil
		for _, text := range *side.said {
			tag, err := find(text)
			if err != nil {
				return c, err
			}
			*side.target = append(*side.target, qps.ConfigTag{ID: tag.ID, Name: tag.Name})
		}
	}
	if p.IncludeAll != nil {
		tags.IncludeResolution = resolutionOf(*p.IncludeAll)
	}
	if p.ExcludeAll != nil {
		tags.ExcludeResolution = resolutionOf(*p.ExcludeAll)
	}
	c.Tags = &tags
	return c, nil
}

func resolutionOf(all bool) string {
	if all {
		return qps.ResolveAll
	}
	return qps.ResolveAny
}

// Settings returns the performance parameters that a profile with those of
// current is to have. Keys that nothing is said about stay.
func (p ConfigurationProfile) Settings(current performance.Settings) performance.Settings {
	if p.Level != nil {
		for key, value := range performance.Recommended(*p.Level) {
			current[key] = value
		}
	}
	for key, value := range p.Performance {
		current[key] = value
	}
	return current
}

// SettingsOf returns a list of performance parameters by key.
func SettingsOf(list []qps.PerformanceLevelSettings) performance.Settings {
	settings := performance.Settings{}
	for _, s := range list {
		settings[s.Key] = s.Value
	}
	return settings
}

func settingsList(settings performance.Settings) []qps.PerformanceLevelSettings {
	list := []qps.PerformanceLevelSettings{}
	for _, s := range settings.Ordered() {
		list = append(list, qps.PerformanceLevelSettings{Key: s.Key, Value: s.Value})
	}
	return list
}

// maxEcho bounds how much of an input a message repeats, in bytes.
const maxEcho = 80

// quote quotes a text of somebody's, shortened and printable.
func quote(s string) string {
	if len(s) > maxEcho {
		s = strings.ToValidUTF8(s[:maxEcho], "") + "…"
	}
	return strconv.Quote(s)
}

// ParseLevel reads the name of a level, in any case.
func ParseLevel(text string) (performance.Level, error) {
	var names []string
	for _, level := range performance.Levels() {
		if strings.EqualFold(text, level.String()) {
			return level, nil
		}
		names = append(names, strings.ToLower(level.String()))
	}
	return 0, fault.New(fault.Invalid, "The level "+quote(text)+" is not known.", "Use one of "+strings.Join(names, ", ")+".")
}
