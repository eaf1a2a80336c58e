package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

// field is a key of a document and what reads its value.
type field struct {
	name string
	read func(value) error
}

// fields gives a document of a known kind its description and returns what reads
// the keys of it.
func (d *Document) fields() (map[string]func(value) error, bool) {
	list := d.fieldList()
	fields := make(map[string]func(value) error, len(list))
	for _, f := range list {
		fields[f.name] = f.read
	}
	return fields, list != nil
}

// fieldNames are the keys of a kind in the order they are written.
func fieldNames(k Kind) []string {
	var names []string
	for _, f := range (&Document{Kind: k}).fieldList() {
		names = append(names, f.name)
	}
	return names
}

func (d *Document) fieldList() []field {
	switch d.Kind {
	case KindTag:
		d.Tag = &description.Tag{}
		return tagFields(d.Tag)
	case KindKey:
		d.Key = &description.ActivationKey{}
		return keyFields(d.Key)
	case KindProfile:
		d.Profile = &description.ConfigurationProfile{}
		return profileFields(d.Profile)
	case KindConnector:
		d.Connector = &Connector{}
		return d.Connector.fields()
	case KindSite:
		d.Site = &Site{}
		return d.Site.fields()
	case KindRelay:
		d.Relay = &Relay{}
		return d.Relay.fields()
	case KindConnection:
		d.Connection = &Connection{}
		return d.Connection.fields()
	case KindPlaybook:
		d.Playbook = &Playbook{}
		return d.Playbook.fields()
	case KindSchedule:
		d.Schedule = &Schedule{}
		return d.Schedule.fields()
	case KindMail:
		d.MailSettings = &MailSettings{}
		return d.MailSettings.fields()
	case KindWebhook:
		d.Webhook = &Webhook{}
		return d.Webhook.fields()
	}
	return nil
}

func tagFields(t *description.Tag) []field {
	return []field{
		{"name", nameInto(&t.Name)},
		{"parent", nameInto(&t.Parent)},
		{"color", textInto(&t.Color)},
		{"ruleType", func(v value) error {
			err := textInto(&t.RuleType)(v)
			if err == nil {
				*t.RuleType = strings.ToUpper(*t.RuleType)
			}
			return err
		}},
		{"rule", ruleInto(&t.Rule)},
		{"criticality", integerInto(&t.Criticality, 0, 5)},
		{"description", textInto(&t.Description)},
		{"provider", textInto(&t.Provider)},
	}
}

func keyFields(k *description.ActivationKey) []field {
	return []field{
		{"title", nameInto(&k.Title)},
		{"maxAgents", func(v value) error {
			if text, err := v.scalar(); err == nil && text == description.NoMaximum {
				k.MaxAgents = new(int64)
				return nil
			}
			if err := integerInto(&k.MaxAgents, 1, 1<<31-1)(v); err != nil {
				return v.refuse("Use a number of at least 1, or "+description.NoMaximum+".", "%s is no number of agents", quote(v.node.Value))
			}
			return nil
		}},
		{"expires", expiryInto(&k.Expires)},
		{"disabled", booleanInto(&k.Disabled)},
		{"modules", listInto(&k.Modules)},
		{"tags", listInto(&k.Tags)},
	}
}

func profileFields(p *description.ConfigurationProfile) []field {
	return []field{
		{"name", nameInto(&p.Name)},
		{"description", textInto(&p.Description)},
		{"default", booleanInto(&p.Default)},
		{"priority", integerInto(&p.Priority, 1, 1<<31-1)},
		{"includeTags", listInto(&p.IncludeTags)},
		{"includeAll", booleanInto(&p.IncludeAll)},
		{"excludeTags", listInto(&p.ExcludeTags)},
		{"excludeAll", booleanInto(&p.ExcludeAll)},
		{"suspendScanning", booleanInto(&p.SuspendScanning)},
		{"preventAgentUpdate", booleanInto(&p.PreventAgentUpdate)},
		{"inMemoryDatabase", booleanInto(&p.InMemoryDatabase)},
		{"blackouts", blackoutsInto(&p.Blackouts)},
		{"level", func(v value) error {
			text, err := v.scalar()
			if err != nil {
				return err
			}
			level, err := description.ParseLevel(text)
			if err != nil {
				return v.refuse("Use low, normal or high.", "%s is no level", quote(text))
			}
			p.Level = &level
			return nil
		}},
		{"performance", performanceInto(&p.Performance)},
	}
}

