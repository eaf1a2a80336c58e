package qps

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestConnectorChangesReadTheSameFromBothForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, xml, json string
		want            AwsAssetDataConnectorChange
	}{
		{
			"a role",
			`<name> acct-a </name><defaultTags><set><TagSimple><id>9001</id></TagSimple></set></defaultTags>
				<activation><set><ActivationModule> VM </ActivationModule></set></activation><disabled>false</disabled>
				<arn>arn:aws:iam::111122223333:role/q</arn><externalId>x-1</externalId>
				<endpoints><add><AwsEndpointSimple><regionCode>eu-west-1</regionCode></AwsEndpointSimple></add></endpoints><allRegions>false</allRegions>`,
			`"arn":"arn:aws:iam::111122223333:role/q","externalId":"x-1","name":"acct-a","disabled":"false","allRegions":false,
				"defaultTags":{"set":[{"TagSimple":{"id":"9001"}}]},"activation":{"set":{"ActivationModule":"VM"}},
				"endpoints":{"add":[{"AwsEndpointSimple":{"regionCode":"eu-west-1"}}]}`,
			AwsAssetDataConnectorChange{
				AssetDataConnectorChange: AssetDataConnectorChange{
					Name: new("acct-a"), DefaultTags: CollectionChange[TagSimple]{Set: []TagSimple{{ID: 9001}}},
					Activation: CollectionChange[string]{Set: []string{"VM"}}, Disabled: new(false),
				},
				ARN: new("arn:aws:iam::111122223333:role/q"), ExternalID: new("x-1"),
				Endpoints: CollectionChange[string]{Add: []string{"eu-west-1"}}, AllRegions: new(false),
			},
		},
		{
			"version 3.0",
			`<runFrequency>240</runFrequency><isRemediationEnabled>0</isRemediationEnabled><isCPSEnabled>true</isCPSEnabled><allRegions>true</allRegions>
				<connectorAppInfos><set>
					<ConnectorAppInfoQList><set><ConnectorAppInfo><name>AI</name><identifier>r</identifier><tagId>5</tagId></ConnectorAppInfo></set></ConnectorAppInfoQList>
					<ConnectorAppInfoQList><set><ConnectorAppInfo><name>CI</name><identifier>r</identifier></ConnectorAppInfo></set></ConnectorAppInfoQList>
				</set></connectorAppInfos>
				<connectorScanSetting><isCustomScanConfigEnabled>true</isCustomScanConfigEnabled></connectorScanSetting>
				<connectorScanConfig><set><ConnectorScanConfiguration><daysOfWeek><set><Day>MON</Day><Day>FRI</Day></set></daysOfWeek>
					<optionProfileId>77</optionProfileId><recurrence>WEEKLY</recurrence><scanPrefix>p</scanPrefix><startDate>04/01/2031</startDate>
					<startTime>06:30</startTime><timezone>UTC</timezone></ConnectorScanConfiguration></set></connectorScanConfig>`,
			`"allRegions":"true","runFrequency":"240","isRemediationEnabled":false,"isCPSEnabled":"1",
				"connectorAppInfos":{"set":{"ConnectorAppInfoQList":[{"set":{"ConnectorAppInfo":{"name":"AI","identifier":"r","tagId":5}}},
					{"set":{"ConnectorAppInfo":{"name":"CI","identifier":"r"}}}]}},
				"connectorScanSetting":{"isCustomScanConfigEnabled":"true"},
				"connectorScanConfig":{"set":{"ConnectorScanConfiguration":{"scanPrefix":"p","optionProfileId":"77","recurrence":"WEEKLY",
					"startDate":"04/01/2031","startTime":"06:30","daysOfWeek":{"set":{"Day":["MON","FRI"]}},"timezone":"UTC"}}}`,
			AwsAssetDataConnectorChange{
				AssetDataConnectorChange: AssetDataConnectorChange{
					RunFrequency: new(int64(240)), IsRemediationEnabled: new(false), IsCPSEnabled: new(true),
					ConnectorAppInfos: CollectionChange[ConnectorAppInfo]{Set: []ConnectorAppInfo{
						{Name: "AI", Identifier: "r", TagID: 5}, {Name: "CI", Identifier: "r"},
					}},
					ConnectorScanSetting: &ConnectorScanSetting{IsCustomScanConfigEnabled: true},
					ConnectorScanConfig: CollectionChange[ConnectorScanConfiguration]{Set: []ConnectorScanConfiguration{{
						ScanPrefix: "p", OptionProfileID: 77, Recurrence: "WEEKLY", StartDate: "04/01/2031", StartTime: "06:30",
						DaysOfWeek: []string{"MON", "FRI"}, Timezone: "UTC",
					}}},
				},
				AllRegions: new(true),
			},
		},
		{
			"add, update and remove",
			`<defaultTags><add><Tag><name>Edge</name></Tag></add><remove><TagSimple><id>2</id></TagSimple></remove></defaultTags>
				<activation><update><ActivationModule>PC</ActivationModule></update><add><ActivationModule>VM</ActivationModule></add></activation>
				<endpoints><remove><AwsEndpointSimple><regionCode>us-gov-east-1</regionCode></AwsEndpointSimple></remove></endpoints>`,
			`"defaultTags":{"add":{"Tag":{"name":"Edge"}},"remove":{"TagSimple":[{"id":2}]}},
				"activation":{"add":{"ActivationModule":["VM"]},"update":{"ActivationModule":["PC"]}},
				"endpoints":{"remove":{"AwsEndpointSimple":{"regionCode":"us-gov-east-1"}}}`,
			AwsAssetDataConnectorChange{
				AssetDataConnectorChange: AssetDataConnectorChange{
					DefaultTags: CollectionChange[TagSimple]{Add: []TagSimple{{Name: "Edge"}}, Remove: []TagSimple{{ID: 2}}},
					Activation:  CollectionChange[string]{Add: []string{"VM", "PC"}},
				},
				Endpoints: CollectionChange[string]{Remove: []string{"us-gov-east-1"}},
			},
		},
		{
			"an empty set empties",
			`<defaultTags><set/></defaultTags><activation><list></list></activation><endpoints><set/></endpoints><connectorAppInfos><set/></connectorAppInfos>
				<description/><externalId> </externalId>`,
			`"defaultTags":{"set":{}},"activation":{"set":{"ActivationModule":[]}},"endpoints":{"set":[]},"connectorAppInfos":{"list":[]},
				"description":"","externalId":null`,
			AwsAssetDataConnectorChange{
				AssetDataConnectorChange: AssetDataConnectorChange{
					Description: new(""), DefaultTags: CollectionChange[TagSimple]{Set: []TagSimple{}}, Activation: CollectionChange[string]{Set: []string{}},
					ConnectorAppInfos: CollectionChange[ConnectorAppInfo]{Set: []ConnectorAppInfo{}},
				},
				ExternalID: new(""), Endpoints: CollectionChange[string]{Set: []string{}},
			},
		},
		{
			"other empty elements say nothing",
			`<defaultTags/><activation></activation><disabled/><runFrequency> </runFrequency><authRecord/><allRegions></allRegions>
				<connectorScanSetting/><connectorScanConfig><count>0</count></connectorScanConfig>`,
			`"defaultTags":{},"activation":[],"disabled":"","runFrequency":null,"authRecord":{"id":""},"allRegions":"","connectorScanSetting":{},
				"connectorScanConfig":{"count":0}`,
			AwsAssetDataConnectorChange{},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{
				"<ServiceRequest><data><AwsAssetDataConnector>" + tc.xml + "</AwsAssetDataConnector></data></ServiceRequest>",
				`{"ServiceRequest":{"data":{"AwsAssetDataConnector":{` + tc.json + `}}}}`,
				`{"ServiceRequest":{"data":[{"AwsAssetDataConnector":{` + tc.json + `}}]}}`,
				string(EncodeRequest(XML, &Request{Data: &Node{Name: "data", Children: []*Node{tc.want.Node()}}})),
				string(EncodeRequest(JSON, &Request{Data: &Node{Name: "data", Children: []*Node{tc.want.Node()}}})),
			} {
				got, err := ParseAwsAssetDataConnectorChange(dataOf(t, body))
				if err != nil {
					t.Fatalf("%v\n%s", err, body)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s\n(-want +got):\n%s", body, diff)
				}
			}
		})
	}
}

