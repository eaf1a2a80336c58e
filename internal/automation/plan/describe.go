package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// Described is what a platform has, as files say it.
type Described struct {
	Files []File
	// Kept out are the objects that no file could name.
	KeptOut []Kept
}

// File is the documents of one kind as YAML, of which Decode makes them again.
type File struct {
	Name    string `json:"name"` // such as tags.yaml
	Kind    Kind   `json:"kind"`
	Count   int    `json:"documents"`
	Content []byte `json:"-"`
}

// Selection chooses what is described; empty fields choose everything.
type Selection struct {
	Kinds []Kind
	// Site leaves out what does not belong to the site of this name.
	Site string
}

// has reports whether a kind is selected, and whether it was named.
func (s Selection) has(kind Kind) (selected, named bool) {
	named = slices.Contains(s.Kinds, kind)
	return named || len(s.Kinds) == 0 && (s.Site == "" || kind.inLayer() && !kind.channel()), named
}

// Describe reads what a platform has that a plan can keep: all but what the platform
// made for itself, and secrets. A plan with the files, made at once, is empty, and
// what is made of them on another platform is described by the same files.
//
// Of the automation layer it is what the caller sees; a platform without one has
// none. Kinds that are named are an error where the caller may not see them.
func Describe(ctx context.Context, r Reader, s Selection) (*Described, error) {
	d := &describer{maker: &maker{state: &state{tags: newForest(nil)}}, selection: s}
	fleet := map[Kind]bool{}
	for _, kind := range Kinds() {
		if selected, _ := s.has(kind); selected && !kind.inLayer() {
			fleet[kind] = true
		}
	}
	if len(fleet) > 0 {
		_, named := s.has(KindConnector)
		now, err := read(ctx, r, fleet, !named)
		switch {
		case err == nil:
			d.state = now
		case len(s.Kinds) > 0 || !noFleet(err):
			return nil, err
		}
	}
	if err := d.readLayer(ctx, r); err != nil {
		return nil, err
	}
	for _, kind := range Kinds() {
		if selected, _ := s.has(kind); !selected || kind.inLayer() && d.layer == nil {
			continue
		}
		if err := d.write(kind); err != nil {
			return nil, err
		}
	}
	return &d.out, nil
}

// noFleet reports whether a platform keeps no fleet at all: one that runs the
// automation layer alone.
func noFleet(err error) bool {
	status, ok := errors.AsType[*qpsclient.StatusError](err)
	return ok && status.StatusCode == http.StatusNotFound
}

// readLayer reads the automation layer as far as it is selected and there.
func (d *describer) readLayer(ctx context.Context, r LayerReader) error {
	kinds, strict, needed := map[Kind]bool{}, map[Kind]bool{}, false
	for _, kind := range layerKinds() {
		selected, named := d.selection.has(kind)
		kinds[kind] = selected
		strict[kind] = named
		needed = needed || selected
	}
	if !needed {
		return nil
	}
	if kinds[KindSchedule] {
		kinds[KindConnection], kinds[KindPlaybook] = true, true
	}
	if kinds[KindConnection] || d.selection.Site != "" { // for their names
		kinds[KindRelay], kinds[KindConnection] = true, true
	}
	l, err := readLayer(ctx, r, kinds, strict)
	if errors.Is(err, qpsclient.ErrNoAutomationAPI) && len(d.selection.Kinds) == 0 && d.selection.Site == "" {
		return nil
	}
	if err != nil {
		return err
	}
	d.layer = l
	return d.checkSite()
}

// describers describe the objects of a kind, each in the file of its name.
var describers = map[Kind]struct {
	file     string
	describe func(*describer) []*yaml.Node
}{
	KindTag: {"tags.yaml", (*describer).describeTags}, KindKey: {"keys.yaml", (*describer).describeKeys}, KindProfile: {"profiles.yaml", (*describer).describeProfiles},
	KindConnector: {"connectors.yaml", (*describer).describeConnectors}, KindSite: {"sites.yaml", (*describer).describeSites}, KindRelay: {"relays.yaml", (*describer).describeRelays},
	KindConnection: {"connections.yaml", (*describer).describeConnections}, KindPlaybook: {"playbooks.yaml", (*describer).describePlaybooks}, KindSchedule: {"schedules.yaml", (*describer).describeSchedules},
	KindMail: {"mail.yaml", (*describer).describeMail}, KindWebhook: {"webhook.yaml", (*describer).describeWebhook},
}

