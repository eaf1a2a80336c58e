package main

import (
	"slices"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
)

// chosenTimes is how a user wants to read and write times, by name; an empty one
// says nothing.
type chosenTimes struct {
	Format string `json:"timeFormat,omitempty"` // see automation.ParseTimeFormat
	Zone   string `json:"timeZone,omitempty"`   // of the IANA database
}

// define adds the flags of a choice.
func (c *chosenTimes) define(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.Format, "time-format", "", "`format` of times for people, such as \"DD.MM.YYYY HH:mm\" or \"RFC 3339\" (VEDETTE_TIME_FORMAT)")
	flags.StringVar(&c.Zone, "time-zone", "", "IANA `name` of the time zone to show times in (VEDETTE_TIME_ZONE)")
	formats := make([]string, 0, len(automation.TimeFormats()))
	for _, format := range automation.TimeFormats() {
		formats = append(formats, string(format))
	}
	completeOneOf(cmd, "time-format", formats)
	completeOneOf(cmd, "time-zone", automation.ZoneNames())
}

// times returns how times are read and shown, as the flags say, or else the
// environment or the user's configuration file. What is wrong is named with where
// it stands.
func (a *app) times(flags chosenTimes) (automation.Times, error) {
	cfg, err := a.readConfig()
	if err != nil {
		return automation.Times{}, err
	}
	var times automation.Times
	format, where := firstSet(flags.Format, "--time-format", a.getenv("VEDETTE_TIME_FORMAT"), "VEDETTE_TIME_FORMAT", cfg.Format, "timeFormat in the configuration file")
	if times.Format, err = automation.ParseTimeFormat(format); err != nil {
		return times, usagef("%s: %w", where, err)
	}
	zone, where := firstSet(flags.Zone, "--time-zone", a.getenv("VEDETTE_TIME_ZONE"), "VEDETTE_TIME_ZONE", cfg.Zone, "timeZone in the configuration file")
	if times.Zone, err = automation.LoadZone(zone); err != nil {
		return times, usagef("%s: %w", where, err)
	}
	return times, nil
}

// firstSet returns the first text that is not empty with where it was set; texts
// and places alternate.
func firstSet(textsWithPlaces ...string) (text, where string) {
	for pair := range slices.Chunk(textsWithPlaces, 2) {
		if pair[0] != "" {
			return pair[0], pair[1]
		}
	}
	return "", ""
}
