package qps

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// govCloudRequest and govCloudAnswer are those of the 2017 release note, "EC2
// Scanning Support for AWS GovCloud".
const (
	govCloudRequest = `<?xml version="1.0" encoding="UTF-8" ?>
<ServiceRequest>
<data>
<AwsAssetDataConnector>
<name>gov-cloud</name>
<activation>
<set>
<ActivationModule>VM</ActivationModule>
<ActivationModule>PC</ActivationModule>
</set>
</activation>
<isGovCloudConfigured>true</isGovCloudConfigured>
<authRecord>
<id>134601</id>
 </authRecord>
<allRegions>false</allRegions>
<disabled>false</disabled>
</AwsAssetDataConnector>
</data>
</ServiceRequest>`
	govCloudAnswer = `<?xml version="1.0" encoding="UTF-8"?>
<ServiceResponse xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="https://qualysapi.qualys.com/qps/xsd/2.0/am/awsassetdataconnector.xsd">
<responseCode>SUCCESS</responseCode>
<count>1</count>
<data>
<AwsAssetDataConnector>
<id>149008</id>
<name>gov-cloud</name>
<connectorState>PENDING</connectorState>
<type>AWS</type>
<defaultTags>
<list/>
</defaultTags>
<activation>
<list>
<ActivationModule>VM</ActivationModule>
<ActivationModule>PC</ActivationModule>
</list>
</activation>
<disabled>false</disabled>
<isGovCloudConfigured>true</isGovCloudConfigured>
<authRecord/>
<endpoints>
<list>
<AwsEndpointSimple>
<regionCode>us-gov-west-1</regionCode>
</AwsEndpointSimple>
</list>
</endpoints>
<allRegions>false</allRegions>
</AwsAssetDataConnector>
</data>
</ServiceResponse>
`
)

func govCloudConnector() *AwsAssetDataConnector {
	return &AwsAssetDataConnector{
		AssetDataConnector: AssetDataConnector{
			ID: 149008, Name: "gov-cloud", ConnectorState: ConnectorPending, Type: CloudAWS, DefaultTags: []TagSimple{},
			Activation: []string{ActivationVM, ActivationPC}, Disabled: new(false), IsGovCloudConfigured: new(true),
		},
		AuthRecord: &AuthRecordReference{}, Endpoints: []string{"us-gov-west-1"}, AllRegions: new(false),
	}
}