// write adds the file of a kind, none where there is nothing to describe.
func (d *describer) write(kind Kind) (err error) {
	of := describers[kind]
	mappings := of.describe(d)
	f := File{Name: of.file, Kind: kind, Count: len(mappings)}
	if f.Count == 0 {
		return nil
	}
	if f.Content, err = encode(mappings); err != nil {
		return err
	}
	// What cannot be read again would only be found when it is needed.
	if _, err := Decode(f.Name, f.Content); err != nil {
		return fmt.Errorf("the platform has what no file can say: %w", err)
	}
	d.out.Files = append(d.out.Files, f)
	return nil
}

func encode(mappings []*yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	for _, m := range mappings {
		if err := encoder.Encode(m); err != nil {
			return nil, fmt.Errorf("write YAML: %w", err)
		}
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	if b.Len() > MaxFileBytes {
		return nil, fault.New(fault.TooLarge, fmt.Sprintf("The description has %d bytes, a file may have %d.", b.Len(), MaxFileBytes),
			"Describe what is to be kept as files by hand.")
	}
	return b.Bytes(), nil
}

// describer describes what a maker has read.
type describer struct {
	*maker
	selection Selection
	out       Described
}

func (d *describer) keepOut(kind Kind, name string, id int64, reason string) {
	d.out.KeptOut = append(d.out.KeptOut, Kept{kind, name, id, reason})
}

// mapping writes a document key by key.
type mapping struct{ node *yaml.Node }

func newMapping(kind Kind) mapping {
	m := mapping{&yaml.Node{Kind: yaml.MappingNode}}
	m.add("kind", string(kind))
	return m
}

func (m mapping) add(key string, value any) {
	var v yaml.Node
	// Texts, numbers, booleans and lists of texts can always be encoded.
	_ = v.Encode(value)
	if list, ok := value.([]string); ok {
		v.Style = yaml.FlowStyle
		for _, text := range list {
			if strings.ContainsAny(text, "\n\r") {
				v.Style = 0
			}
		}
	}
	m.node.Content = append(m.node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &v)
}

// addText writes a text that is not empty.
func (m mapping) addText(key, text string) {
	if text != "" {
		m.add(key, text)
	}
}

func (d *describer) describeTags() []*yaml.Node {
	nodes := slices.Clone(d.state.tags.nodes)
	slices.SortStableFunc(nodes, byDepth)
	var list []*yaml.Node
	for _, n := range nodes {
		switch {
		case belongsToPlatform(n):
			continue
		case !nameable(n.name):
			d.keepOut(KindTag, n.text(), n.id, "no file could name it")
			continue
		}
		t := n.current
		m := newMapping(KindTag)
		m.add("name", n.name)
		if n.parent != nil {
			m.add("parent", d.state.tags.shortest(n.parent))
		}
		m.addText("color", t.Color)
		if ruleTypeOf(t) != ruleStatic {
			m.add("ruleType", t.RuleType)
			m.addText("rule", trimRule(t.RuleText))
		}
		if t.CriticalityScore != 0 {
			m.add("criticality", t.CriticalityScore)
		}
		m.addText("description", strings.TrimSpace(t.Description))
		m.addText("provider", t.Provider)
		list = append(list, m.node)
	}
	return list
}

// nameable reports whether a document can name an object so.
func nameable(name string) bool {
	var read *string
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}
	err := nameInto(&read)(value{node: n, at: n})
	return err == nil && *read == name
}

func (d *describer) describeKeys() []*yaml.Node {
	titles := map[string]int{}
	for _, k := range d.state.keys {
		titles[strings.TrimSpace(k.Title)]++
	}
	var list []*yaml.Node
	for _, k := range d.state.keys {
		title := strings.TrimSpace(k.Title)
		if titles[title] > 1 || !nameable(title) {
			d.keepOut(KindKey, k.Title, k.ID, "it has no title of its own")
			continue
		}
		m := newMapping(KindKey)
		m.add("title", title)
		m.add("maxAgents", maximum(k.CountPurchased))
		m.add("expires", expiry(k.ExpireDate))
		m.add("disabled", k.IsDisabled)
		m.add("modules", sorted(k.Licenses))
		m.add("tags", sorted(d.texts(d.nodesOf(k.Tags))))
		list = append(list, m.node)
	}
	return list
}

