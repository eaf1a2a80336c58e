package qpsapi_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/connector/connectortest"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// ownAccount is what the platform's own credentials open in every partition but
// China.
type ownAccount struct{}

func (ownAccount) OwnAccount(_ context.Context, p connector.Partition) string {
	if p == connector.China {
		return ""
	}
	return "000011112222"
}

const secretOfTests = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// cloudPlatform is a platform with the option of GovCloud and: authentication
// record 149001; connectors 149002 of two regions by a role, 149003 of GovCloud by
// the record, 149004, which is disabled, and 149005 with all that 3.0 keeps; runs
// of 149002 and 149003 that went wrong.
func cloudPlatform(t testing.TB) (*platform, *connectortest.Memory) {
	t.Helper()
	m := &connectortest.Memory{Tags: []qps.TagSimple{{ID: 51001, Name: "Cloud Agent"}, {ID: 51002, Name: "Edge & more"}}, Allow: connector.Options{GovCloud: true}}
	d := m.NewDirectory(tagged)
	everything := fleet.Scope{All: true}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.CreateAuthRecord(t.Context(), everything, qps.AwsAuthRecordChange{
		Name: new("legacy"), Description: new("of <2029>"), AccessKeyID: new("AKIAIOSFODNN7EXAMPLE"), SecretKey: new(secretOfTests),
	}))
	change := func(name string, with func(*qps.AwsAssetDataConnectorChange)) {
		t.Helper()
		c := qps.AwsAssetDataConnectorChange{AssetDataConnectorChange: qps.AssetDataConnectorChange{Name: &name}}
		with(&c)
		must(d.Create(t.Context(), everything, c))
	}
	role := func(c *qps.AwsAssetDataConnectorChange, name string) {
		c.ARN, c.ExternalID = new("arn:aws:iam::012345678901:role/"+name), new("x-"+name)
	}
	change("production", func(c *qps.AwsAssetDataConnectorChange) {
		role(c, "production")
		c.Description, c.RunFrequency = new("the <first>"), new(int64(60))
		c.DefaultTags.Set = []qps.TagSimple{{ID: 51002}}
		c.Activation.Set = []string{"PC", "VM"}
		c.Endpoints.Set = []string{"us-east-1", "eu-west-1"}
	})
	change("government", func(c *qps.AwsAssetDataConnectorChange) {
		c.IsGovCloudConfigured, c.AuthRecordID = new(true), new(int64(149001))
		c.Endpoints.Set = []string{"us-gov-east-1", "us-gov-west-1"}
	})
	change("retired", func(c *qps.AwsAssetDataConnectorChange) {
		role(c, "retired")
		c.AllRegions, c.Disabled = new(true), new(true)
	})
	change("inventory", func(c *qps.AwsAssetDataConnectorChange) {
		role(c, "inventory")
		c.AllRegions, c.IsCPSEnabled, c.IsRemediationEnabled, c.UseForCloudView = new(true), new(true), new(false), new(true)
		c.ConnectorAppInfos.Set = []qps.ConnectorAppInfo{{Name: "AI", Identifier: *c.ARN, TagID: 51002}, {Name: "CI", Identifier: *c.ARN}}
		c.ConnectorScanSetting = &qps.ConnectorScanSetting{IsCustomScanConfigEnabled: true}
		c.ConnectorScanConfig.Set = []qps.ConnectorScanConfiguration{{ScanPrefix: "edge", OptionProfileID: 7, Recurrence: "WEEKLY", StartDate: "04/01/2031", StartTime: "06:00", DaysOfWeek: []string{"MON"}, Timezone: "UTC"}}
	})
	day := time.Date(2031, 4, 1, 23, 30, 0, 0, time.UTC)
	m.Runs = []connector.Run{
		{ID: 12, ConnectorID: 149002, Started: day, Ended: day, State: connector.FinishedErrors, Error: "2 of 2 regions failed", Regions: []connector.RegionResult{
			{Region: "eu-west-1", Error: "ec2:DescribeInstances in eu-west-1: UnauthorizedOperation: <no>"}, {Region: "us-east-1", Complete: true},
		}},
		{ID: 11, ConnectorID: 149003, Started: day, Ended: day.AddDate(0, 0, -1), State: connector.Failed, Error: "sts:AssumeRole: AccessDenied"},
	}
	p := newPlatform(func(c *qpsapi.Config) { c.Connectors, c.OwnAccounts = d, ownAccount{} })
	return p, m
}

func awsXML(elements string) string {
	return "<ServiceRequest><data><AwsAssetDataConnector>" + elements + "</AwsAssetDataConnector></data></ServiceRequest>"
}

