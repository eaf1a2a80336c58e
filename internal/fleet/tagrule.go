package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// RuleType says how a tag comes to be on a host (Qualys Asset Management API,
// object tag).
type RuleType string

// The rule types with a meaning of their own here. The others are stored and
// returned, and put their tag on no host yet.
const (
	RuleStatic       RuleType = "STATIC"
	RuleNameContains RuleType = "NAME_CONTAINS"      // a text or a regular expression in the host's name
	RuleOS           RuleType = "OS_REGEX"           // a regular expression in the operating system
	RuleNetwork      RuleType = "NETWORK_RANGE"      // addresses, a-b ranges and prefixes, separated by commas
	RuleSoftware     RuleType = "INSTALLED_SOFTWARE" // a regular expression in a package's name, or name and version
	RulePorts        RuleType = "OPEN_PORTS"         // ports and a-b ranges, separated by commas
	RuleCloudAsset   RuleType = "CLOUD_ASSET"        // a query on the instance of a cloud; see compileCloud
)

var ruleTypes = []RuleType{
	RuleStatic, "GROOVY", RuleOS, RuleNetwork, "NETWORK_RANGE_ENHANCED", RuleNameContains, RuleSoftware, RulePorts, "VULN_EXIST", "ASSET_SEARCH",
	RuleCloudAsset, "GLOBAL_ASSET_VIEW", "NETWORK_TAG", "NETWORK", "TAGSET", "BUSINESS_INFORMATION", "VULN_DETECTION", "ASSET_INVENTORY",
}

// Evaluated reports whether rules of the type are evaluated.
func (r RuleType) Evaluated() bool {
	switch r {
	case RuleNameContains, RuleOS, RuleNetwork, RuleSoftware, RulePorts, RuleCloudAsset:
		return true
	}
	return false
}

const (
	// maxExpressionBytes and maxInstructions bound a regular expression: matching
	// time is their number times the length of the text, for every host and
	// package.
	maxExpressionBytes = 1024
	maxInstructions    = 2000
	// maxRanges bounds the entries of a list of addresses or ports.
	maxRanges = 1000
)

// HostFacts is what rules look at.
type HostFacts struct {
	Name, OS  string
	Addresses []netip.Addr
	Ports     []int64
	Software  []string       // names, and names with versions (SoftwareTitle)
	Instance  *qps.EC2Source // nil for a host that is none
}

// TagRule is a rule that can be evaluated. It is safe for concurrent use.
type TagRule struct {
	kind      RuleType
	text      string         // of NAME_CONTAINS
	pattern   *regexp.Regexp // may be nil for NAME_CONTAINS
	addresses []addressRange
	ports     []portRange
	instance  query[*qps.EC2Source]
}

type addressRange struct{ first, last netip.Addr }
type portRange struct{ first, last int64 }

// CompileRule returns the rule of a tag, or fault.Invalid with what is wrong with
// its text. A rule of a type that is not evaluated matches no host. Expressions
// are those of RE2, found anywhere in the text, case-sensitive unless they begin
// with (?i).
func CompileRule(kind RuleType, text string) (*TagRule, error) {
	r := &TagRule{kind: kind}
	var err error
	switch kind {
	case RuleNameContains:
		// A text that is no expression is still a text.
		r.text = text
		r.pattern, err = compilePattern(text)
		if _, isSyntax := errors.AsType[*syntax.Error](err); isSyntax {
			err = nil
		}
	case RuleOS, RuleSoftware:
		r.pattern, err = compilePattern(text)
	case RuleNetwork:
		r.addresses, err = parseRanges(text, parseAddressRange)
	case RulePorts:
		r.ports, err = parseRanges(text, parsePortRange)
	case RuleCloudAsset:
		r.instance, err = compileCloud(text)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("ruleText: '%s' is not valid for %s: %s.", echo(text), kind, echo(err.Error())), ruleHelp(kind))
	}
	return r, nil
}

// NoHostRule returns the rule that matches no host.
func NoHostRule() *TagRule { return &TagRule{} }

func ruleHelp(kind RuleType) string {
	switch kind {
	case RuleNetwork:
		return fmt.Sprintf("Specify at most %d addresses, ranges such as 192.0.2.1-192.0.2.9 and prefixes, separated by commas.", maxRanges)
	case RuleCloudAsset:
		return cloudHelp()
	case RulePorts:
		return fmt.Sprintf("Specify at most %d ports from 1 to 65535 and ranges such as 8000-8099, separated by commas.", maxRanges)
	default:
		return fmt.Sprintf("Specify a regular expression of RE2 of at most %d bytes; large repetitions are not allowed.", maxExpressionBytes)
	}
}

