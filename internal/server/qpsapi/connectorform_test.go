package qpsapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/connector/connectortest"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// govCloudRequest and govCloudAnswer are the sample of the 2017 release note, "EC2
// Scanning Support for AWS GovCloud", without the errors of its print.
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
<id>%d</id>
 </authRecord>
<allRegions>false</allRegions>
<disabled>false</disabled>
</AwsAssetDataConnector>
</data>
</ServiceRequest>`
	govCloudAnswer = `<?xml version="1.0" encoding="UTF-8"?>
<ServiceResponse xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="https://vedette.example.com/qps/xsd/2.0/am/awsassetdataconnector.xsd">
<responseCode>SUCCESS</responseCode>
<count>1</count>
<data>
<AwsAssetDataConnector>
<id>149002</id>
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

// lines returns a document without the white space that it is laid out with.
func lines(document string) string {
	var b strings.Builder
	for line := range strings.Lines(document) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// TestTheReleaseNotesRequestGetsTheReleaseNotesAnswer sends the sample as curl
// does, to the path it prints, without the option of the subscription and with it.
func TestTheReleaseNotesRequestGetsTheReleaseNotesAnswer(t *testing.T) {
	t.Parallel()
	m := &connectortest.Memory{}
	d := m.NewDirectory(tagged)
	record, err := d.CreateAuthRecord(t.Context(), fleet.Scope{All: true}, qps.AwsAuthRecordChange{
		Name: new("gov"), AccessKeyID: new("AKIAIOSFODNN7EXAMPLE"), SecretKey: new(secretOfTests),
	})
	if err != nil {
		t.Fatal(err)
	}
	p := newPlatform(func(c *qpsapi.Config) { c.Connectors = d })
	asked := request{
		method: "POST", path: "/qps/rest/2.0/create/awsassetdataconnector", contentType: "text/xml", body: fmt.Sprintf(govCloudRequest, record.ID),
	}
	refused := envelope(t, p.do(t, asked))
	if refused.Code != qps.CodeInvalidRequest || !strings.Contains(refused.Error.Message, "US GovCloud option") || !strings.Contains(refused.Error.Resolution, "vedette connectors govcloud enable") {
		t.Errorf("without the option: %+v, want a refusal that says how to enable it", refused.Error)
	}
	m.Allow.GovCloud = true
	w := p.do(t, asked)
	if diff := cmp.Diff(govCloudAnswer, lines(w.Body.String())); w.Code != http.StatusOK || diff != "" {
		t.Errorf("status %d, answer (-release note +ours):\n%s", w.Code, diff)
	}
}

// TestCloudFormationTemplatesAreSentAsTheyAre asks in both forms, at both paths.
func TestCloudFormationTemplatesAreSentAsTheyAre(t *testing.T) {
	t.Parallel()
	p, m := cloudPlatform(t)
	ask := func(elements string) string {
		return "<ServiceRequest><data><AwsCloudformationTemplate>" + elements + "</AwsCloudformationTemplate></data></ServiceRequest>"
	}
	for _, path := range []string{"/qps/rest/3.0/download/am/awscloudformationtemplate", "/qps/rest/3.0/download/awscloudformationtemplate/"} {
		for _, tc := range []struct {
			name, accept, body, contentType string
			says                            []string
		}{
			{"YAML of GovCloud", "*/*", ask("<awsCloudType>GovCloud</awsCloudType><externalId>x-1</externalId>"), "application/yaml", []string{"AWSTemplateFormatVersion: ", "AWS: arn:aws-us-gov:iam::000011112222:root", "sts:ExternalId: x-1"}},
			{"JSON of the commercial partition", "application/json", ask("<externalId>x-1</externalId><capability>AI</capability>"), "application/json", []string{`"AWS": "arn:aws:iam::000011112222:root"`}},
			{"no account of China", "*/*", ask("<awsCloudType>CHINA</awsCloudType><externalId>x-1</externalId>"), "application/xml", []string{"<responseCode>INVALID_REQUEST<", "vedette connectors base-account set"}},
			{"unknown partition", "application/json", ask("<awsCloudType>ISO</awsCloudType>"), "application/json", []string{`"responseCode":"INVALID_REQUEST"`, "GLOBAL, GOVCLOUD, CHINA"}},
			{"unknown application", "*/*", ask("<externalId>x-1</externalId><capability>&lt;x&gt;</capability>"), "application/xml", []string{"capability: invalid value"}},
			{"external id that AWS does not take", "*/*", ask("<externalId>a b</externalId>"), "application/xml", []string{"<responseCode>INVALID_REQUEST<", "external id"}},
			{"no object", "*/*", "", "application/xml", []string{"exactly one AwsCloudformationTemplate"}},
		} {
			t.Run(tc.name+path[len(path)-4:], func(t *testing.T) {
				w := p.do(t, request{method: "POST", path: path, body: tc.body, accept: tc.accept})
				if got := w.Header().Get("Content-Type"); got != tc.contentType || w.Code != http.StatusOK {
					t.Errorf("status %d, Content-Type %q, want %q", w.Code, got, tc.contentType)
				}
				for _, want := range tc.says {
					if !strings.Contains(w.Body.String(), want) {
						t.Errorf("the answer lacks %q:\n%s", want, w.Body)
					}
				}
			})
		}
	}
	if err := m.SetBaseAccount(t.Context(), connector.BaseAccount{Partition: connector.China, AccountID: "999900001111"}, connector.Keys{}); err != nil {
		t.Fatal(err)
	}
	w := p.do(t, request{method: "POST", path: "/qps/rest/3.0/download/am/awscloudformationtemplate", body: ask("<awsCloudType>China</awsCloudType><externalId>x-1</externalId>")})
	if !strings.Contains(w.Body.String(), "AWS: arn:aws-cn:iam::999900001111:root") {
		t.Errorf("with a base account: %s", w.Body)
	}
}

// TestWhatIsWrongWithConnectorsIsAnsweredClearly sends what is wrong or hostile,
// and wants an envelope with both parts of the explanation and no keys.
func TestWhatIsWrongWithConnectorsIsAnsweredClearly(t *testing.T) {
	t.Parallel()
	const create, keys = "/qps/rest/2.0/create/am/awsassetdataconnector", "/qps/rest/2.0/create/am/awsauthrecord"
	key := func(elements string) string {
		return "<ServiceRequest><data><AwsAuthRecord>" + elements + "</AwsAuthRecord></data></ServiceRequest>"
	}
	deep := strings.Repeat("<a>", 10_000) + strings.Repeat("</a>", 10_000)
	for _, tc := range []struct {
		name string
		request
		status int
		code   qps.ResponseCode
		says   string
	}{
		{"visitor", request{path: "/qps/rest/2.0/get/am/awsassetdataconnector/149002", user: "visitor", password: "right"}, 401, qps.CodeUnauthorized, "API Access"},
		{"nobody", request{method: "POST", path: create, user: "-"}, 401, qps.CodeAuthCredentialsNeeded, "Login"},
		{"id that is no number", request{path: "/qps/rest/2.0/get/am/awsassetdataconnector/abc"}, 200, qps.CodeInvalidRequest, "'abc'"},
		{"id beyond 64 bits", request{method: "DELETE", path: "/qps/rest/3.0/delete/am/awsauthrecord/9223372036854775808"}, 200, qps.CodeInvalidRequest, "9223372036854775808"},
		{"run of what there is not", request{method: "POST", path: "/qps/rest/2.0/run/am/assetdataconnector/7"}, 200, qps.CodeNotFound, "connector 7"},
		{"method that a call has not", request{method: "PUT", path: create}, 405, "OPERATION_NOT_SUPPORTED", "POST"},
		{"create of the generic object", request{method: "POST", path: "/qps/rest/2.0/create/am/assetdataconnector"}, 404, "INVALID_URL", "create/am/assetdataconnector"},
		{"cut off XML", request{method: "POST", path: create, body: "<ServiceRequest><data>"}, 200, qps.CodeInvalidXML, "XML"},
		{"document type", request{method: "POST", path: create, body: `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + awsXML("<name>&x;</name>")}, 200, qps.CodeInvalidXML, "document type"},
		{"depth of 10,000", request{method: "POST", path: create, body: awsXML(deep)}, 200, qps.CodeInvalidXML, "32 deep"},
		{"10 MB", request{method: "POST", path: create, body: awsXML("<name>" + strings.Repeat("x", 10<<20) + "</name>")}, 413, qps.CodeInvalidRequest, "bytes"},
		{"two objects", request{method: "POST", path: create, body: strings.Replace(awsXML(roleXML), "</data>", "<AwsAssetDataConnector/></data>", 1)}, 200, qps.CodeInvalidRequest, "exactly one"},
		{"object of another kind", request{method: "POST", path: create, body: keysXML}, 200, qps.CodeInvalidRequest, "exactly one AwsAssetDataConnector"},
		{"name of two lines", request{method: "POST", path: create, contentType: "application/json", body: awsJSON(`"name":"a\nb"`)}, 200, qps.CodeInvalidRequest, "name: invalid value"},
		{"region of another partition", request{method: "POST", path: create, body: awsXML("<name>n</name><endpoints><set><AwsEndpointSimple><regionCode>us-gov-west-1</regionCode></AwsEndpointSimple></set></endpoints>")}, 200, qps.CodeInvalidRequest, "us-gov-west-1"},
		{"role of another partition", request{method: "POST", path: create, body: awsXML("<name>n</name><allRegions>true</allRegions><arn>arn:aws-cn:iam::111122223333:role/q</arn><externalId>x-1</externalId>")}, 200, qps.CodeInvalidRequest, "arn"},
		{"record that is not there", request{method: "POST", path: create, body: awsXML("<name>n</name><allRegions>true</allRegions><authRecord><id>9</id></authRecord>")}, 200, qps.CodeInvalidRequest, "authentication record 9"},
		{"tag that is not there", request{method: "POST", path: create, body: awsXML("<name>n</name><allRegions>true</allRegions><defaultTags><set><TagSimple><id>9</id></TagSimple></set></defaultTags>")}, 200, qps.CodeInvalidRequest, "tag 9"},
		{"module that there is not", request{method: "POST", path: create, body: awsXML("<name>n</name><allRegions>true</allRegions><activation><set><ActivationModule>EDR</ActivationModule></set></activation>")}, 200, qps.CodeInvalidRequest, "'EDR'"},
		{"minutes beyond a day", request{method: "PUT", path: "/qps/rest/3.0/update/am/awsassetdataconnector/149002", body: awsXML("<runFrequency>1441</runFrequency>")}, 200, qps.CodeInvalidRequest, "60 to 1440"},
		{"key with a line break", request{method: "POST", path: keys, body: key("<name>n</name><accessKeyId>AKIAIOSFODNN7EXAMPLE</accessKeyId><secretKey>" + secretOfTests[:20] + "&#10;" + secretOfTests[20:] + "</secretKey>")}, 200, qps.CodeInvalidRequest, "secretKey"},
		{"secret where the key id belongs", request{method: "POST", path: keys, body: key("<name>n</name><accessKeyId>" + secretOfTests + "</accessKeyId><secretKey>AKIAIOSFODNN7EXAMPLE</secretKey>")}, 200, qps.CodeInvalidRequest, "accessKeyId"},
		{"secret in an element of its own making", request{method: "POST", path: keys, body: key("<secretAccessKey>" + secretOfTests + "</secretAccessKey>")}, 200, qps.CodeInvalidRequest, "secretAccessKey"},
		{"secret with elements inside", request{method: "POST", path: keys, body: key("<name>n</name><secretKey><v>" + secretOfTests + "</v></secretKey>")}, 200, qps.CodeInvalidRequest, "secretKey"},
		{"secret given twice", request{method: "POST", path: keys, body: key("<secretKey>" + secretOfTests + "</secretKey><secretKey>" + secretOfTests + "</secretKey>")}, 200, qps.CodeInvalidRequest, "secretKey"},
	} {
		for _, accept := range []string{"application/xml", "application/json"} {
			t.Run(tc.name+"/"+accept, func(t *testing.T) {
				t.Parallel()
				p, _ := cloudPlatform(t)
				q := tc.request
				q.accept = accept
				w := p.do(t, q)
				if shown := w.Body.String() + fmt.Sprintf("%+v", p.journal.entries); strings.Contains(shown, secretOfTests[:20]) {
					t.Errorf("the answer or the audit log shows the secret key:\n%s", shown)
				}
				answer := envelope(t, w)
				if w.Code != tc.status || answer.Code != tc.code {
					t.Errorf("status %d, %s, want %d, %s: %+v", w.Code, answer.Code, tc.status, tc.code, answer.Error)
				}
				if answer.Error == nil || answer.Error.Resolution == "" || !strings.Contains(answer.Error.Message+" "+answer.Error.Resolution, tc.says) {
					t.Errorf("explanation %+v, want both parts and %q", answer.Error, tc.says)
				}
			})
		}
	}
}

// TestWhatIsDoneToConnectorsIsInTheAuditLog does so, and looks for what was done
// by whom, and that no key is there.
func TestWhatIsDoneToConnectorsIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	p, m := cloudPlatform(t)
	for _, q := range []request{
		{method: "POST", path: "/qps/rest/2.0/create/awsassetdataconnector", body: awsXML(govXML)},
		{method: "POST", path: "/qps/rest/2.0/create/am/awsauthrecord", body: keysXML},
		{method: "PUT", path: "/qps/rest/3.0/update/am/awsauthrecord/149001", body: keysXML},
		{method: "POST", path: "/qps/rest/2.0/run/am/assetdataconnector/149002"},
		{method: "DELETE", path: "/qps/rest/3.0/delete/awsassetdataconnector/149002"},
		{method: "POST", path: "/qps/rest/3.0/search/am/awsassetdataconnector"},
	} {
		if answer := envelope(t, p.do(t, q)); answer.Code != qps.CodeSuccess {
			t.Errorf("%s %s: %+v", q.method, q.path, answer.Error)
		}
	}
	var got []string
	for _, e := range p.journal.entries {
		got = append(got, fmt.Sprintf("%s: %s %s", e.Actor, e.Action, e.Object))
	}
	want := []string{
		"admin: create am/awsassetdataconnector 149006 gov-cloud", "admin: create am/awsauthrecord 149007 rotated", "admin: update am/awsauthrecord 149001",
		"admin: run am/assetdataconnector 149002", "admin: delete am/awsassetdataconnector 149002",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
	if shown := fmt.Sprintf("%+v", p.journal.entries); strings.Contains(shown, secretOfTests) || strings.Contains(shown, "AKIAI44QH8DHBEXAMPLE") {
		t.Errorf("the audit log shows keys: %s", shown)
	}
	if k := m.Keys("rotated"); k.SecretKey != secretOfTests {
		t.Error("the keys of the record were not kept")
	}
	if len(m.Runs) != 3 || m.Runs[0].StartedBy != "admin" {
		t.Errorf("%d runs, want one more, started by admin", len(m.Runs))
	}
}