// nameInto reads a text of one line that is not empty, without blanks around it:
// the API would not keep them.
func nameInto(target **string) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		text = strings.TrimSpace(text)
		if text == "" || strings.ContainsFunc(text, unicode.IsControl) {
			return v.refuse("Write a text of one line.", "%s cannot name anything", quote(text))
		}
		*target = &text
		return nil
	}
}

func textInto(target **string) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		*target = new(strings.TrimSpace(text))
		return nil
	}
}

// ruleInto reads a rule, which may begin or end with a blank. The line feed that
// a block of YAML ends with is none of it.
func ruleInto(target **string) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		*target = new(trimRule(text))
		return nil
	}
}

func trimRule(text string) string { return strings.TrimRight(text, "\r\n") }

func integerInto[T int | int64](target **T, low, high T) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < int64(low) || n > int64(high) {
			return v.refuse(fmt.Sprintf("Use a whole number from %d to %d.", low, high), "%s is not allowed", quote(text))
		}
		*target = new(T(n))
		return nil
	}
}

func booleanInto(target **bool) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		if text != "true" && text != "false" {
			return v.refuse("Use true or false.", "%s is not allowed", quote(text))
		}
		*target = new(text == "true")
		return nil
	}
}

func expiryInto(target **time.Time) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		if text == description.NoExpiry {
			*target = new(time.Time)
			return nil
		}
		at, err := qps.ParseTime(text)
		if err != nil || at.IsZero() {
			return v.refuse("Use YYYY-MM-DD, YYYY-MM-DDTHH:MM:SSZ or "+description.NoExpiry+".", "%s is no date", quote(text))
		}
		*target = new(at.UTC().Truncate(time.Second))
		return nil
	}
}

// wordInto reads one of a few words.
func wordInto(target **string, words ...string) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		if !slices.Contains(words, text) {
			return v.refuse("Use "+strings.Join(words, ", ")+".", "%s is not allowed", quote(text))
		}
		*target = &text
		return nil
	}
}

// membersInto reads a mapping that has keys of its own.
func membersInto(fields ...field) func(value) error {
	return func(v value) error {
		pairs, err := v.pairs()
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, pair := range pairs {
			at := slices.IndexFunc(fields, func(f field) bool { return f.name == pair.name() })
			if at < 0 {
				var names []string
				for _, f := range fields {
					names = append(names, f.name)
				}
				return pair.refuse("Keys of "+v.key+": "+strings.Join(names, ", ")+".", "the key is not known")
			}
			if seen[pair.key] {
				return pair.refuse("Give it once.", "the key is given twice")
			}
			seen[pair.key] = true
			if err := fields[at].read(pair); err != nil {
				return err
			}
		}
		return nil
	}
}

// listInto reads a list of names, each of them once.
func listInto(target **[]string) func(value) error {
	return func(v value) error {
		items, err := v.items()
		if err != nil {
			return err
		}
		list := make([]string, 0, len(items))
		for _, item := range items {
			var name *string
			if err := nameInto(&name)(item); err != nil {
				return err
			}
			if slices.Contains(list, *name) {
				return item.refuse("List it once.", "%s is listed twice", quote(*name))
			}
			list = append(list, *name)
		}
		*target = &list
		return nil
	}
}

func blackoutsInto(target **[]qps.BlackoutConfig) func(value) error {
	return func(v value) error {
		items, err := v.items()
		if err != nil {
			return err
		}
		windows := make([]qps.BlackoutConfig, 0, len(items))
		for _, item := range items {
			text, err := item.scalar()
			if err != nil {
				return err
			}
			window, err := description.ParseBlackout(text)
			if err != nil {
				return item.refuse(`Use days and hours such as "mon-fri 8-18" or "sat,sun 22-6".`, "%s is no window", quote(text))
			}
			windows = append(windows, window)
		}
		*target = &windows
		return nil
	}
}

func performanceInto(target *performance.Settings) func(value) error {
	return func(v value) error {
		pairs, err := v.pairs()
		if err != nil {
			return err
		}
		settings := performance.Settings{}
		for _, pair := range pairs {
			text, err := pair.scalar()
			if err != nil {
				return err
			}
			if _, twice := settings[pair.name()]; twice {
				return pair.refuse("Give it once.", "the key is given twice")
			}
			if key := pair.name(); key == "" || !carried(key) || strings.TrimSpace(key) != key {
				return pair.refuse("'vedette profiles parameters' lists the keys.", "this is no key")
			}
			settings[pair.name()] = strings.TrimSpace(text)
		}
		*target = settings
		return nil
	}
}