// TestAConnectorThatWasReadCanBeSentBack is what migration tools do.
func TestAConnectorThatWasReadCanBeSentBack(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		body := string(AppendResponse(nil, form, NewResult("", fullConnector()), nil))
		body = strings.NewReplacer("ServiceResponse", "ServiceRequest", "<responseCode>SUCCESS</responseCode>", "", "<count>1</count>", "",
			`"responseCode":"SUCCESS","count":1,`, "").Replace(body)
		got, err := ParseAwsAssetDataConnectorChange(dataOf(t, body))
		if err != nil {
			t.Fatalf("%v: %v", form, err)
		}
		full := fullConnector()
		for i := range full.ConnectorAppInfos {
			full.ConnectorAppInfos[i].TagMetadata = nil
		}
		want := AwsAssetDataConnectorChange{
			AssetDataConnectorChange: AssetDataConnectorChange{
				ID: &full.ID, Name: &full.Name, Description: &full.Description, DefaultTags: CollectionChange[TagSimple]{Set: full.DefaultTags},
				Activation: CollectionChange[string]{Set: full.Activation}, Disabled: full.Disabled, IsGovCloudConfigured: full.IsGovCloudConfigured,
				IsChinaConfigured: full.IsChinaConfigured, RunFrequency: &full.RunFrequency, IsRemediationEnabled: full.IsRemediationEnabled,
				IsCPSEnabled: full.IsCPSEnabled, ConnectorAppInfos: CollectionChange[ConnectorAppInfo]{Set: full.ConnectorAppInfos},
				ConnectorScanSetting: full.ConnectorScanSetting,
				ConnectorScanConfig:  CollectionChange[ConnectorScanConfiguration]{Set: full.ConnectorScanConfig},
			},
			ARN: &full.ARN, ExternalID: &full.ExternalID, AuthRecordID: &full.AuthRecord.ID, Endpoints: CollectionChange[string]{Set: full.Endpoints},
			AllRegions: full.AllRegions, UseForCloudView: full.UseForCloudView,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", form, diff)
		}
	}
}