func TestTheGovCloudRequestOfTheReleaseNoteIsRead(t *testing.T) {
	t.Parallel()
	got, err := ParseAwsAssetDataConnectorChange(dataOf(t, govCloudRequest))
	if err != nil {
		t.Fatal(err)
	}
	want := AwsAssetDataConnectorChange{
		AssetDataConnectorChange: AssetDataConnectorChange{
			Name: new("gov-cloud"), Activation: CollectionChange[string]{Set: []string{"VM", "PC"}},
			IsGovCloudConfigured: new(true), Disabled: new(false),
		},
		AuthRecordID: new(int64(134601)), AllRegions: new(false),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTheGovCloudAnswerOfTheReleaseNoteIsWritten compares all but the
// indentation, which the note does not show.
func TestTheGovCloudAnswerOfTheReleaseNoteIsWritten(t *testing.T) {
	t.Parallel()
	resp := NewResult(SchemaAwsAssetDataConnector, govCloudConnector())
	resp.BaseURL = "https://qualysapi.qualys.com"
	got := regexp.MustCompile(`\n +`).ReplaceAllString(string(AppendResponse(nil, XML, resp, nil)), "\n")
	if diff := cmp.Diff(govCloudAnswer, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Record{govCloudConnector()}, decodeResponse(t, XML, []byte(govCloudAnswer)).Records); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// fullConnector has a value in every field.
func fullConnector() *AwsAssetDataConnector {
	return &AwsAssetDataConnector{
		AssetDataConnector: AssetDataConnector{
			ID: 9_000_000_000_001, Name: `acct <a> & "co"`, AWSAccountID: "000111222333", Description: "invented", LastSync: at(1, 0),
			LastError: "xx-east-1: UnauthorizedOperation", ConnectorState: ConnectorFinishedErrors, Type: CloudAWS,
			DefaultTags: []TagSimple{{51077, "Edge"}, {51078, "West"}}, Activation: []string{ActivationVM, ActivationCertView},
			Disabled: new(false), IsGovCloudConfigured: new(false), IsChinaConfigured: new(false), IsDeleted: new(false), RunFrequency: 240,
			NextSync: at(5, 0), IsRemediationEnabled: new(true), IsCPSEnabled: new(true),
			ConnectorAppInfos: []ConnectorAppInfo{
				{Name: AppAssetInventory, Identifier: "arn:aws:iam::000111222333:role/q", TagID: 51077, TagMetadata: &TagMetadata{
					ID: 51077, Name: "Edge", Icon: "tag", Color: "#2A6F97", ForegroundColor: "#000000", BackgroundColor: "#FFFFFF",
				}},
				{Name: AppAssetInventory, Identifier: "arn:aws:iam::000111222333:role/q", TagID: 51078},
				{Name: AppCloudSecurity, Identifier: "arn:aws:iam::000111222333:role/q"},
			},
			CloudviewUUID: "0f7c1c52-0000-4000-8000-00000000f001", ConnectorScanSetting: &ConnectorScanSetting{IsCustomScanConfigEnabled: true},
			ConnectorScanConfig: []ConnectorScanConfiguration{{
				ScanPrefix: "edge", OptionProfileID: 77, Recurrence: "WEEKLY", StartDate: "04/01/2031", StartTime: "06:30",
				DaysOfWeek: []string{"SUN", "WED"}, Timezone: "UTC",
			}},
			IsInstantAssessmentEnabled: new(true), IsAttachedToOrgConnector: new(false), IsWrapperAPI: new(false),
		},
		ARN: "arn:aws:iam::000111222333:role/q", ExternalID: "x-1", QualysAWSAccountID: "000999888777", AuthRecord: &AuthRecordReference{134601},
		Endpoints: []string{"xx-east-1", "xx-west-2"}, AllRegions: new(true), UseForCloudView: new(true),
	}
}

func TestConnectorsMatchTheGoldenFilesAndReadBack(t *testing.T) {
	t.Parallel()
	for name, resp := range map[string]*Response{
		"connector":         NewResult(SchemaAwsAssetDataConnectorV3, fullConnector().InVersion3()),
		"connector-v2":      NewResult(SchemaAwsAssetDataConnector, fullConnector().InVersion2()),
		"connector-gov":     NewResult(SchemaAwsAssetDataConnector, govCloudConnector()),
		"connector-id":      NewResult(SchemaAwsAssetDataConnectorV3, &AwsAssetDataConnector{AssetDataConnector: AssetDataConnector{ID: 149008}}),
		"connector-generic": NewPage(SchemaAssetDataConnector, []Record{fullConnector().AssetDataConnector.InVersion2(), &AssetDataConnector{ID: 7}}, true, 7),
		"connector-empty": NewResult(SchemaAwsAssetDataConnectorV3, &AwsAssetDataConnector{
			AssetDataConnector: AssetDataConnector{
				ID: 7, Activation: []string{}, ConnectorAppInfos: []ConnectorAppInfo{}, ConnectorScanConfig: []ConnectorScanConfiguration{},
			},
			Endpoints: []string{},
		}),
		"connector-errors": NewPage(SchemaAssetDataConnectorErrors, []Record{
			&AssetDataConnectorErrors{ErrorMessage: "us-gov-east-1: <timeout>", Created: at(0, 0).Truncate(24 * time.Hour)},
			&AssetDataConnectorErrors{ErrorMessage: "no day"},
		}, false, 0),
		"authrecord": NewPage(SchemaAwsAuthRecord, []Record{
			&AwsAuthRecord{ID: 134601, Name: "gov & co", Description: "keys", Created: at(1, 0), Modified: at(2, 0)}, &AwsAuthRecord{ID: 134602},
		}, false, 134602),
		"baseaccount": NewResult(SchemaAwsBaseAccount, &AwsBaseAccount{
			ID: 1, GlobalAccountID: "000111222333", GovAccountID: "000111222334", ChinaAccountID: "000111222335", CustomerChinaAccount: true,
		}),
	} {
		for _, form := range forms {
			t.Run(name+"."+form.String(), func(t *testing.T) {
				t.Parallel()
				body := AppendResponse(nil, form, resp, nil)
				golden(t, name+"."+form.String(), body)
				if diff := cmp.Diff(resp.Records, decodeResponse(t, form, body).Records); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestEachVersionOfAConnectorHasItsOwnElements(t *testing.T) {
	t.Parallel()
	full := fullConnector()
	written := func(c *AwsAssetDataConnector) string { return string(AppendResponse(nil, JSON, NewResult("", c), nil)) }
	for _, name := range []string{
		"nextSync", "isRemediationEnabled", "isCPSEnabled", "connectorAppInfos", "cloudviewUuid", "connectorScanSetting", "connectorScanConfig",
		"isInstantAssessmentEnabled", "isAttachedToOrgConnector", "isWrapperAPI",
	} {
		if key := `"` + name + `"`; strings.Contains(written(full.InVersion2()), key) || !strings.Contains(written(full.InVersion3()), key) {
			t.Errorf("%s is in version 2.0, or not in 3.0", name)
		}
	}
	if key := `"useForCloudView"`; !strings.Contains(written(full.InVersion2()), key) || strings.Contains(written(full.InVersion3()), key) {
		t.Error("useForCloudView is not in version 2.0, or in 3.0")
	}
	if diff := cmp.Diff(fullConnector(), full); diff != "" {
		t.Errorf("the connector itself was changed:\n%s", diff)
	}
}

func TestTheFieldsParameterReachesIntoTheListsOfAConnector(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]string{
		"id,defaultTags.*.*.id": `{"id":9000000000001,"defaultTags":{"list":[{"TagSimple":{"id":51077}},{"TagSimple":{"id":51078}}]}}`,
		"activation":            `{"activation":{"list":[{"ActivationModule":"VM"},{"ActivationModule":"CERTVIEW"}]}}`,
		"activation.list.none":  `{"activation":{"list":[]}}`,
		"activation.none":       `{}`,
		"connectorAppInfos.list.ConnectorAppInfoQList.list.ConnectorAppInfo.name": `{"connectorAppInfos":{"list":[` +
			`{"ConnectorAppInfoQList":{"list":[{"ConnectorAppInfo":{"name":"AI"}},{"ConnectorAppInfo":{"name":"AI"}}]}},` +
			`{"ConnectorAppInfoQList":{"list":[{"ConnectorAppInfo":{"name":"CSA"}}]}}]}}`,
		"connectorAppInfos.list.ConnectorAppInfoQList.none": `{"connectorAppInfos":{"list":[]}}`,
		"authRecord.id": `{"authRecord":{"id":134601}}`,
	} {
		t.Run(fields, func(t *testing.T) {
			t.Parallel()
			selected, err := ParseFields(fields)
			if err != nil {
				t.Fatal(err)
			}
			got := string(AppendResponse(nil, JSON, NewResult("", fullConnector()), selected))
			if want := `"data":[{"AwsAssetDataConnector":` + want + `}]`; !strings.Contains(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// connectorFiller fills what has several items or nothing to say in ways that
// mean different things on the wire.
type connectorFiller struct{ hostFiller }

func (f connectorFiller) connector() *AwsAssetDataConnector {
	c := &AwsAssetDataConnector{}
	f.fields(reflect.ValueOf(&c.AssetDataConnector).Elem())
	f.fields(reflect.ValueOf(c).Elem())
	return c
}

func (f connectorFiller) fields(v reflect.Value) {
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		switch target := field.Addr().Interface().(type) {
		case *AssetDataConnector:
		case *[]string:
			*target = f.list(name)
		case *[]ConnectorScanConfiguration:
			if rapid.Bool().Draw(f.t, name) {
				*target = []ConnectorScanConfiguration{}
			}
			for range rapid.IntRange(0, 2).Draw(f.t, name) {
				var scan ConnectorScanConfiguration
				f.fields(reflect.ValueOf(&scan).Elem())
				if len(scan.DaysOfWeek) == 0 {
					scan.DaysOfWeek = nil
				}
				*target = append(*target, scan)
			}
		default:
			f.fill(field, name)
			if field.Kind() == reflect.Slice && field.IsNil() && rapid.Bool().Draw(f.t, name) {
				field.Set(reflect.MakeSlice(field.Type(), 0, 0))
			}
		}
	}
}

func (f connectorFiller) list(name string) []string {
	words := rapid.SliceOfN(cleanText, 0, 3).Draw(f.t, name)
	if len(words) == 0 && rapid.Bool().Draw(f.t, name) {
		return nil
	}
	return words
}

func TestAnyConnectorSurvivesXMLAndJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sent := Record(connectorFiller{hostFiller{t, cleanText}}.connector())
		for _, form := range []Form{XML, JSON} {
			body := AppendResponse(nil, form, NewResult(SchemaAwsAssetDataConnectorV3, sent), nil)
			resp, err := DecodeResponse(strings.NewReader(string(body)), form)
			if err != nil {
				t.Fatalf("%v: %v\n%s", form, err, body)
			}
			if diff := cmp.Diff([]Record{sent}, resp.Records); diff != "" {
				t.Fatalf("%v (-sent +received):\n%s\n%s", form, diff, body)
			}
			sent = resp.Records[0]
		}
	})
}

func TestAnyRecordOfTheConnectorAPISurvivesXMLAndJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := hostFiller{t, cleanText}
		auth, base, wrong := &AwsAuthRecord{}, &AwsBaseAccount{}, &AssetDataConnectorErrors{}
		f.fill(reflect.ValueOf(auth).Elem(), "auth")
		f.fill(reflect.ValueOf(base).Elem(), "base")
		f.fill(reflect.ValueOf(wrong).Elem(), "errors")
		wrong.Created = wrong.Created.Truncate(24 * time.Hour)
		sent := []Record{auth, base, wrong}
		for _, form := range forms {
			body := AppendResponse(nil, form, NewResult("", sent...), nil)
			resp, err := DecodeResponse(strings.NewReader(string(body)), form)
			if err != nil {
				t.Fatalf("%v: %v\n%s", form, err, body)
			}
			if diff := cmp.Diff(sent, resp.Records); diff != "" {
				t.Fatalf("%v (-sent +received):\n%s\n%s", form, diff, body)
			}
		}
	})
}

func TestConnectorsAreReadHoweverAPlatformWritesThem(t *testing.T) {
	t.Parallel()
	body := `{"ServiceResponse":{"responseCode":"SUCCESS","count":2,"data":[{"AwsAssetDataConnector":{"id":"7","disabled":"false","allRegions":true,
		"runFrequency":"240","isCPSEnabled":"","activation":{"list":{"ActivationModule":["VM","PC"]}},"authRecord":{"id":"9"},
		"connectorAppInfos":{"list":[{"ConnectorAppInfoQList":{"set":{"ConnectorAppInfo":{"name":"AI","tagId":"5"}}}},
			{"ConnectorAppInfoQList":{"list":[{"ConnectorAppInfo":{"name":"CI"}}]}}]},
		"endpoints":{"count":1,"list":{"AwsEndpointSimple":{"regionCode":"us-gov-east-1"}}},"defaultTags":{}}},
		{"AssetDataConnector":{"id":8,"connectorState":"RUNNING"}}]}}`
	want := []Record{
		&AwsAssetDataConnector{
			AssetDataConnector: AssetDataConnector{
				ID: 7, Disabled: new(false), RunFrequency: 240, Activation: []string{"VM", "PC"}, DefaultTags: []TagSimple{},
				ConnectorAppInfos: []ConnectorAppInfo{{Name: "AI", TagID: 5}, {Name: "CI"}},
			},
			AuthRecord: &AuthRecordReference{9}, Endpoints: []string{"us-gov-east-1"}, AllRegions: new(true),
		},
		&AssetDataConnector{ID: 8, ConnectorState: ConnectorRunning},
	}
	if diff := cmp.Diff(want, decodeResponse(t, JSON, []byte(body)).Records); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
