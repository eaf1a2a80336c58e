package qps

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// AgentConfigChange is what a request says about a configuration profile to
// create or to change. What is nil is not said. An empty element says nothing
// either: working clients send <priority></priority> and <blackoutConfig/>. A
// block that is said replaces the stored one, so an empty list in it empties it.
type AgentConfigChange struct {
	ID                  *int64 // only needed where the path has none
	Name                *string
	Description         *string
	IsDefault           *bool
	Priority            *int64
	Tags                *ConfigTags // TagSetUUID is not said
	SuspendScanning     *bool
	PreventAgentUpdate  *bool
	InMemoryDBEnabled   *bool
	Blackouts           *[]BlackoutConfig
	PerformanceSettings *[]PerformanceLevelSettings
}

// The elements of a configuration profile that a request may have. Those in
// readOnlyConfigElements are in profiles as clients read them; those that send a
// profile back do not mean to change them.
var (
	configElements = []string{
		"id", "name", "description", "isDefault", "priority", "tags", "suspendScanning", "preventAgentUpdate", "inMemoryDbEnabled",
		"blackoutConfig", "performanceProfile",
	}
	readOnlyConfigElements = []string{"createdDate", "createdBy", "totalAgents"}
	configTagsElements     = []string{"includeTags", "includeResolution", "excludeTags", "excludeResolution", "tagSetUuid"}
	configTagElements      = []string{"id", "uuid", "name"}
	blackoutElements       = []string{"startHour", "endHour", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
	performanceElements    = []string{"key", "value"}
)

// ParseAgentConfigChange reads an AgentConfig element of a request's data. What
// is wrong with its form comes back as a *RequestError; values are for the
// server to judge.
func ParseAgentConfigChange(n *Node) (AgentConfigChange, error) {
	e, err := elementsOfObject(n, "AgentConfig", configElements, readOnlyConfigElements)
	if err != nil {
		return AgentConfigChange{}, err
	}
	c := AgentConfigChange{
		ID: e.integer("id"), Name: e.text("name"), Description: e.text("description"), IsDefault: e.boolean("isDefault"), Priority: e.integer("priority"),
		SuspendScanning: e.boolean("suspendScanning"), PreventAgentUpdate: e.boolean("preventAgentUpdate"),
		InMemoryDBEnabled: e.boolean("inMemoryDbEnabled"),
	}
	if e.err == nil {
		c.Tags, e.err = parseConfigTags(e.given("tags"))
	}
	if e.err == nil {
		c.Blackouts, e.err = parseSettings(e.given("blackoutConfig"), "BlackoutConfig", parseBlackout)
	}
	if e.err == nil {
		c.PerformanceSettings, e.err = parseSettings(e.given("performanceProfile"), "PerformanceLevelSettings", parsePerformance)
	}
	return c, e.err
}

// elements are the children of an element of a request, each at most once. The
// first value that cannot be read is kept in err.
type elements struct {
	parent string
	nodes  map[string]*Node
	err    error
}

// elementsOfObject reads the element of a request's data that an operation acts
// on.
func elementsOfObject(n *Node, name string, known, ignored []string) (*elements, error) {
	switch {
	case n == nil:
		return nil, invalidRequest(fmt.Sprintf("data: there is no %s.", name), "Elements expected: "+name+".")
	case n.Name != name:
		return nil, invalidRequest(fmt.Sprintf("data: unknown element '%s'.", shorten(n.Name)), "Elements expected: "+name+".")
	}
	if text := strings.TrimSpace(n.Text); text != "" {
		return nil, invalidRequest(fmt.Sprintf("%s: unexpected text '%s'.", name, shorten(text)), "Elements expected: "+strings.Join(known, ", ")+".")
	}
	return elementsOf(n, known, ignored)
}

func elementsOf(n *Node, known, ignored []string) (*elements, error) {
	e := &elements{parent: n.Name, nodes: make(map[string]*Node, len(n.Children))}
	for _, child := range n.Children {
		if !slices.Contains(known, child.Name) && !slices.Contains(ignored, child.Name) {
			// Passing over a misspelled element would do half of what was meant.
			return nil, invalidRequest(fmt.Sprintf("%s: unknown element '%s'.", n.Name, shorten(child.Name)),
				"Elements expected: "+strings.Join(known, ", ")+".")
		}
		if e.nodes[child.Name] != nil {
			return nil, invalidRequest(fmt.Sprintf("%s: '%s' is given more than once.", n.Name, child.Name), "Give each element once.")
		}
		e.nodes[child.Name] = child
	}
	return e, nil
}

// given returns a child that says something, otherwise nil.
func (e *elements) given(name string) *Node {
	n := e.nodes[name]
	if n == nil || (len(n.Children) == 0 && strings.TrimSpace(n.Text) == "") {
		return nil
	}
	return n
}

func (e *elements) refuse(n *Node, allowed string) {
	if e.err == nil {
		e.err = invalidRequest(fmt.Sprintf("%s: invalid value '%s' for '%s'.", e.parent, shorten(strings.TrimSpace(n.Text)), n.Name), allowed)
	}
}

func (e *elements) text(name string) *string {
	n := e.given(name)
	if n == nil {
		return nil
	}
	if len(n.Children) > 0 {
		e.refuse(n, "Specify "+name+" as String.")
	}
	value := strings.TrimSpace(n.Text)
	return &value
}

func (e *elements) integer(name string) *int64 {
	n := e.given(name)
	if n == nil {
		return nil
	}
	value, err := strconv.ParseInt(strings.TrimSpace(n.Text), 10, 64)
	if err != nil {
		e.refuse(n, "Specify "+name+" as Long.")
	}
	return &value
}

// boolean reads both styles that profiles use, 0 and 1, true and false.
func (e *elements) boolean(name string) *bool {
	n := e.given(name)
	if n == nil {
		return nil
	}
	var value bool
	switch strings.ToLower(strings.TrimSpace(n.Text)) {
	case "1", "true":
		value = true
	case "0", "false":
	default:
		e.refuse(n, "Values expected: 0, 1, true, false.")
	}
	return &value
}

func parseConfigTags(n *Node) (*ConfigTags, error) {
	if n == nil {
		return nil, nil
	}
	e, err := elementsOf(n, configTagsElements, nil)
	if err != nil {
		return nil, err
	}
	tags := &ConfigTags{IncludeResolution: e.resolution("includeResolution"), ExcludeResolution: e.resolution("excludeResolution")}
	if e.err == nil {
		tags.Include, e.err = parseTagList(e.given("includeTags"))
	}
	if e.err == nil {
		tags.Exclude, e.err = parseTagList(e.given("excludeTags"))
	}
	return tags, e.err
}

// resolution reads ANY or ALL; ANY is what leaving it out means.
func (e *elements) resolution(name string) string {
	n := e.given(name)
	if n == nil {
		return ResolveAny
	}
	value := strings.ToUpper(strings.TrimSpace(n.Text))
	if value != ResolveAny && value != ResolveAll {
		e.refuse(n, "Values expected: ANY, ALL.")
	}
	return value
}

func parseTagList(n *Node) ([]ConfigTag, error) {
	list, err := parseItems(n, "ConfigTag", parseConfigTag)
	if err != nil || list == nil || len(*list) == 0 {
		return nil, err
	}
	return *list, nil
}

func parseConfigTag(n *Node) (ConfigTag, error) {
	e, err := elementsOf(n, configTagElements, nil)
	if err != nil {
		return ConfigTag{}, err
	}
	var tag ConfigTag
	if id := e.integer("id"); id != nil {
		tag.ID = *id
	}
	if name := e.text("name"); name != nil {
		tag.Name = *name
	}
	return tag, e.err
}

// parseSettings reads the list in settings of a block.
func parseSettings[T any](n *Node, item string, parse func(*Node) (T, error)) (*[]T, error) {
	if n == nil {
		return nil, nil
	}
	e, err := elementsOf(n, []string{"settings"}, nil)
	if err != nil {
		return nil, err
	}
	return parseItems(e.given("settings"), item, parse)
}

// parseItems reads a collection as list, or as set as some clients send it. nil
// means that there is none, which differs from an empty one.
func parseItems[T any](n *Node, item string, parse func(*Node) (T, error)) (*[]T, error) {
	if n == nil {
		return nil, nil
	}
	e, err := elementsOf(n, []string{"list", "set"}, nil)
	if err != nil {
		return nil, err
	}
	items := []T{}
	for _, list := range []*Node{e.nodes["list"], e.nodes["set"]} {
		if list == nil {
			continue
		}
		for _, child := range list.Children {
			if child.Name != item {
				return nil, invalidRequest(fmt.Sprintf("%s: unknown element '%s'.", n.Name, shorten(child.Name)), "Elements expected: "+item+".")
			}
			value, err := parse(child)
			if err != nil {
				return nil, err
			}
			items = append(items, value)
		}
	}
	return &items, nil
}

func parseBlackout(n *Node) (BlackoutConfig, error) {
	e, err := elementsOf(n, blackoutElements, nil)
	if err != nil {
		return BlackoutConfig{}, err
	}
	var b BlackoutConfig
	for _, hour := range []struct {
		name   string
		target *int64
	}{{"startHour", &b.StartHour}, {"endHour", &b.EndHour}} {
		value := e.integer(hour.name)
		if value == nil {
			return b, invalidRequest(fmt.Sprintf("BlackoutConfig: '%s' is missing.", hour.name), "Specify startHour and endHour of each window.")
		}
		*hour.target = *value
	}
	for _, w := range weekdays {
		if day := e.boolean(w.element); day != nil {
			b.Days[w.day] = *day
		}
	}
	return b, e.err
}

func parsePerformance(n *Node) (PerformanceLevelSettings, error) {
	e, err := elementsOf(n, performanceElements, nil)
	if err != nil {
		return PerformanceLevelSettings{}, err
	}
	return PerformanceLevelSettings{Key: strings.TrimSpace(n.Value("key")), Value: strings.TrimSpace(n.Value("value"))}, e.err
}