// parseAny reads any object of the connector API; what is not one of another
// name is read as an AWS connector.
func parseAny(n *Node) (change interface{ Node() *Node }, err error) {
	if n == nil {
		return ParseAwsAssetDataConnectorChange(n)
	}
	switch n.Name {
	case connectorElement:
		return ParseAssetDataConnectorChange(n)
	case awsAuthRecordElement:
		return ParseAwsAuthRecordChange(n)
	case templateElement:
		return ParseAwsCloudformationTemplate(n)
	}
	return ParseAwsAssetDataConnectorChange(n)
}

func TestWrongConnectorElementsAreNamed(t *testing.T) {
	t.Parallel()
	aws := func(content string) string { return "<AwsAssetDataConnector>" + content + "</AwsAssetDataConnector>" }
	for _, tc := range []struct{ name, data, says string }{
		{"another object", `<Tag/>`, "'Tag'"},
		{"unknown element", aws(`<regions/>`), "'regions'"},
		{"another case of a name", aws(`<allregions>true</allregions>`), "'allregions'"},
		{"element given twice", aws(`<name>x</name><name>y</name>`), "'name' is given more than once"},
		{"text for an object", aws(`all`), "unexpected text 'all'"},
		{"an element of AWS in the generic connector", `<AssetDataConnector><arn>x</arn></AssetDataConnector>`, "'arn'"},
		{"flag that is none", aws(`<isGovCloudConfigured>yes</isGovCloudConfigured>`), "'yes' for 'isGovCloudConfigured'"},
		{"frequency that is no number", aws(`<runFrequency>4h</runFrequency>`), "'4h' for 'runFrequency'"},
		{"name with elements", aws(`<name><b>x</b></name>`), "'name'"},
		{"reference that is no element", aws(`<authRecord>134601</authRecord>`), "unexpected text '134601'"},
		{"reference by another name", aws(`<authRecord><name>x</name></authRecord>`), "'name'"},
		{"reference that is no number", aws(`<authRecord><id>x1</id></authRecord>`), "'x1' for 'id'"},
		{"setting by another name", aws(`<connectorScanSetting><custom>true</custom></connectorScanSetting>`), "'custom'"},
		{"modules without set", aws(`<activation><ActivationModule>VM</ActivationModule></activation>`), "'ActivationModule'"},
		{"modules as text", aws(`<activation>VM</activation>`), "'VM' for 'activation'"},
		{"modules as text of set", aws(`<activation><set>VM</set></activation>`), "unexpected text 'VM'"},
		{"module without a word", aws(`<activation><set><ActivationModule/></set></activation>`), "has no value"},
		{"set and add", aws(`<activation><set/><add><ActivationModule>VM</ActivationModule></add></activation>`), "set is given together"},
		{"set and update", aws(`<activation><set/><update><ActivationModule>VM</ActivationModule></update></activation>`), "set is given together"},
		{"wrong item of update", aws(`<endpoints><update><Region/></update></endpoints>`), "'Region'"},
		{"set and list", aws(`<endpoints><set/><list/></endpoints>`), "list and set"},
		{"endpoint without a region", aws(`<endpoints><add><AwsEndpointSimple/></add></endpoints>`), "no regionCode"},
		{"endpoint with a name", aws(`<endpoints><add><AwsEndpointSimple><name>x</name></AwsEndpointSimple></add></endpoints>`), "'name'"},
		{"tag without id and name", aws(`<defaultTags><add><TagSimple/></add></defaultTags>`), "defaultTags: a Tag has neither"},
		{"tag of id 0", aws(`<defaultTags><add><TagSimple><id>0</id></TagSimple></add></defaultTags>`), "'0' for the id"},
		{"application outside of a list", aws(`<connectorAppInfos><set><ConnectorAppInfo/></set></connectorAppInfos>`), "'ConnectorAppInfo'"},
		{"application without a name", aws(`<connectorAppInfos><set><ConnectorAppInfoQList><set><ConnectorAppInfo/></set></ConnectorAppInfoQList></set></connectorAppInfos>`), "has no name"},
		{"remove inside of an application", aws(`<connectorAppInfos><add><ConnectorAppInfoQList><remove/></ConnectorAppInfoQList></add></connectorAppInfos>`), "remove is given inside"},
		{"unknown element of a scan", aws(`<connectorScanConfig><set><ConnectorScanConfiguration><hour>1</hour></ConnectorScanConfiguration></set></connectorScanConfig>`), "'hour'"},
		{"days as text", aws(`<connectorScanConfig><set><ConnectorScanConfiguration><daysOfWeek>MON</daysOfWeek></ConnectorScanConfiguration></set></connectorScanConfig>`), "'MON' for 'daysOfWeek'"},
		{"days to remove", aws(`<connectorScanConfig><set><ConnectorScanConfiguration><daysOfWeek><remove/></daysOfWeek></ConnectorScanConfiguration></set></connectorScanConfig>`), "remove is given"},
		{"the first of two mistakes", aws(`<runFrequency>4h</runFrequency><authRecord>x</authRecord>`), "'4h'"},
		{"unknown element of access keys", `<AwsAuthRecord><secretAccessKey>x</secretAccessKey></AwsAuthRecord>`, "'secretAccessKey'"},
		{"unknown element of a template", `<AwsCloudformationTemplate><region>x</region></AwsCloudformationTemplate>`, "'region'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseAny(dataOf(t, "<ServiceRequest><data>"+tc.data+"</data></ServiceRequest>"))
			refused, ok := errors.AsType[*RequestError](err)
			if !ok || refused.Code != CodeInvalidRequest || refused.Resolution == "" || !strings.Contains(refused.Message, tc.says) {
				t.Errorf("got %v, want INVALID_REQUEST with %q", err, tc.says)
			}
		})
	}
	if _, err := parseAny(nil); err == nil {
		t.Error("no element at all is accepted")
	}
}

