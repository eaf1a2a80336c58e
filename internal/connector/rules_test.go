package connector

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// noon is when the tests take place.
var noon = time.Date(2031, 4, 1, 12, 0, 0, 0, time.UTC)

// everything is a subscription without limits.
var everything = Subscription{Options: Options{GovCloud: true, China: true}, BaseAccounts: []Partition{Commercial, GovCloud, China}}

type change = qps.AwsAssetDataConnectorChange

// of completes what a test says of a connector by its common part.
func of(common qps.AssetDataConnectorChange, c change) change {
	c.AssetDataConnectorChange = common
	if c.Name == nil {
		c.Name = new("edge")
	}
	return c
}

func regions(codes ...string) qps.CollectionChange[string] {
	return qps.CollectionChange[string]{Set: codes}
}

func must(t *testing.T, before Connector, c change, s Subscription) Connector {
	t.Helper()
	after, err := changed(before, c, s, noon)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// stored gives a connector that was made its id.
func stored(t *testing.T, c change) Connector {
	t.Helper()
	made := must(t, Connector{}, c, everything)
	made.ID = 7
	return made
}

func commercial() change {
	return of(qps.AssetDataConnectorChange{}, change{ARN: new("arn:aws:iam::012345678901:role/team/reader"), ExternalID: new("x-1"), Endpoints: regions("us-east-1", "eu-west-1")})
}

func gov() change {
	return of(qps.AssetDataConnectorChange{IsGovCloudConfigured: new(true)}, change{AuthRecordID: new(int64(134601))})
}

func TestAConnectorIsMadeOfWhatIsSaid(t *testing.T) {
	t.Parallel()
	got := must(t, Connector{}, commercial(), Subscription{})
	want := Connector{
		Name: "edge", Partition: Commercial, RoleARN: "arn:aws:iam::012345678901:role/team/reader", ExternalID: "x-1", AccountID: "012345678901",
		Regions: []string{"eu-west-1", "us-east-1"}, RunFrequency: 4 * time.Hour, State: Pending, NextSync: noon, Created: noon, Modified: noon,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGovCloudAndChinaGetTheirHomeRegionWhenNoneIsNamed(t *testing.T) {
	t.Parallel()
	// The request of the release note.
	sample := gov()
	sample.Name, sample.AllRegions, sample.Disabled = new("gov-cloud"), new(false), new(false)
	sample.Activation.Set = []string{"VM", "PC"}
	got := must(t, Connector{}, sample, Subscription{Options: Options{GovCloud: true}})
	if diff := cmp.Diff([]string{"us-gov-west-1"}, got.Regions); diff != "" || got.State != Pending || got.Partition != GovCloud {
		t.Errorf("state %s, partition %s, regions (-want +got):\n%s", got.State, got.Partition, diff)
	}
	china := of(qps.AssetDataConnectorChange{IsChinaConfigured: new(true)}, change{AuthRecordID: new(int64(1))})
	if got := must(t, Connector{}, china, everything); got.Partition != China || !cmp.Equal(got.Regions, []string{"cn-north-1"}) {
		t.Errorf("China became %s with %v", got.Partition, got.Regions)
	}
	both := gov()
	both.Endpoints = regions("us-gov-west-1", "us-gov-east-1")
	if got := must(t, Connector{}, both, everything); !cmp.Equal(got.Regions, []string{"us-gov-east-1", "us-gov-west-1"}) {
		t.Errorf("both regions became %v", got.Regions)
	}
}

// refusals are what no connector may become: made so, or changed so.
var refusals = []struct {
	name         string
	before       func() change // nil: it is created
	change       func(c *change)
	subscription Subscription
	message      string
	resolution   string
}{
	{"a GovCloud connector without the option", nil, func(c *change) { *c = gov() }, Subscription{Options: Options{China: true}},
		"isGovCloudConfigured: value 'true' needs the US GovCloud option, which is not enabled for this subscription.", "vedette connectors govcloud enable"},
	{"a China connector without the option", nil, func(c *change) { c.IsChinaConfigured = new(true) }, Subscription{Options: Options{GovCloud: true}},
		"isChinaConfigured: value 'true' needs the China option, which is not enabled for this subscription.", "vedette connectors china enable"},
	{"a connector that becomes GovCloud without the option", commercial, func(c *change) { c.IsGovCloudConfigured = new(true) }, Subscription{},
		"isGovCloudConfigured: value 'true' needs the US GovCloud option", ""},
	{"a change of a GovCloud connector after the option is gone", gov, func(c *change) { c.Description = new("x") }, Subscription{},
		"isGovCloudConfigured: value 'true' needs the US GovCloud option", ""},
	{"both flags", nil, func(c *change) { c.IsGovCloudConfigured, c.IsChinaConfigured = new(true), new(true) }, everything,
		"isGovCloudConfigured and isChinaConfigured: both would be 'true'.", "set the other to false"},
	{"a GovCloud connector that becomes China as well", gov, func(c *change) { c.IsChinaConfigured = new(true) }, everything,
		"isGovCloudConfigured and isChinaConfigured: both would be 'true'.", ""},
	{"GovCloud with all regions", nil, func(c *change) { *c = gov(); c.AllRegions = new(true) }, everything,
		"allRegions: value 'true' is not allowed with isGovCloudConfigured 'true'.", "us-gov-west-1"},
	{"all regions for a GovCloud connector", gov, func(c *change) { c.AllRegions = new(true) }, everything,
		"allRegions: value 'true' is not allowed with isGovCloudConfigured 'true'.", ""},
	{"GovCloud for a connector of all regions", func() change { c := commercial(); c.AllRegions = new(true); return c },
		func(c *change) { c.IsGovCloudConfigured = new(true) }, everything, "allRegions: value 'true' is not allowed with isGovCloudConfigured 'true'.", ""},
	{"China with all regions", nil, func(c *change) { c.IsChinaConfigured, c.AllRegions = new(true), new(true) }, everything,
		"allRegions: value 'true' is not allowed with isChinaConfigured 'true'.", "cn-north-1"},
	{"a commercial region for GovCloud", gov, func(c *change) { c.Endpoints.Add = []string{"us-east-1"} }, everything,
		"endpoints: region 'us-east-1' is of Global, and the connector lists US GovCloud.", "us-gov-west-1"},
	{"a GovCloud region for a commercial connector", commercial, func(c *change) { c.Endpoints.Add = []string{"us-gov-west-1"} }, everything,
		"endpoints: region 'us-gov-west-1' is of US GovCloud, and the connector lists Global.", "us-east-1"},
	{"what is no region", commercial, func(c *change) { c.Endpoints.Add = []string{"us-iso-east-1"} }, everything, "endpoints: invalid regionCode 'us-iso-east-1'.", ""},
	{"no region", nil, func(c *change) { c.Endpoints.Set = nil }, everything, "endpoints: there is no region, and allRegions is 'false'.", "allRegions to true"},
	{"a list of regions that is emptied", commercial, func(c *change) { c.Endpoints.Set = []string{} }, everything, "endpoints: there is no region", ""},
	{"a role of another partition", nil, func(c *change) { c.ARN = new("arn:aws-us-gov:iam::012345678901:role/r") }, everything,
		"arn: 'arn:aws-us-gov:iam::012345678901:role/r' is of US GovCloud, and the connector lists Global.", "arn:aws:"},
	{"a role in China without a base account", nil, func(c *change) {
		c.IsChinaConfigured, c.ARN, c.Endpoints = new(true), new("arn:aws-cn:iam::012345678901:role/r"), qps.CollectionChange[string]{}
	}, Subscription{Options: Options{China: true}, BaseAccounts: []Partition{Commercial}}, "arn: a role in China can only be assumed with a base account, and there is none.", ""},
	{"a user in place of a role", nil, func(c *change) { c.ARN = new("arn:aws:iam::012345678901:user/r") }, everything, "arn: invalid value 'arn:aws:iam::012345678901:user/r'.", ""},
	{"a role of a short account", nil, func(c *change) { c.ARN = new("arn:aws:iam::12345678901:role/r") }, everything, "arn: invalid value", "123456789012"},
	{"a role of a partition we do not know", nil, func(c *change) { c.ARN = new("arn:aws-iso:iam::012345678901:role/r") }, everything, "arn: invalid value", ""},
	{"a short external id", nil, func(c *change) { c.ExternalID = new("x") }, everything, "externalId: invalid value 'x'.", "2 to 1224"},
	{"an external id with a blank", nil, func(c *change) { c.ExternalID = new("a b") }, everything, "externalId: invalid value 'a b'.", ""},
	{"a long external id", nil, func(c *change) { c.ExternalID = new(strings.Repeat("x", 1225)) }, everything, "externalId: invalid value 'xxx", ""},
	{"a role and a record", nil, func(c *change) { c.AuthRecordID = new(int64(5)) }, everything, "authRecord: authentication record 5 is given together with arn or externalId.", ""},
	{"a frequency of less than an hour", nil, func(c *change) { c.RunFrequency = new(int64(59)) }, everything, "runFrequency: invalid value '59'.", "60 to 1440 minutes"},
	{"a frequency of more than a day", nil, func(c *change) { c.RunFrequency = new(int64(1441)) }, everything, "runFrequency: invalid value '1441'.", ""},
	{"an unknown module", nil, func(c *change) { c.Activation.Set = []string{"vm"} }, everything, "activation: invalid ActivationModule 'vm'.", "VM, PC, SCA, CLOUDVIEW, CERTVIEW, CSA"},
	{"PC and SCA", func() change { c := commercial(); c.Activation.Set = []string{"PC"}; return c }, func(c *change) { c.Activation.Add = []string{"SCA"} }, everything,
		"activation: PC and SCA are given together.", ""},
	{"no name", nil, func(c *change) { c.Name = nil }, everything, "name: the element is missing or empty.", "256"},
	{"a name of blanks", commercial, func(c *change) { c.Name = new(" ") }, everything, "name: the element is missing or empty.", ""},
	{"a name of two lines", nil, func(c *change) { c.Name = new("a\nb") }, everything, "name: invalid value 'a\uFFFDb'.", ""},
	{"a long name", nil, func(c *change) { c.Name = new(strings.Repeat("é", 257)) }, everything, "name: invalid value", ""},
	{"a long description", nil, func(c *change) { c.Description = new(strings.Repeat("é", 1025)) }, everything, "description: invalid value of 2050 bytes.", ""},
	{"a tag without id and name", nil, func(c *change) { c.DefaultTags.Add = []qps.TagSimple{{}} }, everything, "defaultTags: a TagSimple has neither id nor name.", ""},
	{"an unknown application", nil, func(c *change) { c.ConnectorAppInfos.Add = []qps.ConnectorAppInfo{{Name: "XX"}} }, everything, "connectorAppInfos: invalid name 'XX'.", "AI, CI, CSA"},
	{"a NUL for others", nil, func(c *change) { c.ConnectorAppInfos.Add = []qps.ConnectorAppInfo{{Name: "AI", Identifier: "\x00"}} }, everything, "connectorAppInfos and connectorScanConfig: a text has a NUL", ""},
	{"very much for others", nil, func(c *change) {
		c.ConnectorAppInfos.Add = []qps.ConnectorAppInfo{{Name: "AI", Identifier: strings.Repeat("x", maxKeptBytes)}}
	}, everything, "connectorAppInfos and connectorScanConfig: they have", ""},
}

func TestWhatAConnectorMayNotBeIsRefusedWithTheElementAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, tc := range refusals {
		before, c := Connector{}, commercial()
		if tc.before != nil {
			before, c = stored(t, tc.before()), change{}
		}
		tc.change(&c)
		after, err := changed(before, c, tc.subscription, noon)
		refused, ok := errors.AsType[*fault.Error](err)
		if !ok || refused.Code != fault.Invalid || !strings.HasPrefix(refused.Message, tc.message) || refused.Resolution == "" || !strings.Contains(refused.Resolution, tc.resolution) {
			t.Errorf("%s: got %v, want %q with %q", tc.name, err, tc.message, tc.resolution)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: the refused change left (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestAPartitionMayChangeOnlyBeforeAnythingWasListed(t *testing.T) {
	t.Parallel()
	to := change{Endpoints: regions("us-gov-east-1"), AuthRecordID: new(int64(3))}
	to.IsGovCloudConfigured = new(true)
	c := stored(t, commercial())
	if moved := must(t, c, to, everything); moved.Partition != GovCloud || moved.AccountID != "" {
		t.Errorf("it became %s of account %q", moved.Partition, moved.AccountID)
	}
	for _, state := range []State{Queued, Running, Processing} {
		c.State = state
		if _, err := changed(c, to, everything, noon); !fault.Is(err, fault.Conflict) {
			t.Errorf("with a run that is %s, got %v", state, err)
		}
	}
	c.State, c.LastSync = Pending, noon
	if _, err := changed(c, to, everything, noon); !fault.Is(err, fault.Conflict) {
		t.Errorf("after it had listed something, got %v", err)
	}
}

func TestOneWayToAuthenticateTakesTheOtherOff(t *testing.T) {
	t.Parallel()
	c := must(t, stored(t, commercial()), change{AuthRecordID: new(int64(3))}, everything)
	if c.AuthRecordID != 3 || c.RoleARN != "" || c.ExternalID != "" || c.AccountID != "" || !c.Complete() {
		t.Errorf("with a record: %+v", c)
	}
	c = must(t, c, change{ARN: new("arn:aws:iam::111122223333:role/r"), ExternalID: new("x-2")}, everything)
	if c.AuthRecordID != 0 || c.RoleARN != "arn:aws:iam::111122223333:role/r" || c.AccountID != "111122223333" {
		t.Errorf("with a role: %+v", c)
	}
}

func TestStatesFollowFromWhatAChangeMakes(t *testing.T) {
	t.Parallel()
	later := noon.Add(3 * time.Hour)
	synced := func(state State) Connector {
		c := stored(t, commercial())
		c.State, c.NextSync, c.LastSync = state, later, noon.Add(-time.Hour)
		return c
	}
	due := change{Endpoints: qps.CollectionChange[string]{Add: []string{"us-west-2"}}}
	disable, enable := change{}, change{}
	disable.Disabled, enable.Disabled = new(true), new(false)
	rename := change{}
	rename.Name = new("other")
	off := must(t, synced(FinishedSuccess), disable, everything)
	slower := change{}
	slower.RunFrequency = new(int64(300))
	faster := change{}
	faster.RunFrequency = new(int64(60))
	for _, tc := range []struct {
		name   string
		before Connector
		change change
		state  State
		next   time.Time
	}{
		{"another name changes nothing", synced(FinishedErrors), rename, FinishedErrors, later},
		{"another region makes it due", synced(FinishedSuccess), due, Pending, noon},
		{"a queued run goes on and another follows", synced(Queued), due, Queued, noon},
		{"a run at work goes on and another follows", synced(Running), due, Running, noon},
		{"disabled", synced(Running), disable, DisabledState, time.Time{}},
		{"enabled again", off, enable, Pending, noon},
		{"without a role", synced(FinishedSuccess), change{ARN: new("")}, Incomplete, time.Time{}},
		{"an hour slower", synced(FinishedSuccess), slower, FinishedSuccess, later.Add(time.Hour)},
		{"so much faster that it is due", synced(FinishedSuccess), faster, FinishedSuccess, noon},
	} {
		if got := must(t, tc.before, tc.change, everything); got.State != tc.state || !got.NextSync.Equal(tc.next) {
			t.Errorf("%s: %s, next %s; want %s, next %s", tc.name, got.State, got.NextSync, tc.state, tc.next)
		}
	}
	halves := of(qps.AssetDataConnectorChange{}, change{ARN: new("arn:aws:iam::012345678901:role/r"), AllRegions: new(true)})
	if got := must(t, Connector{}, halves, everything); got.State != Incomplete {
		t.Errorf("a role without an external id is %s", got.State)
	}
}

func TestADisabledConnectorMayStayAfterItsOptionIsGone(t *testing.T) {
	t.Parallel()
	disabled := gov()
	disabled.Disabled = new(true)
	c := stored(t, disabled)
	rename := change{}
	rename.Name = new("other")
	if got := must(t, c, rename, Subscription{}); got.Name != "other" {
		t.Errorf("it is named %q", got.Name)
	}
	rename.Disabled = new(false)
	if _, err := changed(c, rename, Subscription{}, noon); !fault.Is(err, fault.Invalid) {
		t.Errorf("switching it on gave %v", err)
	}
}

func TestCollectionsAreSetAddedToAndTakenFrom(t *testing.T) {
	t.Parallel()
	c := stored(t, commercial())
	step := change{Endpoints: qps.CollectionChange[string]{Add: []string{"us-west-2", "eu-west-1"}, Remove: []string{"us-east-1"}}}
	step.Activation.Add = []string{"VM", "CERTVIEW", "VM"}
	step.DefaultTags.Add = []qps.TagSimple{{ID: 4}, {ID: 5}, {ID: 4, Name: "again"}}
	step.ConnectorAppInfos.Set = []qps.ConnectorAppInfo{{Name: "AI", TagID: 4}}
	step.UseForCloudView = new(true)
	c = must(t, c, step, everything)
	want := []any{[]string{"eu-west-1", "us-west-2"}, []string{"CERTVIEW", "VM"}, []qps.TagSimple{{ID: 4}, {ID: 5}}, []qps.ConnectorAppInfo{{Name: "AI", TagID: 4}}, true}
	if diff := cmp.Diff(want, []any{c.Regions, c.Modules, c.DefaultTags, c.Kept.AppInfos, *c.Kept.UseForCloudView}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	step = change{}
	step.Activation.Set, step.DefaultTags.Remove = []string{}, []qps.TagSimple{{ID: 5}}
	c = must(t, c, step, everything)
	if len(c.Modules) != 0 || !cmp.Equal(c.DefaultTags, []qps.TagSimple{{ID: 4}}) {
		t.Errorf("modules %v, tags %v", c.Modules, c.DefaultTags)
	}
}
