package connector

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// Limits of connectors. All of them are searched in memory.
const (
	MaxConnectors  = 10_000 // of a platform
	MaxNameRunes   = 256    // characters
	MaxDescription = 2048   // bytes
	MaxRegions     = 64
	MaxDefaultTags = 100

	// How often a connector may run (Qualys Connectors, help on polling; fewer than
	// four hours are discouraged there, for AWS throttles).
	MinRunFrequency     = time.Hour
	MaxRunFrequency     = 24 * time.Hour
	DefaultRunFrequency = 4 * time.Hour
)

// Options says which partitions the subscription may list beside the commercial
// one. Managers switch them.
type Options struct {
	GovCloud bool
	China    bool
}

// Allow reports whether the partition may be listed.
func (o Options) Allow(p Partition) bool {
	return p == Commercial || (p == GovCloud && o.GovCloud) || (p == China && o.China)
}

// Subscription is what of the subscription decides on a connector.
type Subscription struct {
	Options      Options
	BaseAccounts []Partition // those that have one
}

// draft is a connector on its way from one state to another. Each rule takes what
// the change says of its elements and judges what comes of it.
type draft struct {
	Connector
	before       Connector // the zero Connector when it is created
	change       qps.AwsAssetDataConnectorChange
	subscription Subscription
}

// rules are applied in this order; the first that is broken is reported.
var rules = []func(*draft) error{
	(*draft).nameAndDescription,
	(*draft).partition,
	(*draft).regions,
	(*draft).authentication,
	(*draft).role,
	(*draft).runFrequency,
	(*draft).modules,
	(*draft).defaultTags,
	(*draft).kept,
}

// changed returns what a change makes of a connector, or what is wrong with it:
// fault.Invalid names the element, its value and what is allowed; fault.Conflict
// what does not let it change now. Whether tags and the authentication record
// exist is for storage to say.
func changed(before Connector, change qps.AwsAssetDataConnectorChange, s Subscription, at time.Time) (Connector, error) {
	d := &draft{Connector: before, before: before, change: change, subscription: s}
	if before.ID == 0 {
		d.Partition, d.RunFrequency, d.Created = Commercial, DefaultRunFrequency, at
	}
	if change.Disabled != nil {
		d.Disabled = *change.Disabled
	}
	for _, rule := range rules {
		if err := rule(d); err != nil {
			return before, err
		}
	}
	d.Modified = at
	d.schedule(at)
	return d.Connector, nil
}

// nameAndDescription: a connector has a name in one line. Names need not be
// unique: the API does not document that they are; connectors are told apart by
// id.
func (d *draft) nameAndDescription() error {
	if d.change.Name != nil {
		d.Name = strings.TrimSpace(*d.change.Name)
	}
	if err := checkName(d.Name); err != nil {
		return err
	}
	if d.change.Description != nil {
		d.Description = *d.change.Description
	}
	return checkDescription(d.Description)
}

// partition: a connector lists one partition. GovCloud and China need the option
// of the subscription (release note, EC2 scanning support for AWS GovCloud), to
// create a connector, to change it and to switch it on. What was listed stays
// true only as long as the partition does.
func (d *draft) partition() error {
	gov, china := d.Partition == GovCloud, d.Partition == China
	set(&gov, d.change.IsGovCloudConfigured)
	set(&china, d.change.IsChinaConfigured)
	switch {
	case gov && china:
		return invalid("isGovCloudConfigured and isChinaConfigured: both would be 'true'.", "A connector lists one of them: set the other to false.")
	case gov:
		d.Partition = GovCloud
	case china:
		d.Partition = China
	default:
		d.Partition = Commercial
	}
	moved := d.Partition != d.before.Partition
	if moved && d.before.State.Active() {
		return fault.New(fault.Conflict, fmt.Sprintf("%s: connector %d has a run, which is %s and lists %s, it cannot change to %s.", d.flag(), d.ID, d.before.State, d.before.Partition.Name(), d.Partition.Name()),
			"Create a connector for the other one.")
	}
	if moved && !d.before.LastSync.IsZero() {
		return fault.New(fault.Conflict, fmt.Sprintf("%s: connector %d has listed instances of %s, it cannot change to %s.", d.flag(), d.ID, d.before.Partition.Name(), d.Partition.Name()),
			"Create a connector for the other one.")
	}
	if !d.subscription.Options.Allow(d.Partition) && (moved || !d.Disabled) {
		return invalid(fmt.Sprintf("%s: value 'true' needs the %s option, which is not enabled for this subscription.", d.flag(), d.Partition.Name()),
			fmt.Sprintf("Let a manager enable it: vedette connectors %s enable.", d.Partition.option()))
	}
	return nil
}

// flag returns the element that says the partition.
func (d *draft) flag() string {
	if d.Partition == China || d.before.Partition == China {
		return "isChinaConfigured"
	}
	return "isGovCloudConfigured"
}