// describeProfiles describes them in the order of their priority.
func (d *describer) describeProfiles() []*yaml.Node {
	profiles := slices.Clone(d.state.profiles)
	slices.SortStableFunc(profiles, func(a, b *qps.AgentConfig) int { return int(d.state.priorities[a.ID] - d.state.priorities[b.ID]) })
	var list []*yaml.Node
	for _, current := range profiles {
		p := &plannedProfile{current: current}
		switch {
		case p.belongsToPlatform():
			continue
		case d.sharesName(p) || !nameable(current.Name):
			d.keepOut(KindProfile, current.Name, current.ID, "it has no name of its own")
			continue
		}
		list = append(list, d.describeProfile(current))
	}
	return list
}

func (d *describer) describeProfile(p *qps.AgentConfig) *yaml.Node {
	m := newMapping(KindProfile)
	m.add("name", p.Name)
	m.addText("description", strings.TrimSpace(p.Description))
	m.add("default", p.IsDefault)
	if priority := d.state.priorities[p.ID]; priority > 0 {
		m.add("priority", priority)
	}
	m.add("includeTags", sorted(d.texts(d.nodesOf(simple(p.Tags.Include)))))
	m.add("includeAll", p.Tags.IncludeResolution == qps.ResolveAll)
	m.add("excludeTags", sorted(d.texts(d.nodesOf(simple(p.Tags.Exclude)))))
	m.add("excludeAll", p.Tags.ExcludeResolution == qps.ResolveAll)
	m.add("suspendScanning", p.SuspendScanning)
	m.add("preventAgentUpdate", p.PreventAgentUpdate)
	m.add("inMemoryDatabase", p.InMemoryDBEnabled)
	m.add("blackouts", sorted(blackoutTexts(p.Blackouts)))
	if settings := description.SettingsOf(p.PerformanceSettings); len(settings) > 0 {
		block := mapping{&yaml.Node{Kind: yaml.MappingNode}}
		for _, s := range settings.Ordered() {
			block.add(s.Key, scalarOf(s.Value))
		}
		m.node.Content = append(m.node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "performance"}, block.node)
	}
	return m.node
}

// scalarOf writes a number without quotes.
func scalarOf(text string) any {
	if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
		return n
	}
	return text
}

func (d *describer) describeConnectors() []*yaml.Node {
	if d.state.noConnectors {
		d.keepOut(KindConnector, "", 0, hiddenReason)
		return nil
	}
	connectors := slices.Clone(d.state.connectors)
	slices.SortStableFunc(connectors, func(a, b *qps.AwsAssetDataConnector) int { return strings.Compare(a.Name, b.Name) })
	var list []*yaml.Node
	for _, c := range connectors {
		name := strings.TrimSpace(c.Name)
		record := d.recordText(c)
		switch {
		case len(d.connectorsNamed(name)) > 1 || !nameable(name):
			d.keepOut(KindConnector, c.Name, c.ID, "it has no name of its own")
			continue
		case !nameable(record):
			d.keepOut(KindConnector, c.Name, c.ID, "no file could name its authentication record")
			continue
		}
		list = append(list, d.describeConnector(c, name, record))
	}
	return list
}

func (d *describer) describeConnector(c *qps.AwsAssetDataConnector, name, record string) *yaml.Node {
	m := newMapping(KindConnector)
	m.add("name", name)
	m.add("description", strings.TrimSpace(c.Description))
	m.add("govCloud", valueOf(c.IsGovCloudConfigured))
	m.add("china", valueOf(c.IsChinaConfigured))
	m.add("allRegions", valueOf(c.AllRegions))
	if !valueOf(c.AllRegions) {
		m.add("regions", sorted(c.Endpoints))
	}
	if record == NoRecord {
		m.add("role", c.ARN)
		m.add("externalId", c.ExternalID)
	}
	m.add("authRecord", record)
	m.add("tags", sorted(d.texts(d.nodesOf(c.DefaultTags))))
	m.add("modules", sorted(upper(c.Activation)))
	if c.RunFrequency > 0 { // not every platform tells
		m.add("runFrequency", c.RunFrequency)
	}
	m.add("disabled", valueOf(c.Disabled))
	return m.node
}