func awsJSON(members string) string {
	return `{"ServiceRequest":{"data":{"AwsAssetDataConnector":{` + members + `}}}}`
}

const (
	govXML = `<name>gov-cloud</name><activation><set><ActivationModule>VM</ActivationModule><ActivationModule>PC</ActivationModule></set></activation>` +
		`<isGovCloudConfigured>true</isGovCloudConfigured><authRecord><id>149001</id></authRecord><allRegions>false</allRegions><disabled>false</disabled>`
	govJSON = `"name":"gov-cloud","activation":{"set":{"ActivationModule":["VM","PC"]}},"isGovCloudConfigured":"true","authRecord":{"id":149001},"allRegions":"false","disabled":false`

	roleXML = `<name>acct-a</name><defaultTags><set><TagSimple><id>51002</id></TagSimple></set></defaultTags><arn>arn:aws:iam::111122223333:role/q</arn><externalId>x-1</externalId>` +
		`<endpoints><add><AwsEndpointSimple><regionCode>eu-west-1</regionCode></AwsEndpointSimple></add></endpoints><allRegions>false</allRegions>`
	roleJSON = `"name":"acct-a","defaultTags":{"set":{"TagSimple":[{"id":51002}]}},"arn":"arn:aws:iam::111122223333:role/q","externalId":"x-1",` +
		`"endpoints":{"add":{"AwsEndpointSimple":[{"regionCode":"eu-west-1"}]}},"allRegions":false`

	keysXML  = `<ServiceRequest><data><AwsAuthRecord><name>rotated</name><accessKeyId>AKIAI44QH8DHBEXAMPLE</accessKeyId><secretKey>` + secretOfTests + `</secretKey></AwsAuthRecord></data></ServiceRequest>`
	keysJSON = `{"ServiceRequest":{"data":{"AwsAuthRecord":{"name":"rotated","accessKeyId":"AKIAI44QH8DHBEXAMPLE","secretKey":"` + secretOfTests + `"}}}}`
)