// regions: all regions, which only the commercial partition has (release note),
// or some of the partition. Without any, GovCloud and China get their home region,
// as the release note's answer shows.
func (d *draft) regions() error {
	if d.change.AllRegions != nil {
		d.AllRegions = *d.change.AllRegions
	}
	if d.AllRegions && d.Partition != Commercial {
		return invalid(fmt.Sprintf("allRegions: value 'true' is not allowed with %s 'true'.", d.flag()),
			fmt.Sprintf("Set allRegions to false and name regions of %s in endpoints, such as %s.", d.Partition.Name(), d.Partition.HomeRegion()))
	}
	d.Regions = fleet.KeyList[string](d.change.Endpoints).Applied(d.Regions, equal)
	slices.Sort(d.Regions)
	if len(d.Regions) > MaxRegions {
		return invalid(fmt.Sprintf("endpoints: there would be %d regions.", len(d.Regions)), fmt.Sprintf("Specify at most %d.", MaxRegions))
	}
	for _, region := range d.Regions {
		p, known := PartitionOf(region)
		example := fmt.Sprintf("Specify region codes of %s, such as %s.", d.Partition.Name(), d.Partition.HomeRegion())
		switch {
		case !known:
			return invalid(fmt.Sprintf("endpoints: invalid regionCode '%s'.", echo(region)), example)
		case p != d.Partition:
			return invalid(fmt.Sprintf("endpoints: region '%s' is of %s, and the connector lists %s.", region, p.Name(), d.Partition.Name()), example)
		}
	}
	if len(d.Regions) > 0 || d.AllRegions {
		return nil
	}
	if d.Partition == Commercial {
		return invalid("endpoints: there is no region, and allRegions is 'false'.", "Specify regions in endpoints, or set allRegions to true.")
	}
	d.Regions = []string{d.Partition.HomeRegion()}
	return nil
}

// authentication: a role with an external id or an authentication record, and not
// both. To give one in an update takes the other off; without either, or with half
// of a role, the connector is INCOMPLETE.
func (d *draft) authentication() error {
	role, record := said(d.change.ARN) || said(d.change.ExternalID), d.change.AuthRecordID != nil && *d.change.AuthRecordID != 0
	switch {
	case role && record:
		return invalid(fmt.Sprintf("authRecord: authentication record %d is given together with arn or externalId.", *d.change.AuthRecordID),
			"Specify arn and externalId, or authRecord.")
	case role:
		d.AuthRecordID = 0
	case record:
		d.RoleARN, d.ExternalID = "", ""
	}
	set(&d.RoleARN, trimmed(d.change.ARN))
	set(&d.ExternalID, trimmed(d.change.ExternalID))
	set(&d.AuthRecordID, d.change.AuthRecordID)
	if d.AuthRecordID < 0 {
		return invalid(fmt.Sprintf("authRecord: invalid id '%d'.", d.AuthRecordID), "Search for the authentication records there are.")
	}
	return nil
}

// roleForm is how the ARN of a role is written (AWS IAM User Guide, IAM
// identifiers; IAM API, CreateRole: path and name).
var roleForm = regexp.MustCompile(`^arn:(aws|aws-us-gov|aws-cn):iam::(\d{12}):role(?:/[\x21-\x2e\x30-\x7e]+)*/[\w+=,.@-]{1,64}$`)

// maxARN is how long the ARN of a role may be (AWS STS API, AssumeRole).
const maxARN = 2048

// role: the ARN is that of an IAM role of the partition, whose account is known by
// it; the external id is one AWS takes. No credentials but the customer's own
// can assume roles in China (Qualys Connectors help), so that needs a base account.
func (d *draft) role() error {
	if d.ExternalID != "" && (!externalIDForm.MatchString(d.ExternalID) || len(d.ExternalID) > externalIDLimit) {
		return invalid(fmt.Sprintf("externalId: invalid value '%s'.", echo(d.ExternalID)),
			fmt.Sprintf("Specify 2 to %d letters, digits and characters of _+=,.@:/-", externalIDLimit))
	}
	if d.RoleARN == "" {
		if d.before.RoleARN != "" {
			d.AccountID = "" // the next run tells whose the keys are
		}
		return nil
	}
	form := roleForm.FindStringSubmatch(d.RoleARN)
	if form == nil || len(d.RoleARN) > maxARN {
		return invalid(fmt.Sprintf("arn: invalid value '%s'.", echo(d.RoleARN)), fmt.Sprintf("Specify the ARN of an IAM role, such as arn:%s:iam::123456789012:role/name.", d.Partition))
	}
	if p := Partition(form[1]); p != d.Partition {
		return invalid(fmt.Sprintf("arn: '%s' is of %s, and the connector lists %s.", echo(d.RoleARN), p.Name(), d.Partition.Name()),
			fmt.Sprintf("Specify a role whose ARN begins with arn:%s: or change the connector's partition.", d.Partition))
	}
	d.AccountID = form[2]
	if d.Partition == China && !slices.Contains(d.subscription.BaseAccounts, China) {
		return invalid("arn: a role in China can only be assumed with a base account, and there is none.", "Set the base account of China first, or use an authentication record.")
	}
	return nil
}

