package qpsapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/xsd"
)

func TestEveryGoldenAnswerIsValid(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	var answers []document
	for _, name := range names {
		if strings.HasSuffix(name, ".request.xml") {
			continue
		}
		golden, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// Status and content type are in front of most.
		start := bytes.Index(golden, []byte("<?xml"))
		if start < 0 {
			t.Fatalf("%s holds no document", name)
		}
		answers = append(answers, document{filepath.Base(name), golden[start:]})
	}
	if len(answers) < 100 {
		t.Fatalf("there are only %d golden answers", len(answers))
	}
	wantValid(t, answers)
}

// TestAnyRecordIsValid puts records of each kind with random content on pages,
// some of them with a selection of fields.
func TestAnyRecordIsValid(t *testing.T) {
	t.Parallel()
	const pages = 60
	for _, kind := range recordKinds() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			generator := kind.answers()
			answers := make([]document, pages)
			for seed := range answers {
				answers[seed] = document{fmt.Sprintf("page-%d.xml", seed), generator.Example(seed)}
			}
			wantValid(t, answers)
		})
	}
}

func TestEveryErrorIsValidForEverySchema(t *testing.T) {
	t.Parallel()
	var answers []document
	for _, schema := range constants(t, "Schema") {
		for _, code := range constants(t, "Code") {
			for _, message := range []string{"", "os: invalid value '\x00\x1b<&>\xff'."} {
				if code == string(qps.CodeSuccess) {
					continue
				}
				response := qps.NewError(schema, qps.ResponseCode(code), message, "Specify \u00e9\U0001F600]]>.")
				response.BaseURL = base
				name := fmt.Sprintf("%d.xml", len(answers))
				answers = append(answers, document{name, qps.AppendResponse(nil, qps.XML, response, nil)})
			}
		}
	}
	wantValid(t, answers)
}

