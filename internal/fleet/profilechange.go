package fleet

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/performance"
)

// Limits of a profile. Each of its agents downloads it, and each decision which
// profile an agent gets looks at the tags of all of them.
const (
	MaxProfiles           = 500  // of a platform
	MaxProfileNameRunes   = 256  // characters (Qualys Cloud Agent, configuration profiles)
	MaxProfileDescription = 2048 // bytes
	MaxProfileTags        = 100  // included, and as many excluded
	MaxBlackouts          = 100  // windows; hours and days need at most 168
)

// ProfileChange is what a profile shall become. What is nil stays as it is; what
// is given replaces what was there as a whole.
type ProfileChange struct {
	Name               *string
	Description        *string
	Default            *bool
	Priority           *int // the position it moves to, 1 first; not for new profiles
	Tags               *ProfileTagRule
	SuspendScanning    *bool
	PreventAgentUpdate *bool
	InMemoryDB         *bool
	Blackout           *[]agentwire.Blackout
	Performance        performance.Settings
}

// ProfileTagRule is the tags block of a profile.
type ProfileTagRule struct {
	Include, Exclude ProfileTags
}

// apply changes p, or says what is not allowed: a fault.Invalid that names the
// element, its value and what is allowed, or a fault.Conflict. What was stored
// earlier is not judged again.
func (c ProfileChange) apply(p *Profile) error {
	before := *p
	for _, step := range []func(*Profile) error{c.applyTexts, c.applyDefault, c.applyTags, c.applyBlackout, c.applyPerformance} {
		if err := step(p); err != nil {
			return err
		}
	}
	set(&p.SuspendScanning, c.SuspendScanning)
	set(&p.PreventAgentUpdate, c.PreventAgentUpdate)
	set(&p.InMemoryDB, c.InMemoryDB)
	if c.Priority != nil {
		if *c.Priority < 1 {
			return fault.New(fault.Invalid, fmt.Sprintf("priority: invalid value '%d'.", *c.Priority), "Specify a position of at least 1.")
		}
		p.Priority = *c.Priority
	}
	return before.keepsSystemParts(p)
}

// keepsSystemParts refuses changes to what Vedette maintains in its own
// profiles: their name, description and performance parameters. Which agents
// they are for, and the rest of their settings, is for users to decide.
func (p Profile) keepsSystemParts(after *Profile) error {
	if !p.System {
		return nil
	}
	var changed string
	switch {
	case p.Name != after.Name:
		changed = "name"
	case p.Description != after.Description:
		changed = "description"
	case !sameSettings(p.Performance, after.Performance):
		changed = "performanceProfile"
	default:
		return nil
	}
	return fault.New(fault.Conflict, fmt.Sprintf("%s: configuration profile '%s' is a system profile, it cannot be changed.", changed, p.Name),
		"Create a profile of your own with these values.")
}

func sameSettings(a, b performance.Settings) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if other, ok := b[key]; !ok || other != value {
			return false
		}
	}
	return true
}

func set[T any](target, value *T) {
	if value != nil {
		*target = *value
	}
}

func (c ProfileChange) applyTexts(p *Profile) error {
	if c.Name != nil {
		name := strings.TrimSpace(*c.Name)
		if name == "" || utf8.RuneCountInString(name) > MaxProfileNameRunes || !singleLine(name) {
			return fault.New(fault.Invalid, fmt.Sprintf("name: invalid value '%s'.", echo(name)),
				fmt.Sprintf("Specify 1 to %d characters without line breaks or other control characters.", MaxProfileNameRunes))
		}
		p.Name = name
	}
	if c.Description != nil {
		if len(*c.Description) > MaxProfileDescription || !utf8.ValidString(*c.Description) || strings.ContainsRune(*c.Description, 0) {
			return fault.New(fault.Invalid, fmt.Sprintf("description: invalid value of %d bytes.", len(*c.Description)),
				fmt.Sprintf("Specify at most %d bytes of UTF-8 without NUL characters.", MaxProfileDescription))
		}
		p.Description = *c.Description
	}
	return nil
}

func singleLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func (c ProfileChange) applyDefault(p *Profile) error {
	if c.Default == nil {
		return nil
	}
	if p.Default && !*c.Default {
		return fault.New(fault.Conflict, fmt.Sprintf("isDefault: configuration profile '%s' is the default profile.", p.Name),
			"Make another profile the default one instead.")
	}
	p.Default = *c.Default
	return nil
}

func (c ProfileChange) applyTags(p *Profile) error {
	if c.Tags == nil {
		return nil
	}
	for _, side := range []struct {
		element string
		tags    []TagRef
	}{{"includeTags", c.Tags.Include.Tags}, {"excludeTags", c.Tags.Exclude.Tags}} {
		if len(side.tags) > MaxProfileTags {
			return fault.New(fault.Invalid, fmt.Sprintf("%s: there are %d tags.", side.element, len(side.tags)),
				fmt.Sprintf("Specify at most %d.", MaxProfileTags))
		}
		for _, tag := range side.tags {
			if tag.ID == 0 && tag.Name == "" {
				return fault.New(fault.Invalid, side.element+": a ConfigTag has neither id nor name.", "Specify the id or the name of each tag.")
			}
		}
	}
	p.Include, p.Exclude = c.Tags.Include, c.Tags.Exclude
	return nil
}

func (c ProfileChange) applyBlackout(p *Profile) error {
	if c.Blackout == nil {
		return nil
	}
	if err := checkBlackout(*c.Blackout); err != nil {
		return err
	}
	p.Blackout = *c.Blackout
	return nil
}

func (c ProfileChange) applyPerformance(p *Profile) error {
	if c.Performance == nil {
		return nil
	}
	err := performance.Validate(c.Performance)
	if refused, ok := errors.AsType[*performance.ValidationError](err); ok {
		clauses := make([]string, len(refused.Violations))
		for i, v := range refused.Violations {
			clauses[i] = v.String()
		}
		return fault.New(fault.Invalid, "performanceProfile: "+strings.Join(clauses, "; ")+".", "Specify values that are allowed.")
	}
	if err != nil {
		return err
	}
	for key, value := range c.Performance {
		if !singleLine(key) || !singleLine(value) {
			return fault.New(fault.Invalid, fmt.Sprintf("performanceProfile: key %q has the value %q.", key, value),
				"Specify keys and values in UTF-8 without control characters.")
		}
	}
	p.Performance = c.Performance
	return nil
}