// runFrequency is in minutes, from an hour to a day.
func (d *draft) runFrequency() error {
	if d.change.RunFrequency == nil {
		return nil
	}
	minutes := *d.change.RunFrequency
	if minutes < int64(MinRunFrequency/time.Minute) || minutes > int64(MaxRunFrequency/time.Minute) {
		return invalid(fmt.Sprintf("runFrequency: invalid value '%d'.", minutes),
			fmt.Sprintf("Specify %d to %d minutes; without one it is %d.", MinRunFrequency/time.Minute, MaxRunFrequency/time.Minute, DefaultRunFrequency/time.Minute))
	}
	d.RunFrequency = time.Duration(minutes) * time.Minute
	return nil
}

// modules: those of the API. PC and SCA exclude each other, as they do on agents.
func (d *draft) modules() error {
	d.Modules = fleet.KeyList[string](d.change.Activation).Applied(d.Modules, equal)
	slices.Sort(d.Modules)
	for _, module := range d.Modules {
		if !slices.Contains(qps.ActivationModules(), module) {
			return invalid(fmt.Sprintf("activation: invalid ActivationModule '%s'.", echo(module)), "Values expected: "+strings.Join(qps.ActivationModules(), ", ")+".")
		}
	}
	if slices.Contains(d.Modules, qps.ActivationPC) && slices.Contains(d.Modules, qps.ActivationSCA) {
		return invalid("activation: PC and SCA are given together.", "Activate one of them.")
	}
	return nil
}

// defaultTags are given by id or by name.
func (d *draft) defaultTags() error {
	d.DefaultTags = fleet.KeyList[qps.TagSimple](d.change.DefaultTags).Applied(d.DefaultTags, fleet.SameTag)
	if len(d.DefaultTags) > MaxDefaultTags {
		return invalid(fmt.Sprintf("defaultTags: there would be %d tags.", len(d.DefaultTags)), fmt.Sprintf("Specify at most %d.", MaxDefaultTags))
	}
	for _, tag := range d.DefaultTags {
		if tag.ID == 0 && tag.Name == "" {
			return invalid("defaultTags: a TagSimple has neither id nor name.", "Specify the id or the name of each tag.")
		}
	}
	return nil
}

// schedule says where the connector stands after a change: a change of what is
// listed, how, or what is put on it makes it due at once. A run that is at work
// goes on with what it began with.
func (d *draft) schedule(at time.Time) {
	switch {
	case d.Disabled:
		d.State, d.NextSync = DisabledState, time.Time{}
	case !d.Complete():
		d.State, d.NextSync = Incomplete, time.Time{}
	case d.before.State == "" || d.before.State == DisabledState || d.before.State == Incomplete || !d.listsAsBefore():
		d.NextSync = at
		if !d.State.Active() {
			d.State = Pending
		}
	case d.RunFrequency != d.before.RunFrequency && !d.State.Active() && d.State != Pending:
		d.NextSync = latest(at, d.NextSync.Add(d.RunFrequency-d.before.RunFrequency))
	}
}

// listsAsBefore reports whether a run does the same as before the change.
func (d *draft) listsAsBefore() bool {
	b := d.before
	return d.Partition == b.Partition && d.RoleARN == b.RoleARN && d.ExternalID == b.ExternalID && d.AuthRecordID == b.AuthRecordID &&
		d.AllRegions == b.AllRegions && slices.Equal(d.Regions, b.Regions) && slices.Equal(d.Modules, b.Modules) && slices.EqualFunc(d.DefaultTags, b.DefaultTags, fleet.SameTag)
}

func checkName(name string) error {
	if name == "" {
		return invalid("name: the element is missing or empty.", fmt.Sprintf("Specify 1 to %d characters.", MaxNameRunes))
	}
	if utf8.RuneCountInString(name) > MaxNameRunes || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return invalid(fmt.Sprintf("name: invalid value '%s'.", echo(name)),
			fmt.Sprintf("Specify 1 to %d characters without line breaks or other control characters.", MaxNameRunes))
	}
	return nil
}

func checkDescription(text string) error {
	if len(text) > MaxDescription || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return invalid(fmt.Sprintf("description: invalid value of %d bytes.", len(text)),
			fmt.Sprintf("Specify at most %d bytes of UTF-8 without NUL characters.", MaxDescription))
	}
	return nil
}

func invalid(message, resolution string) error { return fault.New(fault.Invalid, message, resolution) }

// echo makes a client's text fit to be repeated in an answer.
func echo(text string) string {
	const most = 100
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return utf8.RuneError
		}
		return r
	}, text)
	if utf8.RuneCountInString(clean) <= most {
		return clean
	}
	return string([]rune(clean)[:most]) + "…"
}

func equal[T comparable](a, b T) bool { return a == b }

func set[T any](target, value *T) {
	if value != nil {
		*target = *value
	}
}

func said(text *string) bool { return text != nil && strings.TrimSpace(*text) != "" }

func trimmed(text *string) *string {
	if text == nil {
		return nil
	}
	return new(strings.TrimSpace(*text))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