// TestWhatIsWrongIsRefused proves that a valid answer means something.
func TestWhatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	const (
		host    = qps.SchemaHostAsset
		asset   = qps.SchemaAsset
		tag     = qps.SchemaTag
		scanned = qps.SchemaAgentAsset
		key     = qps.SchemaAgentActKey
		profile = qps.SchemaAgentConfig
		version = qps.SchemaPortalVersion
		binary  = qps.SchemaBinaryInfo
		aws     = qps.SchemaAwsAssetDataConnector
		aws3    = qps.SchemaAwsAssetDataConnectorV3
	)
	page := func(data string) string {
		return "<responseCode>SUCCESS</responseCode><count>1</count><data>" + data + "</data>"
	}
	platform := func(hash, extension string) string {
		return page("<AllBinaryInfo><platforms><Platform><name>LINUX/X_64</name><version>2.0.0</version><hash>" + hash +
			"</hash><extension>" + extension + "</extension></Platform></platforms></AllBinaryInfo>")
	}
	connector := func(elements string) string {
		return page("<AwsAssetDataConnector>" + elements + "</AwsAssetDataConnector>")
	}
	const versions = "<QWeb-Version><WEB-VERSION>1</WEB-VERSION><SCANNER-VERSION>1</SCANNER-VERSION><VULNSIGS-VERSION>1</VULNSIGS-VERSION></QWeb-Version>"
	for _, tc := range []struct {
		name, schema string
		good, bad    string // content of ServiceResponse, which differs in what the name says
	}{
		{"a response code nobody knows", host, "<responseCode>SUCCESS</responseCode><count>1</count>", "<responseCode>FINE</responseCode><count>1</count>"},
		{"no response code", host, "<responseCode>SUCCESS</responseCode><count>1</count>", "<count>1</count>"},
		{"no outcome", host, "<responseCode>SUCCESS</responseCode><count>0</count>", "<responseCode>SUCCESS</responseCode>"},
		{"a negative count", tag, "<responseCode>SUCCESS</responseCode><count>1</count>", "<responseCode>SUCCESS</responseCode><count>-1</count>"},
		{"a count beyond 64 bits", tag, "<responseCode>SUCCESS</responseCode><count>9223372036854775807</count>", "<responseCode>SUCCESS</responseCode><count>9223372036854775808</count>"},
		{"an error without a resolution", key,
			"<responseCode>NOT_FOUND</responseCode><responseErrorDetails><errorMessage/><errorResolution/></responseErrorDetails>",
			"<responseCode>NOT_FOUND</responseCode><responseErrorDetails><errorMessage/></responseErrorDetails>"},
		{"an error with a count", key,
			"<responseCode>NOT_FOUND</responseCode><responseErrorDetails><errorMessage/><errorResolution/></responseErrorDetails>",
			"<responseCode>NOT_FOUND</responseCode><responseErrorDetails><errorMessage/><errorResolution/></responseErrorDetails><count>0</count>"},
		{"data without a record", profile, page("<AgentConfig/>"), page("")},
		{"paging without data", host,
			"<responseCode>SUCCESS</responseCode><count>1</count><hasMoreRecords>true</hasMoreRecords><lastId>7</lastId><data><HostAsset/></data>",
			"<responseCode>SUCCESS</responseCode><count>1</count><hasMoreRecords>true</hasMoreRecords><lastId>7</lastId>"},
		{"another order of the envelope", host,
			"<responseCode>SUCCESS</responseCode><count>1</count><hasMoreRecords>false</hasMoreRecords><data><HostAsset/></data>",
			"<responseCode>SUCCESS</responseCode><hasMoreRecords>false</hasMoreRecords><count>1</count><data><HostAsset/></data>"},
		{"a record of another object", host, page("<HostAsset/>"), page("<Asset/>")},
		{"an id that is text", host, page("<HostAsset><id>7</id></HostAsset>"), page("<HostAsset><id>seven</id></HostAsset>")},
		{"an id beyond 64 bits", asset, page("<Asset><id>-9223372036854775808</id></Asset>"), page("<Asset><id>-9223372036854775809</id></Asset>")},
		{"a second id", tag, page("<Tag><name>a</name><id>7</id></Tag>"), page("<Tag><id>7</id><name>a</name><id>8</id></Tag>")},
		{"no id", scanned, page("<AgentAsset><id>7</id></AgentAsset>"), page("<AgentAsset/>")},
		{"a host that is no host", host, page("<HostAsset><type>HOST</type></HostAsset>"), page("<HostAsset><type>PRINTER</type></HostAsset>")},
		{"the right spelling of a misspelled name", host,
			page("<HostAsset><agentInfo><locationGeoLongtitude>1</locationGeoLongtitude></agentInfo></HostAsset>"),
			page("<HostAsset><agentInfo><locationGeoLongitude>1</locationGeoLongitude></agentInfo></HostAsset>")},
		{"an unknown element", host, page("<HostAsset><os>a</os></HostAsset>"), page("<HostAsset><osName>a</osName></HostAsset>")},
		{"another case of a name", host, page("<HostAsset><qwebHostId>1</qwebHostId></HostAsset>"), page("<HostAsset><qwebHostID>1</qwebHostID></HostAsset>")},
		{"a time with an offset", host, page("<HostAsset><created>2031-04-01T06:12:44Z</created></HostAsset>"), page("<HostAsset><created>2031-04-01T06:12:44+02:00</created></HostAsset>")},
		{"a time with a fraction", host, page("<HostAsset><created>2031-04-01T06:12:44Z</created></HostAsset>"), page("<HostAsset><created>2031-04-01T06:12:44.5Z</created></HostAsset>")},
		{"a day that is none", host, page("<HostAsset><created>2032-02-29T06:12:44Z</created></HostAsset>"), page("<HostAsset><created>2031-02-29T06:12:44Z</created></HostAsset>")},
		{"an empty time", host, page("<HostAsset/>"), page("<HostAsset><created/></HostAsset>")},
		{"a port beyond 65535", host,
			page("<HostAsset><openPort><list><HostAssetOpenPort><port>65535</port></HostAssetOpenPort></list></openPort></HostAsset>"),
			page("<HostAsset><openPort><list><HostAssetOpenPort><port>65536</port></HostAssetOpenPort></list></openPort></HostAsset>")},
		{"a collection without its list", host,
			page("<HostAsset><software><list/></software></HostAsset>"), page("<HostAsset><software/></HostAsset>")},
		{"items of another collection", host,
			page("<HostAsset><tags><list><TagSimple/></list></tags></HostAsset>"), page("<HostAsset><tags><list><Tag/></list></tags></HostAsset>")},
		{"a source without a name of its own", asset,
			page("<Asset><sourceInfo><list><AssetSource/><Ec2AssetSourceSimple><type>EC_2</type></Ec2AssetSourceSimple></list></sourceInfo></Asset>"),
			page("<Asset><sourceInfo><list><AssetSource><type>EC_2</type></AssetSource></list></sourceInfo></Asset>")},
		{"a source of another type", asset,
			page("<Asset><sourceInfo><list><GcpAssetSourceSimple><type>GCP</type></GcpAssetSourceSimple></list></sourceInfo></Asset>"),
			page("<Asset><sourceInfo><list><GcpAssetSourceSimple><type>EC_2</type></GcpAssetSourceSimple></list></sourceInfo></Asset>")},
		{"text between elements", tag, page("<Tag><id>7</id></Tag>"), page("<Tag>new <id>7</id></Tag>")},
		{"an attribute", tag, page("<Tag><id>7</id></Tag>"), page(`<Tag><id unit="one">7</id></Tag>`)},
		{"a rule type nobody knows", tag, page("<Tag><ruleType>STATIC</ruleType></Tag>"), page("<Tag><ruleType>DYNAMIC</ruleType></Tag>")},
		{"a criticality of 6", tag, page("<Tag><criticalityScore>5</criticalityScore></Tag>"), page("<Tag><criticalityScore>6</criticalityScore></Tag>")},
		{"a key type nobody knows", key, page("<AgentActKey><type>UNLIMITED</type></AgentActKey>"), page("<AgentActKey><type>unlimited</type></AgentActKey>")},
		{"a key that is no UUID", key,
			page("<AgentActKey><activationKey>5d2f0000-0000-4000-8000-00000000b001</activationKey></AgentActKey>"),
			page("<AgentActKey><activationKey>5d2f0000</activationKey></AgentActKey>")},
		{"a module token for a license word", key,
			page("<AgentActKey><modules><list><ActivationKeyModule><license>VM_LICENSE</license></ActivationKeyModule></list></modules></AgentActKey>"),
			page("<AgentActKey><modules><list><ActivationKeyModule><license>AGENT_VM</license></ActivationKeyModule></list></modules></AgentActKey>")},
		{"tags of a key as those of an asset", key,
			page("<AgentActKey><tags><list><Tag><id>7</id></Tag></list></tags></AgentActKey>"),
			page("<AgentActKey><tags><list><TagSimple><id>7</id></TagSimple></list></tags></AgentActKey>")},
		{"a word for a bit", profile, page("<AgentConfig><isDefault>1</isDefault></AgentConfig>"), page("<AgentConfig><isDefault>true</isDefault></AgentConfig>")},
		{"hour 25", profile,
			page("<AgentConfig><blackoutConfig><settings><list><BlackoutConfig><endHour>24</endHour></BlackoutConfig></list></settings></blackoutConfig></AgentConfig>"),
			page("<AgentConfig><blackoutConfig><settings><list><BlackoutConfig><endHour>25</endHour></BlackoutConfig></list></settings></blackoutConfig></AgentConfig>")},
		{"some of the tags", profile,
			page("<AgentConfig><tags><includeResolution>ALL</includeResolution></tags></AgentConfig>"),
			page("<AgentConfig><tags><includeResolution>SOME</includeResolution></tags></AgentConfig>")},
		{"a portal without a version", version,
			page("<Portal-Version><PortalApplication-VERSION>1</PortalApplication-VERSION><CA-VERSION>1</CA-VERSION></Portal-Version>" + versions),
			page("<Portal-Version><CA-VERSION>1</CA-VERSION></Portal-Version>" + versions)},
		{"an EC2 state in lower case", asset,
			page("<Asset><sourceInfo><list><Ec2AssetSourceSimple><instanceState>SHUTTING_DOWN</instanceState></Ec2AssetSourceSimple></list></sourceInfo></Asset>"),
			page("<Asset><sourceInfo><list><Ec2AssetSourceSimple><instanceState>shutting-down</instanceState></Ec2AssetSourceSimple></list></sourceInfo></Asset>")},
		{"a state of connectors nobody knows", aws,
			connector("<connectorState>FINISHED_ERRORS</connectorState>"), connector("<connectorState>FINISHED</connectorState>")},
		{"an account without its leading zeros", aws,
			connector("<qualysAwsAccountId>000111222333</qualysAwsAccountId>"), connector("<qualysAwsAccountId>111222333</qualysAwsAccountId>")},
		{"a module token for a module of connectors", aws,
			connector("<activation><list><ActivationModule>VM</ActivationModule></list></activation>"),
			connector("<activation><list><ActivationModule>AGENT_VM</ActivationModule></list></activation>")},
		{"regions as they are sent", aws, connector("<endpoints><list/></endpoints>"), connector("<endpoints><set/></endpoints>")},
		{"an element of 3.0 in 2.0", aws, connector("<runFrequency>240</runFrequency>"), connector("<nextSync>2031-04-01T06:12:44Z</nextSync>")},
		{"an element of 2.0 in 3.0", aws3, connector("<nextSync>2031-04-01T06:12:44Z</nextSync>"), connector("<useForCloudView>true</useForCloudView>")},
		{"an application outside of its list", aws3,
			connector("<connectorAppInfos><list><ConnectorAppInfoQList><list><ConnectorAppInfo/></list></ConnectorAppInfoQList></list></connectorAppInfos>"),
			connector("<connectorAppInfos><list><ConnectorAppInfo/></list></connectorAppInfos>")},
		{"an element of AWS for any cloud", qps.SchemaAssetDataConnector,
			page("<AssetDataConnector><type>GCP</type></AssetDataConnector>"), page("<AssetDataConnector><arn>a</arn></AssetDataConnector>")},
		{"the time of an error", qps.SchemaAssetDataConnectorErrors,
			page("<AssetDataConnectorErrors><created>2031-04-01</created></AssetDataConnectorErrors>"),
			page("<AssetDataConnectorErrors><created>2031-04-01T06:12:44Z</created></AssetDataConnectorErrors>")},
		{"a secret key", qps.SchemaAwsAuthRecord,
			page("<AwsAuthRecord><name>a</name></AwsAuthRecord>"), page("<AwsAuthRecord><secretKey>a</secretKey></AwsAuthRecord>")},
		{"an account where a yes or no belongs", qps.SchemaAwsBaseAccount,
			page("<AwsBaseAccount><customerGovAccount>true</customerGovAccount></AwsBaseAccount>"),
			page("<AwsBaseAccount><customerGovAccount>000111222333</customerGovAccount></AwsBaseAccount>")},
		{"a hash without its algorithm", binary, platform("Hash-SHA-256: 0f5c", ".deb"), platform("0f5c", ".deb")},
		{"an extension without its dot", binary, platform("Hash-SHA-512: 0F5C", ".tar.gz"), platform("Hash-SHA-512: 0F5C", "deb")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root := `<ServiceResponse xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="` + base + tc.schema + `">`
			verdicts := validate(t, []document{
				{"good.xml", []byte(root + tc.good + "</ServiceResponse>")},
				{"bad.xml", []byte(root + tc.bad + "</ServiceResponse>")},
			})
			if v := verdicts["good.xml"]; !v.valid {
				t.Errorf("refused %s:\n%s", tc.good, v.problems)
			}
			if v := verdicts["bad.xml"]; v.valid || !strings.Contains(v.problems, "validity error") {
				t.Errorf("not refused for what is wrong: %s\n%s", tc.bad, v.problems)
			}
		})
	}
}

