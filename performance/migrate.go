package performance

import "maps"

// MigrateSystem returns the settings of a system profile after an upgrade from
// one catalogue to the next: parameters that are new, or whose recommended value
// for the level has changed, take the new value. Nothing else moves. (Release
// note, "Good to Know".)
func MigrateSystem(settings Settings, level Level, from, to []Parameter) Settings {
	before := byKey(from)
	migrated := copyOf(settings)
	for _, p := range to {
		if old, existed := before[p.Key]; !existed || old.At(level) != p.At(level) {
			migrated[p.Key] = p.At(level)
		}
	}
	return migrated
}

// MigrateCustom returns the settings of a custom profile after an upgrade from
// one catalogue to the next: it gains parameters that are new at their Low
// value. Nothing else moves: a value stays that is outside a new range, a key
// that the profile had left out stays out, and a key that it already carried
// before the catalogue knew it keeps its value. (Release note, "Good to Know".)
func MigrateCustom(settings Settings, from, to []Parameter) Settings {
	before := byKey(from)
	migrated := copyOf(settings)
	for _, p := range to {
		_, existed := before[p.Key]
		_, carried := settings[p.Key]
		if !existed && !carried {
			migrated[p.Key] = p.Low
		}
	}
	return migrated
}

func byKey(parameters []Parameter) map[string]Parameter {
	index := make(map[string]Parameter, len(parameters))
	for _, p := range parameters {
		index[p.Key] = p
	}
	return index
}

// copyOf is maps.Clone with a map to write to for nil.
func copyOf(settings Settings) Settings {
	if settings == nil {
		return Settings{}
	}
	return maps.Clone(settings)
}