// TestConnectorCallsAnswerAlikeInEveryForm sends each call as XML and as JSON, at
// the path with /am/ and the one without, and asks for both forms: one golden
// answer for each form asked for, of which none shows a key.
func TestConnectorCallsAnswerAlikeInEveryForm(t *testing.T) {
	t.Parallel()
	const bulk, bulkJSON = `<ServiceRequest><filters><Criteria field="id" operator="IN">149002,149004</Criteria></filters>`, `{"ServiceRequest":{"filters":{"Criteria":[{"field":"id","operator":"IN","value":"149002,149004"}]}`
	for _, tc := range []struct {
		name, method, path string // path: version, verb, object, rest
		xml, json          string
	}{
		{"connector create of the release note", "POST", "2.0 create awsassetdataconnector ", awsXML(govXML), awsJSON(govJSON)},
		{"connector create by a role", "POST", "2.0 create awsassetdataconnector /", awsXML(roleXML), awsJSON(roleJSON)},
		{"connector create in 3.0", "POST", "3.0 create awsassetdataconnector ", awsXML(govXML), awsJSON(govJSON)},
		{"connector create of all regions of GovCloud", "POST", "2.0 create awsassetdataconnector ", awsXML(strings.ReplaceAll(govXML, "<allRegions>false", "<allRegions>true")), awsJSON(strings.ReplaceAll(govJSON, `"allRegions":"false"`, `"allRegions":true`))},
		{"connector create of China without the option", "POST", "3.0 create awsassetdataconnector ", awsXML("<name>c</name><isChinaConfigured>true</isChinaConfigured>"), awsJSON(`"name":"c","isChinaConfigured":true`)},
		{"connector create without an object", "POST", "2.0 create awsassetdataconnector ", "<ServiceRequest/>", `{"ServiceRequest":{}}`},
		{"connector create with an unknown element", "POST", "2.0 create awsassetdataconnector ", awsXML("<name>c</name><colour>red</colour>"), awsJSON(`"name":"c","colour":"red"`)},
		{"connector get", "GET", "2.0 get awsassetdataconnector /149002", "", ""},
		{"connector get in 3.0", "POST", "3.0 get awsassetdataconnector /149005/", "<ServiceRequest/>", "149005"},
		{"connector get of GovCloud", "GET", "2.0 get awsassetdataconnector /149003", "", ""},
		{"connector get unknown", "GET", "2.0 get awsassetdataconnector /1", "", ""},
		{"connector get in another version", "GET", "1.0 get awsassetdataconnector /149002", "", ""},
		{"connector search", "POST", "2.0 search awsassetdataconnector /", criteria("awsAccountId", "EQUALS", "012345678901"), jsonCriteria("awsAccountId", "EQUALS", "012345678901")},
		{"connector search page", "POST", "3.0 search awsassetdataconnector ?fields=id,defaultTags.*.*.id", preference("limitResults", "2"), `{"ServiceRequest":{"preferences":{"limitResults":2}}}`},
		{"connector search last page", "POST", "3.0 search awsassetdataconnector ?fields=id,name", preference("startFromId", "149004"), `{"ServiceRequest":{"preferences":{"startFromId":149004}}}`},
		{"connector search unknown criterion", "POST", "2.0 search awsassetdataconnector ", criteria("cloudviewUuid", "EQUALS", "1"), jsonCriteria("cloudviewUuid", "EQUALS", "1")},
		{"connector search no match", "POST", "2.0 search awsassetdataconnector ", criteria("connectorState", "EQUALS", "SUCCESS"), jsonCriteria("connectorState", "EQUALS", "SUCCESS")},
		{"connector count all", "GET", "2.0 count awsassetdataconnector ", "", ""},
		{"connector count", "POST", "3.0 count awsassetdataconnector ", criteria("connectorState", "IN", "PENDING,DISABLED"), jsonCriteria("connectorState", "IN", "PENDING,DISABLED")},
		{"connector update", "POST", "2.0 update awsassetdataconnector /149002", awsXML("<name>renamed</name>"), awsJSON(`"name":"renamed"`)},
		{"connector update with PUT", "PUT", "3.0 update awsassetdataconnector /149002", awsXML("<runFrequency>240</runFrequency>"), awsJSON(`"runFrequency":"240"`)},
		{"connector update by id in the body", "PUT", "3.0 update awsassetdataconnector ", awsXML("<id>149002</id><name>renamed</name>"), awsJSON(`"id":149002,"name":"renamed"`)},
		{"connector update of another id", "POST", "3.0 update awsassetdataconnector /149003", awsXML("<id>149002</id><name>renamed</name>"), awsJSON(`"id":149002,"name":"renamed"`)},
		{"connector update bulk", "POST", "3.0 update awsassetdataconnector ", bulk + `<data><AwsAssetDataConnector><disabled>true</disabled></AwsAssetDataConnector></data></ServiceRequest>`, bulkJSON + `,"data":{"AwsAssetDataConnector":{"disabled":"true"}}}}`},
		{"connector update without a criterion", "POST", "3.0 update awsassetdataconnector ", awsXML("<disabled>true</disabled>"), awsJSON(`"disabled":true`)},
		{"connector update that leads GovCloud to all regions", "POST", "2.0 update awsassetdataconnector /149003", awsXML("<allRegions>true</allRegions>"), awsJSON(`"allRegions":true`)},
		{"connector delete", "POST", "2.0 delete awsassetdataconnector /149002", "<ServiceRequest/>", "149002"},
		{"connector delete with DELETE", "DELETE", "3.0 delete awsassetdataconnector /149002", "", ""},
		{"connector delete bulk", "DELETE", "3.0 delete awsassetdataconnector ", bulk + "</ServiceRequest>", bulkJSON + "}}"},
		{"connector delete all but", "POST", "2.0 delete awsassetdataconnector ", criteria("name", "NOT EQUALS", "x"), jsonCriteria("name", "NOT EQUALS", "x")},
		{"connector delete without a criterion", "POST", "2.0 delete awsassetdataconnector ", "", ""},
		{"connector run", "POST", "2.0 run awsassetdataconnector /149002", "", ""},
		{"connector run bulk", "POST", "3.0 run awsassetdataconnector ", bulk + "</ServiceRequest>", bulkJSON + "}}"},
		{"connector run of a disabled one", "POST", "3.0 run awsassetdataconnector /149004", "", ""},
		{"connector run without a criterion", "POST", "2.0 run awsassetdataconnector ", "", ""},

		{"any connector get", "GET", "2.0 get assetdataconnector /149005", "", ""},
		{"any connector search", "POST", "2.0 search assetdataconnector ", criteria("type", "EQUALS", "AWS"), jsonCriteria("type", "EQUALS", "AWS")},
		{"any connector count", "GET", "2.0 count assetdataconnector ", "", ""},
		{"any connector update", "POST", "2.0 update assetdataconnector /149005", "<ServiceRequest><data><AssetDataConnector><disabled>true</disabled></AssetDataConnector></data></ServiceRequest>", `{"ServiceRequest":{"data":{"AssetDataConnector":{"disabled":true}}}}`},
		{"any connector delete", "POST", "2.0 delete assetdataconnector /149005", "", ""},
		{"any connector run answers with that of the cloud", "POST", "2.0 run assetdataconnector /149005", "", ""},

		{"auth record create", "POST", "2.0 create awsauthrecord ", keysXML, keysJSON},
		{"auth record create without keys", "POST", "3.0 create awsauthrecord ", "<ServiceRequest><data><AwsAuthRecord><name>n</name></AwsAuthRecord></data></ServiceRequest>", `{"ServiceRequest":{"data":{"AwsAuthRecord":{"name":"n"}}}}`},
		{"auth record get", "GET", "2.0 get awsauthrecord /149001", "", ""},
		{"auth record get unknown", "GET", "2.0 get awsauthrecord /1", "", ""},
		{"auth record search", "POST", "3.0 search awsauthrecord ?fields=id,name", criteria("name", "CONTAINS", "leg"), jsonCriteria("name", "CONTAINS", "leg")},
		{"auth record search by key", "POST", "2.0 search awsauthrecord ", criteria("accessKeyId", "EQUALS", "AKIAIOSFODNN7EXAMPLE"), jsonCriteria("accessKeyId", "EQUALS", "AKIAIOSFODNN7EXAMPLE")},
		{"auth record count", "POST", "2.0 count awsauthrecord ", "", ""},
		{"auth record update", "POST", "2.0 update awsauthrecord /149001", keysXML, keysJSON},
		{"auth record update bulk", "PUT", "2.0 update awsauthrecord ", strings.Replace(keysXML, "<data>", `<filters><Criteria field="name" operator="EQUALS">legacy</Criteria></filters><data>`, 1), strings.Replace(keysJSON, `"data"`, `"filters":{"Criteria":{"field":"name","operator":"EQUALS","value":"legacy"}},"data"`, 1)},
		{"auth record delete that is used", "POST", "2.0 delete awsauthrecord /149001", "", ""},
		{"auth record delete no match", "DELETE", "2.0 delete awsauthrecord ", criteria("name", "EQUALS", "none"), jsonCriteria("name", "EQUALS", "none")},

		{"connector errors", "POST", "3.0 search assetdataconnectorerrors ", "", ""},
		{"connector errors of one", "POST", "3.0 search assetdataconnectorerrors ", criteria("id", "EQUALS", "149003"), jsonCriteria("id", "EQUALS", "149003")},
		{"connector errors page", "POST", "3.0 search assetdataconnectorerrors ", preference("limitResults", "1"), `{"ServiceRequest":{"preferences":{"limitResults":1}}}`},
		{"connector errors in 2.0", "POST", "2.0 search assetdataconnectorerrors ", "", ""},
		{"base account get", "GET", "3.0 get awsbaseaccount /1", "", ""},
		{"base account get unknown", "GET", "3.0 get awsbaseaccount /2", "", ""},
		{"base account search", "POST", "3.0 search awsbaseaccount ", criteria("govAccountId", "EQUALS", "000011112222"), jsonCriteria("govAccountId", "EQUALS", "000011112222")},
		{"base account search no match", "POST", "3.0 search awsbaseaccount ", criteria("chinaAccountId", "EQUALS", "000011112222"), jsonCriteria("chinaAccountId", "EQUALS", "000011112222")},
	} {
		for _, form := range []string{"am/", ""} {
			parts := strings.SplitN(tc.path, " ", 4)
			path := fmt.Sprintf("/qps/rest/%s/%s/%s%s%s", parts[0], parts[1], form, parts[2], parts[3])
			checkCloudForms(t, tc.name, form, tc.method, path, tc.xml, tc.json)
		}
	}
}

