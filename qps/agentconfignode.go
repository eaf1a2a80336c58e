package qps

import "strconv"

// Node returns the change as an AgentConfig element of a request's data.
func (c AgentConfigChange) Node() *Node {
	n := &Node{Name: "AgentConfig"}
	addInteger(n, "id", c.ID)
	addText(n, "name", c.Name)
	addText(n, "description", c.Description)
	addInteger(n, "priority", c.Priority)
	if c.IsDefault != nil {
		n.add("isDefault", bit(*c.IsDefault))
	}
	for _, flag := range []struct {
		name  string
		value *bool
	}{{"suspendScanning", c.SuspendScanning}, {"preventAgentUpdate", c.PreventAgentUpdate}, {"inMemoryDbEnabled", c.InMemoryDBEnabled}} {
		if flag.value != nil {
			n.add(flag.name, strconv.FormatBool(*flag.value))
		}
	}
	if c.Tags != nil {
		tags := n.add("tags", "")
		addTags(tags, "includeTags", "includeResolution", c.Tags.Include, c.Tags.IncludeResolution)
		addTags(tags, "excludeTags", "excludeResolution", c.Tags.Exclude, c.Tags.ExcludeResolution)
	}
	if c.Blackouts != nil {
		list := n.add("blackoutConfig", "").add("settings", "").add("list", "")
		for _, b := range *c.Blackouts {
			addBlackout(list, b)
		}
	}
	if c.PerformanceSettings != nil {
		list := n.add("performanceProfile", "").add("settings", "").add("list", "")
		for _, s := range *c.PerformanceSettings {
			item := list.add("PerformanceLevelSettings", "")
			item.add("key", s.Key)
			item.add("value", s.Value)
		}
	}
	return n
}

// add appends a child and returns it.
func (n *Node) add(name, text string) *Node {
	child := &Node{Name: name, Text: text}
	n.Children = append(n.Children, child)
	return child
}

func addInteger(n *Node, name string, value *int64) {
	if value != nil {
		n.add(name, strconv.FormatInt(*value, 10))
	}
}

func addText(n *Node, name string, value *string) {
	if value != nil {
		n.add(name, *value)
	}
}

func bit(value bool) string {
	if value {
		return "1"
	}
	return "0"
}

func addTags(n *Node, name, resolutionName string, tags []ConfigTag, resolution string) {
	collection := n.add(name, "")
	if len(tags) > 0 {
		list := collection.add("list", "")
		for _, tag := range tags {
			item := list.add("ConfigTag", "")
			if tag.ID != 0 {
				addInteger(item, "id", &tag.ID)
			}
			if tag.Name != "" {
				item.add("name", tag.Name)
			}
		}
	}
	if resolution == "" {
		resolution = ResolveAny
	}
	n.add(resolutionName, resolution)
}

func addBlackout(list *Node, b BlackoutConfig) {
	item := list.add("BlackoutConfig", "")
	addInteger(item, "startHour", &b.StartHour)
	addInteger(item, "endHour", &b.EndHour)
	for _, w := range weekdays {
		item.add(w.element, bit(b.Days[w.day]))
	}
}