// changes draws a collection change that the API can say: set alone, or add and
// remove.
func changes[T any](t *rapid.T, name string, item *rapid.Generator[T]) CollectionChange[T] {
	items := rapid.SliceOfN(item, 0, 3)
	switch rapid.IntRange(0, 2).Draw(t, name) {
	case 0:
		return CollectionChange[T]{Set: items.Draw(t, name)}
	case 1:
		return CollectionChange[T]{Add: items.Draw(t, name), Remove: items.Draw(t, name)}
	}
	return CollectionChange[T]{}
}

func perhaps[T any](t *rapid.T, name string, value *rapid.Generator[T]) *T {
	return rapid.Ptr(value, true).Draw(t, name)
}

func TestChangesOfConnectorsArriveAsTheyWereSent(t *testing.T) {
	t.Parallel()
	word := rapid.Map(cleanText, func(s string) string { return "<" + strings.TrimSpace(s) + ">" })
	text := rapid.OneOf(rapid.Just(""), word)
	flag, number := rapid.Bool(), rapid.Int64()
	tag := rapid.OneOf(rapid.Map(rapid.Int64Range(1, 1<<62), func(id int64) TagSimple { return TagSimple{ID: id} }),
		rapid.Map(word, func(name string) TagSimple { return TagSimple{Name: name} }))
	app := rapid.Custom(func(t *rapid.T) ConnectorAppInfo {
		return ConnectorAppInfo{Name: rapid.SampledFrom(ConnectorApps()).Draw(t, "app"), Identifier: text.Draw(t, "identifier"), TagID: number.Draw(t, "tag")}
	})
	scan := rapid.Custom(func(t *rapid.T) ConnectorScanConfiguration {
		days := rapid.SliceOfN(word, 0, 2).Draw(t, "days")
		if len(days) == 0 {
			days = nil
		}
		return ConnectorScanConfiguration{
			ScanPrefix: text.Draw(t, "prefix"), OptionProfileID: number.Draw(t, "profile"), Recurrence: text.Draw(t, "recurrence"),
			StartDate: text.Draw(t, "date"), StartTime: text.Draw(t, "time"), DaysOfWeek: days, Timezone: text.Draw(t, "zone"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		sent := AwsAssetDataConnectorChange{
			AssetDataConnectorChange: AssetDataConnectorChange{
				ID: perhaps(t, "id", number), Name: perhaps(t, "name", text), Description: perhaps(t, "description", text),
				DefaultTags: changes(t, "tags", tag), Activation: changes(t, "modules", word), Disabled: perhaps(t, "disabled", flag),
				IsGovCloudConfigured: perhaps(t, "gov", flag), IsChinaConfigured: perhaps(t, "china", flag), RunFrequency: perhaps(t, "frequency", number),
				IsRemediationEnabled: perhaps(t, "remediation", flag), IsCPSEnabled: perhaps(t, "cps", flag), ConnectorAppInfos: changes(t, "apps", app),
				ConnectorScanConfig: changes(t, "scans", scan),
			},
			ARN: perhaps(t, "arn", text), ExternalID: perhaps(t, "external", text), AuthRecordID: perhaps(t, "auth", number),
			Endpoints: changes(t, "endpoints", word), AllRegions: perhaps(t, "all", flag), UseForCloudView: perhaps(t, "cloudview", flag),
		}
		if custom := perhaps(t, "custom", flag); custom != nil {
			sent.ConnectorScanSetting = &ConnectorScanSetting{*custom}
		}
		mustArrive(t, sent)
		mustArrive(t, sent.AssetDataConnectorChange)
	})
}

// mustArrive sends a change in both forms.
func mustArrive(t interface{ Fatalf(string, ...any) }, sent interface{ Node() *Node }) {
	for _, form := range forms {
		body := EncodeRequest(form, &Request{Data: &Node{Name: "data", Children: []*Node{sent.Node()}}})
		req, err := DecodeRequest(strings.NewReader(string(body)), form.ContentType())
		if err != nil {
			t.Fatalf("%v: %v\n%s", form, err, body)
		}
		got, err := parseAny(req.Data.Children[0])
		if err != nil {
			t.Fatalf("%v: %v\n%s", form, err, body)
		}
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Fatalf("%v (-sent +received):\n%s\n%s", form, diff, body)
		}
	}
}

// FuzzConnectorChange sends what could be read once more: it must be read alike.
func FuzzConnectorChange(f *testing.F) {
	f.Add(govCloudRequest)
	f.Add(`{"ServiceRequest":{"data":[{"AwsAssetDataConnector":{"endpoints":{"add":{"AwsEndpointSimple":[{"regionCode":"a\r"}]},"count":1},"runFrequency":"240"}}]}}`)
	f.Add(`{"ServiceRequest":{"data":{"AwsAssetDataConnector":{"connectorAppInfos":{"set":{"ConnectorAppInfoQList":[{"set":{"ConnectorAppInfo":{"name":"AI"}}}]}}}}}}`)
	f.Add(`<ServiceRequest><data><AssetDataConnector><connectorScanConfig><update><ConnectorScanConfiguration><daysOfWeek><set><Day>MON</Day></set></daysOfWeek></ConnectorScanConfiguration></update></connectorScanConfig></AssetDataConnector></data></ServiceRequest>`)
	f.Add(`<ServiceRequest><data><AwsAuthRecord><name/><accessKeyId> A </accessKeyId><secretKey>s</secretKey></AwsAuthRecord></data></ServiceRequest>`)
	f.Add(`<ServiceRequest><data><AwsCloudformationTemplate><externalId>x</externalId></AwsCloudformationTemplate></data></ServiceRequest>`)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := DecodeRequest(strings.NewReader(body), "")
		if err != nil || req.Data == nil || len(req.Data.Children) == 0 {
			return
		}
		change, err := parseAny(req.Data.Children[0])
		if err != nil {
			if refused, ok := errors.AsType[*RequestError](err); !ok || refused.Message == "" || refused.Resolution == "" {
				t.Fatalf("%v is no complete RequestError", err)
			}
			return
		}
		mustArrive(t, change)
	})
}