// checkCloudForms sends a call to a cloudPlatform in both forms, asks for both,
// and compares with a golden file per form asked for.
func checkCloudForms(t *testing.T, name, pathForm, method, path, xml, json string) {
	t.Helper()
	for _, in := range []struct{ form, contentType, body string }{{"xml", "text/xml", xml}, {"json", "application/json", json}} {
		for _, out := range []struct{ form, accept string }{{"xml", "application/xml"}, {"json", "application/json"}} {
			t.Run(fmt.Sprintf("%s/%s%s in %s out", name, strings.ReplaceAll(pathForm, "/", " "), in.form, out.form), func(t *testing.T) {
				t.Parallel()
				p, _ := cloudPlatform(t)
				w := p.do(t, request{method: method, path: path, body: in.body, contentType: in.contentType, accept: out.accept})
				got := fmt.Sprintf("%d %s\n\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
				if strings.Contains(got, secretOfTests) || strings.Contains(got, "<secretKey>") || strings.Contains(got, "AKIAI44QH8DHBEXAMPLE") {
					t.Errorf("the answer shows keys:\n%s", got)
				}
				file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+"."+out.form)
				if *update && in.form == "xml" && pathForm != "" {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if !*update {
					compareGolden(t, file, got)
				}
			})
		}
	}
}
