package performance

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings are the performance keys and values of one profile, as they were
// sent. The methods return what an agent does with them: the value in use, also
// when it lies outside the catalogue's range, and the parameter's Low value when
// the key is missing or the value is nothing an agent could use (no number, or
// an interval, size or limit of zero). The nil map is the Low settings.
type Settings map[string]string

// Setting is one key with its value.
type Setting struct {
	Key, Value string
}

// Recommended returns the settings of a level: every key of the catalogue. The
// caller owns the map.
func Recommended(level Level) Settings {
	settings := Settings{}
	for _, p := range Catalogue() {
		settings[p.Key] = p.At(level)
	}
	return settings
}

// Ordered returns the settings in catalogue order, then the keys the catalogue
// does not have, sorted.
func (s Settings) Ordered() []Setting {
	ordered := make([]Setting, 0, len(s))
	rest := maps.Clone(s)
	for _, p := range Catalogue() {
		if value, ok := s[p.Key]; ok {
			ordered = append(ordered, Setting{p.Key, value})
			delete(rest, p.Key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(rest)) {
		ordered = append(ordered, Setting{key, rest[key]})
	}
	return ordered
}

// StatusInterval is the time between two consolidated status requests.
func (s Settings) StatusInterval() time.Duration { return s.seconds(KeyStatusInterval) }

// DeltaUploadInterval is the time between two attempts to upload changes.
func (s Settings) DeltaUploadInterval() time.Duration { return s.seconds(KeyDeltaUploadInterval) }

// UploadFragmentBytes is the size of an upload fragment in bytes.
func (s Settings) UploadFragmentBytes() int { return s.bytes(KeyUploadFragmentSize) }

// UpgradeRetryInterval is the time between two checks for a new upgrade of an
// agent that may upgrade itself.
func (s Settings) UpgradeRetryInterval() time.Duration { return s.seconds(KeyUpgradeRetryInterval) }

// LoggingLevel is how much the agent logs.
func (s Settings) LoggingLevel() LoggingLevel {
	if level, ok := ParseLoggingLevel(s[KeyLoggingLevel]); ok {
		return level
	}
	return LogVerbose
}

// CPULimitPercent is the cap on a scan in percent of one core. It may be above
// 100 where a profile was stored under another range.
func (s Settings) CPULimitPercent() int { return s.number(KeyCPULimit, 1) }

// ScanThrottle is the pause between two operations of a scan.
func (s Settings) ScanThrottle() time.Duration { return s.milliseconds(KeyScanThrottle) }

// DownloadThrottle is the pause between two download fragments: the setting
// labelled "Network throttle Rx", whose key is THROTTLE_EVENT_COMM_UPLOAD.
func (s Settings) DownloadThrottle() time.Duration { return s.milliseconds(KeyRxThrottle) }

// UploadThrottle is the pause between two upload fragments: the setting labelled
// "Network throttle Tx", whose key is THROTTLE_EVENT_COMM_DOWNLOAD.
func (s Settings) UploadThrottle() time.Duration { return s.milliseconds(KeyTxThrottle) }

// DownloadFragmentBytes is the size of a download fragment in bytes.
func (s Settings) DownloadFragmentBytes() int { return s.bytes(KeyDownloadFragmentSize) }

// DeltaConfirmInterval is the time between two questions of a legacy agent
// whether its changes were processed.
func (s Settings) DeltaConfirmInterval() time.Duration { return s.seconds(KeyDeltaConfirmInterval) }

// ManifestInterval is the time between two questions of a legacy agent for
// manifests.
func (s Settings) ManifestInterval() time.Duration { return s.seconds(KeyManifestInterval) }

// ConfigurationInterval is the time between two questions of a legacy agent for
// its profile.
func (s Settings) ConfigurationInterval() time.Duration { return s.seconds(KeyConfigurationInterval) }

// RevocationInterval is the time between two questions of a legacy agent whether
// it should uninstall itself.
func (s Settings) RevocationInterval() time.Duration { return s.seconds(KeyRevocationInterval) }

// ProvisionInterval is the time between two attempts of a legacy agent to repair
// itself by provisioning again.
func (s Settings) ProvisionInterval() time.Duration { return s.seconds(KeyProvisionInterval) }

// UpgradeCheckInterval is the time between two questions of a legacy agent for a
// new version.
func (s Settings) UpgradeCheckInterval() time.Duration { return s.seconds(KeyUpgradeCheckInterval) }

func (s Settings) seconds(key string) time.Duration {
	return time.Duration(s.number(key, 1)) * time.Second
}

func (s Settings) milliseconds(key string) time.Duration {
	return time.Duration(s.number(key, 0)) * time.Millisecond
}

func (s Settings) bytes(key string) int {
	const kilobyte = 1024
	// Only a 32-bit agent can meet a number of bytes it cannot hold.
	return min(s.number(key, 1), math.MaxInt/kilobyte) * kilobyte
}

// number returns the value of key, or its Low value when there is none of at
// least smallest. Below smallest an agent would spin or stand still.
func (s Settings) number(key string, smallest int) int {
	if n, ok := parseNumber(s[key]); ok && n >= smallest {
		return n
	}
	p, _ := Lookup(key)
	n, _ := parseNumber(p.Low)
	return n
}

// Effective returns the value of a parameter as an agent that follows it takes it,
// and whether it is the settings' own: false for the Low value in place of one that
// is missing or of no use. It is empty for a key the catalogue does not have.
func (s Settings) Effective(key string) (value string, own bool) {
	p, ok := Lookup(key)
	if !ok {
		return "", false
	}
	if p.Values != nil {
		_, own = ParseLoggingLevel(s[key])
		return s.LoggingLevel().String(), own
	}
	smallest := 1
	if p.Unit == Milliseconds {
		smallest = 0
	}
	n, ok := parseNumber(s[key])
	return strconv.Itoa(s.number(key, smallest)), ok && n >= smallest
}

// LoggingLevel is how much an agent logs; a higher level logs less. Its numbers
// are those that clients send instead of a word.
type LoggingLevel int

// The logging levels. That 0 is Verbose is read from a public client that sends
// 0 where the release note recommends Verbose for every profile; the numbers of
// the others follow the order of the release note and are unconfirmed.
const (
	LogVerbose LoggingLevel = iota
	LogInfo
	LogWarn
	LogError
	LogNone
)

// String returns the word of the release note: Verbose, Info, Warn, Error or
// None.
func (l LoggingLevel) String() string {
	switch l {
	case LogInfo:
		return "Info"
	case LogWarn:
		return "Warn"
	case LogError:
		return "Error"
	case LogNone:
		return "None"
	default:
		return "Verbose"
	}
}

// ParseLoggingLevel reads a logging level: a word of the release note, its
// aliases Informational and Warning, in upper or lower case, or a number from 0
// (Verbose) to 4 (None). A profile may hold higher numbers, which have no known
// meaning.
func ParseLoggingLevel(value string) (LoggingLevel, bool) {
	switch strings.ToLower(value) {
	case "verbose", "0":
		return LogVerbose, true
	case "info", "informational", "1":
		return LogInfo, true
	case "warn", "warning", "2":
		return LogWarn, true
	case "error", "3":
		return LogError, true
	case "none", "4":
		return LogNone, true
	}
	return LogVerbose, false
}