// checkRule refuses types that are not known and texts their type cannot have.
func checkRule(kind RuleType, text string) error {
	if !slices.Contains(ruleTypes, kind) {
		names := make([]string, len(ruleTypes))
		for i, t := range ruleTypes {
			names[i] = string(t)
		}
		return fault.New(fault.Invalid, fmt.Sprintf("ruleType: invalid value '%s'.", echo(string(kind))), "Values expected: "+strings.Join(names, ", ")+".")
	}
	if err := checkRuleSize(text); err != nil {
		return err
	}
	switch {
	case kind == RuleStatic && text != "":
		return fault.New(fault.Invalid, "ruleText: a static tag has no rule.", "Send ruleText together with the ruleType it is for.")
	case kind.Evaluated() && strings.TrimSpace(text) == "":
		// An empty expression would match every host.
		return fault.New(fault.Invalid, fmt.Sprintf("ruleText: the value is missing for %s.", kind), ruleHelp(kind))
	}
	_, err := CompileRule(kind, text)
	return err
}

func checkRuleSize(text string) error {
	if len(text) > MaxRuleBytes {
		return fault.New(fault.Invalid, fmt.Sprintf("ruleText: there are %d bytes.", len(text)), fmt.Sprintf("Use at most %d bytes.", MaxRuleBytes))
	}
	return nil
}

func compilePattern(text string) (*regexp.Regexp, error) {
	if len(text) > maxExpressionBytes {
		return nil, fmt.Errorf("it has %d bytes", len(text))
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if steps(parsed) > maxInstructions {
		return nil, fmt.Errorf("it has too many steps when repetitions are written out, at most %d are allowed", maxInstructions)
	}
	return regexp.Compile(text)
}

// steps returns about how many instructions an expression has when it is
// compiled, which a few characters can make millions; above maxInstructions it
// only says that there are more.
func steps(re *syntax.Regexp) int {
	n := max(1, len(re.Rune))
	if re.Op == syntax.OpCharClass {
		n = 1
	}
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(1, re.Min+1, re.Max)
	}
	return min(n, maxInstructions+1)
}

func parseRanges[T any](text string, parse func(first, last string) (T, error)) ([]T, error) {
	var ranges []T
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		if len(ranges) == maxRanges {
			return nil, fmt.Errorf("there are more than %d entries", maxRanges)
		}
		first, last, isRange := strings.Cut(entry, "-")
		if !isRange {
			last = first
		}
		r, err := parse(strings.TrimSpace(first), strings.TrimSpace(last))
		if err != nil {
			return nil, fmt.Errorf("'%s' is no entry", echo(entry))
		}
		ranges = append(ranges, r)
	}
	if len(ranges) == 0 {
		return nil, errors.New("there is no entry")
	}
	return ranges, nil
}

var errNoRange = errors.New("not a range")

func parseAddressRange(first, last string) (addressRange, error) {
	if prefix, err := netip.ParsePrefix(first); err == nil && first == last {
		return prefixRange(prefix.Masked()), nil
	}
	from, err1 := netip.ParseAddr(first)
	to, err2 := netip.ParseAddr(last)
	from, to = from.Unmap(), to.Unmap()
	if err1 != nil || err2 != nil || from.Zone() != "" || to.Zone() != "" || from.BitLen() != to.BitLen() || to.Less(from) {
		return addressRange{}, errNoRange
	}
	return addressRange{from, to}, nil
}

// prefixRange returns the first and the last address of a prefix.
func prefixRange(p netip.Prefix) addressRange {
	last := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	to, _ := netip.AddrFromSlice(last) // as long as the prefix's address
	return addressRange{p.Addr(), to}
}

func parsePortRange(first, last string) (portRange, error) {
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || from == 0 || to < from {
		return portRange{}, errNoRange
	}
	return portRange{int64(from), int64(to)}, nil
}

// Match reports whether the rule puts its tag on a host.
func (r *TagRule) Match(h *HostFacts) bool {
	switch r.kind {
	case RuleNameContains:
		return strings.Contains(h.Name, r.text) || (r.pattern != nil && r.pattern.MatchString(h.Name))
	case RuleOS:
		return r.pattern.MatchString(h.OS)
	case RuleSoftware:
		return slices.ContainsFunc(h.Software, r.pattern.MatchString)
	case RuleNetwork:
		return slices.ContainsFunc(h.Addresses, func(a netip.Addr) bool {
			a = a.Unmap().WithZone("")
			return slices.ContainsFunc(r.addresses, func(in addressRange) bool {
				return a.BitLen() == in.first.BitLen() && !a.Less(in.first) && !in.last.Less(a)
			})
		})
	case RuleCloudAsset:
		return h.Instance != nil && r.instance(h.Instance)
	case RulePorts:
		return slices.ContainsFunc(h.Ports, func(p int64) bool {
			return slices.ContainsFunc(r.ports, func(in portRange) bool { return in.first <= p && p <= in.last })
		})
	}
	return false
}

// storable reports whether both engines can store the text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