func TestEverySchemaThatAnswersNameIsServed(t *testing.T) {
	t.Parallel()
	paths := constants(t, "Schema")
	if !slices.Contains(paths, qps.SchemaHostAsset) || !slices.Contains(paths, qps.SchemaTag) {
		t.Fatalf("found only %q", paths)
	}
	for _, path := range paths {
		newSchemas(t).fetch(path)
	}
}

// TestEveryRouteNamesASchemaThatIsServed asks each call without credentials,
// which none answers otherwise than with a failure under its own schema.
func TestEveryRouteNamesASchemaThatIsServed(t *testing.T) {
	t.Parallel()
	wildcards := strings.NewReplacer("{version}", "1.0", "{id}", "1", "{path...}", "none.xsd", "{rest...}", "none")
	p, s := newPlatform(), newSchemas(t)
	for _, route := range qpsapi.Routes(qpsapi.Config{}) {
		method := http.MethodGet
		if len(route.Methods) > 0 {
			method = route.Methods[0]
		}
		w := p.do(t, request{method: method, path: wildcards.Replace(route.Path), user: "-"})
		if w.Code != http.StatusUnauthorized && w.Code != http.StatusNotFound {
			t.Errorf("%s %s answered a stranger with %d", method, route.Path, w.Code)
		}
		s.fetch(location(t, w.Body.Bytes()))
	}
}

func TestSchemasNeedNoCredentials(t *testing.T) {
	t.Parallel()
	p := newPlatform()
	for _, tc := range []struct {
		name, method, path string
		status             int
	}{
		{"a schema", "GET", qps.SchemaHostAsset, 200},
		{"its head", "HEAD", qps.SchemaHostAsset, 200},
		{"a slash behind it", "GET", qps.SchemaPortalVersion + "/", 200},
		{"a schema that others include", "GET", xsd.Root + "response.xsd", 200},
		{"an object nobody knows", "GET", xsd.Root + "2.0/am/printer.xsd", 404},
		{"another case", "GET", xsd.Root + "2.0/am/HostAsset.xsd", 404},
		{"a version the object has not got", "GET", xsd.Root + "1.0/am/hostasset.xsd", 404},
		{"the folder", "GET", xsd.Root, 404},
		{"a folder below", "GET", xsd.Root + "2.0/am", 404},
		{"what is beside the schemas", "GET", xsd.Root + "xsd.go", 404},
		{"a write", "POST", qps.SchemaHostAsset, 405},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := p.do(t, request{method: tc.method, path: tc.path, user: "-"})
			if got := w.Header().Get("Content-Type"); w.Code != tc.status || got != "application/xml" {
				t.Fatalf("status %d with %s, want %d", w.Code, got, tc.status)
			}
			if tc.status == 200 {
				return
			}
			if response := envelope(t, w); response.Error == nil || response.Error.Message == "" || response.Error.Resolution == "" {
				t.Errorf("explanation %+v lacks a part", response.Error)
			}
		})
	}
}
