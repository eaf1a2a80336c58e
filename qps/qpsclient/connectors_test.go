package qpsclient

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

const clientSecretKey = "wJalrXUt/nFEMI+invented"

// connectorAnswers are what a platform answers to the calls of connectors.
var (
	awsConnector = &qps.AwsAssetDataConnector{
		AssetDataConnector: qps.AssetDataConnector{ID: 7, Name: "acct-a", ConnectorState: qps.ConnectorQueued}, QualysAWSAccountID: "000999888777",
	}
	anyConnector = &qps.AssetDataConnector{ID: 7, Name: "acct-a", ConnectorState: qps.ConnectorQueued}
	authRecord   = &qps.AwsAuthRecord{ID: 9, Name: "gov"}
	baseAccount  = &qps.AwsBaseAccount{ID: 1, GovAccountID: "000111222334"}
)

// same returns err, or says how what was returned differs from what was answered.
func same[T any](want T) func(got T, err error) error {
	return func(got T, err error) error {
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}
		return nil
	}
}

func TestConnectorCallsSayWhatIsMeant(t *testing.T) {
	t.Parallel()
	change := qps.AwsAssetDataConnectorChange{ARN: new("arn:aws:iam::111122223333:role/q"), AllRegions: new(true)}
	named := qps.Criterion{Field: "name", Operator: qps.OpEquals, Value: "acct-a"}
	record := func(schema string, r ...qps.Record) http.HandlerFunc {
		return envelope(200, qps.NewResult(schema, r...))
	}
	aws, generic := record(qps.SchemaAwsAssetDataConnector, awsConnector), record(qps.SchemaAssetDataConnector, anyConnector)
	auth, base := record(qps.SchemaAwsAuthRecord, authRecord), record(qps.SchemaAwsBaseAccount, baseAccount)
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		call   func(c *Client) error
		uri    string
		body   []string
	}{
		{"search", aws, func(c *Client) error {
			return same([]*qps.AwsAssetDataConnector{awsConnector})(c.AWSConnectors(t.Context(), named))
		}, "POST /qps/rest/2.0/search/am/awsassetdataconnector", []string{`<Criteria field="name" operator="EQUALS">acct-a</Criteria>`}},
		{"count", countOf(3), func(c *Client) error { return same(int64(3))(c.CountAWSConnectors(t.Context(), named)) },
			"POST /qps/rest/2.0/count/am/awsassetdataconnector", []string{"acct-a"}},
		{"get", aws, func(c *Client) error { return same(awsConnector)(c.GetAWSConnector(t.Context(), 7)) },
			"GET /qps/rest/2.0/get/am/awsassetdataconnector/7", nil},
		{"create", aws, func(c *Client) error { return same(awsConnector)(c.CreateAWSConnector(t.Context(), change)) },
			"POST /qps/rest/2.0/create/am/awsassetdataconnector", []string{"<AwsAssetDataConnector>", "<arn>arn:aws:iam::111122223333:role/q</arn>"}},
		{"update", aws, func(c *Client) error { return c.UpdateAWSConnector(t.Context(), 7, change) },
			"POST /qps/rest/2.0/update/am/awsassetdataconnector/7", []string{"<allRegions>true</allRegions>"}},
		{"delete", aws, func(c *Client) error { return c.DeleteAWSConnector(t.Context(), 7) }, "POST /qps/rest/2.0/delete/am/awsassetdataconnector/7", nil},
		{"run", aws, func(c *Client) error {
			return same([]*qps.AwsAssetDataConnector{awsConnector})(c.RunAWSConnectors(t.Context(), 7))
		}, "POST /qps/rest/2.0/run/am/awsassetdataconnector/7", nil},
		{"run several", aws, func(c *Client) error {
			return same([]*qps.AwsAssetDataConnector{awsConnector})(c.RunAWSConnectors(t.Context(), 7, 8))
		}, "POST /qps/rest/2.0/run/am/awsassetdataconnector", []string{`<Criteria field="id" operator="IN">7,8</Criteria>`}},

		{"search any cloud", generic, func(c *Client) error {
			return same([]*qps.AssetDataConnector{anyConnector})(c.Connectors(t.Context(), named))
		}, "POST /qps/rest/2.0/search/am/assetdataconnector", []string{"acct-a"}},
		{"count any cloud", countOf(4), func(c *Client) error { return same(int64(4))(c.CountConnectors(t.Context())) },
			"POST /qps/rest/2.0/count/am/assetdataconnector", nil},
		{"get any cloud", generic, func(c *Client) error { return same(anyConnector)(c.GetConnector(t.Context(), 7)) },
			"GET /qps/rest/2.0/get/am/assetdataconnector/7", nil},
		{"update any cloud", generic, func(c *Client) error {
			return c.UpdateConnector(t.Context(), 7, qps.AssetDataConnectorChange{Disabled: new(true)})
		}, "POST /qps/rest/2.0/update/am/assetdataconnector/7", []string{"<AssetDataConnector>", "<disabled>true</disabled>"}},
		{"delete any cloud", generic, func(c *Client) error { return c.DeleteConnector(t.Context(), 7) }, "POST /qps/rest/2.0/delete/am/assetdataconnector/7", nil},
		{"run any cloud", aws, func(c *Client) error { return same(anyConnector)(c.RunConnector(t.Context(), 7)) },
			"POST /qps/rest/2.0/run/am/assetdataconnector/7", nil},
		{"run of a platform that answers alike", generic, func(c *Client) error { return same(anyConnector)(c.RunConnector(t.Context(), 7)) },
			"POST /qps/rest/2.0/run/am/assetdataconnector/7", nil},

		{"search access keys", auth, func(c *Client) error {
			return same([]*qps.AwsAuthRecord{authRecord})(c.AWSAuthRecords(t.Context(), named))
		},
			"POST /qps/rest/2.0/search/am/awsauthrecord", []string{"acct-a"}},
		{"count access keys", countOf(1), func(c *Client) error { return same(int64(1))(c.CountAWSAuthRecords(t.Context())) },
			"POST /qps/rest/2.0/count/am/awsauthrecord", nil},
		{"get access keys", auth, func(c *Client) error { return same(authRecord)(c.GetAWSAuthRecord(t.Context(), 9)) },
			"GET /qps/rest/2.0/get/am/awsauthrecord/9", nil},
		{"create access keys", auth, func(c *Client) error {
			return same(authRecord)(c.CreateAWSAuthRecord(t.Context(), qps.AwsAuthRecordChange{AccessKeyID: new("AKIA"), SecretKey: new(clientSecretKey)}))
		}, "POST /qps/rest/2.0/create/am/awsauthrecord", []string{"<accessKeyId>AKIA</accessKeyId>", "<secretKey>" + clientSecretKey + "</secretKey>"}},
		{"update access keys", auth, func(c *Client) error {
			return c.UpdateAWSAuthRecord(t.Context(), 9, qps.AwsAuthRecordChange{SecretKey: new(clientSecretKey)})
		}, "POST /qps/rest/2.0/update/am/awsauthrecord/9", []string{"<secretKey>" + clientSecretKey + "</secretKey>"}},
		{"delete access keys", auth, func(c *Client) error { return c.DeleteAWSAuthRecord(t.Context(), 9) }, "POST /qps/rest/2.0/delete/am/awsauthrecord/9", nil},

		{"search base accounts", base, func(c *Client) error { return same([]*qps.AwsBaseAccount{baseAccount})(c.AWSBaseAccounts(t.Context())) },
			"POST /qps/rest/3.0/search/am/awsbaseaccount", nil},
		{"get base account", base, func(c *Client) error { return same(baseAccount)(c.GetAWSBaseAccount(t.Context(), 1)) },
			"GET /qps/rest/3.0/get/am/awsbaseaccount/1", nil},
		{"template", answer(200, "AWSTemplateFormatVersion: 2010-09-09\n"), func(c *Client) error {
			template, err := c.CloudFormationTemplate(t.Context(), qps.AwsCloudformationTemplate{ExternalID: "x-1"})
			return same("AWSTemplateFormatVersion: 2010-09-09\n")(string(template), err)
		}, "POST /qps/rest/3.0/download/am/awscloudformationtemplate", []string{"<AwsCloudformationTemplate>", "<externalId>x-1</externalId>"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tc.answer)
			if err := tc.call(clientOf(t, p)); err != nil {
				t.Fatal(err)
			}
			got := p.received()
			if len(got) != 1 || got[0].method+" "+got[0].uri != tc.uri {
				t.Fatalf("%d requests, first %s %s, want %s", len(got), got[0].method, got[0].uri, tc.uri)
			}
			for _, part := range tc.body {
				if !strings.Contains(got[0].body, part) {
					t.Errorf("body lacks %s:\n%s", part, got[0].body)
				}
			}
		})
	}
}

func TestAClientOfVersion3CallsIt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaAwsAssetDataConnectorV3, awsConnector)))
	c, _ := newClient(t, p.URL, func(cfg *Config) { cfg.APIVersion = "3.0" })
	if _, err := c.GetAWSConnector(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if uri := p.received()[0].uri; uri != "/qps/rest/3.0/get/am/awsassetdataconnector/7" {
		t.Errorf("request is %s", uri)
	}
}

func TestConnectorsOfAllPagesAreReturnedOnce(t *testing.T) {
	t.Parallel()
	page := func(more bool, ids ...int64) http.HandlerFunc {
		var records []qps.Record
		for _, id := range ids {
			records = append(records, &qps.AwsAssetDataConnector{AssetDataConnector: qps.AssetDataConnector{ID: id}})
		}
		return envelope(200, qps.NewPage(qps.SchemaAwsAssetDataConnector, records, more, ids[len(ids)-1]))
	}
	p := newPlatform(t, page(true, 2, 1), page(false, 2, 9))
	connectors, err := clientOf(t, p).AWSConnectors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, k := range connectors {
		ids = append(ids, k.ID)
	}
	if diff := cmp.Diff([]int64{1, 2, 9}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrorsOfAConnectorAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	page := func(more bool, messages ...string) http.HandlerFunc {
		var records []qps.Record
		for _, m := range messages {
			records = append(records, &qps.AssetDataConnectorErrors{ErrorMessage: m})
		}
		return envelope(200, qps.NewPage(qps.SchemaAssetDataConnectorErrors, records, more, 0))
	}
	p := newPlatform(t, page(true, "a", "b"), page(false, "c"))
	found, err := clientOf(t, p).ConnectorErrors(t.Context(), 7)
	if err != nil || len(found) != 3 || found[2].ErrorMessage != "c" {
		t.Errorf("got %v, %v", found, err)
	}
	requests := p.received()
	for i, want := range []string{`<Criteria field="id" operator="EQUALS">7</Criteria>`, "<startFromOffset>3</startFromOffset>"} {
		if r := requests[i]; r.uri != "/qps/rest/3.0/search/am/assetdataconnectorerrors" || !strings.Contains(r.body, want) {
			t.Errorf("request %d is %s %s, want %s", i, r.uri, r.body, want)
		}
	}
	for name, endless := range map[string]http.HandlerFunc{
		"the same page again": page(true, "a"),
		"a page without errors": answer(200, `<ServiceResponse><responseCode>SUCCESS</responseCode><count>0</count>
			<hasMoreRecords>true</hasMoreRecords></ServiceResponse>`),
	} {
		p := newPlatform(t, endless)
		c := clientOf(t, p)
		c.limits.pages = 3
		if _, err := c.ConnectorErrors(t.Context(), 7); err == nil || !strings.Contains(err.Error(), "do not end") || len(p.received()) > 3 {
			t.Errorf("%s: got %v after %d requests", name, err, len(p.received()))
		}
	}
}

func TestAnswersWithoutTheObjectAreAnError(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(c *Client) error{
		"get AWS connector 7: ": func(c *Client) error { _, err := c.GetAWSConnector(t.Context(), 7); return err },
		"create AWS connector: ": func(c *Client) error {
			_, err := c.CreateAWSConnector(t.Context(), qps.AwsAssetDataConnectorChange{})
			return err
		},
		"run connector 7: ":        func(c *Client) error { _, err := c.RunConnector(t.Context(), 7); return err },
		"get AWS base account 1: ": func(c *Client) error { _, err := c.GetAWSBaseAccount(t.Context(), 1); return err },
		"count connectors: ":       func(c *Client) error { _, err := c.CountConnectors(t.Context()); return err },
		"download CloudFormation template: ": func(c *Client) error {
			_, err := c.CloudFormationTemplate(t.Context(), qps.AwsCloudformationTemplate{})
			return err
		},
		"get AWS authentication record 134601: ": func(c *Client) error { _, err := c.GetAWSAuthRecord(t.Context(), 134601); return err },
	} {
		p := newPlatform(t, answer(200, "<ServiceResponse><responseCode>SUCCESS</responseCode></ServiceResponse>"))
		err := call(clientOf(t, p))
		if broken, ok := errors.AsType[*TransportError](err); !ok || broken.Kind != KindAnswer || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRefusalsOfConnectorsSayWhatTheCallWas(t *testing.T) {
	t.Parallel()
	change := qps.AwsAuthRecordChange{Name: new("gov"), SecretKey: new(clientSecretKey)}
	for name, call := range map[string]func(c *Client) error{
		"search AWS connectors":            func(c *Client) error { _, err := c.AWSConnectors(t.Context()); return err },
		"update AWS connector 7":           func(c *Client) error { return c.UpdateAWSConnector(t.Context(), 7, qps.AwsAssetDataConnectorChange{}) },
		"delete connector 7":               func(c *Client) error { return c.DeleteConnector(t.Context(), 7) },
		"run AWS connectors":               func(c *Client) error { _, err := c.RunAWSConnectors(t.Context(), 7, 8); return err },
		"run connector 7":                  func(c *Client) error { _, err := c.RunConnector(t.Context(), 7); return err },
		"search errors of connector 7":     func(c *Client) error { _, err := c.ConnectorErrors(t.Context(), 7); return err },
		"search AWS base accounts":         func(c *Client) error { _, err := c.AWSBaseAccounts(t.Context()); return err },
		"create AWS authentication record": func(c *Client) error { _, err := c.CreateAWSAuthRecord(t.Context(), change); return err },
		"download CloudFormation template": func(c *Client) error {
			_, err := c.CloudFormationTemplate(t.Context(), qps.AwsCloudformationTemplate{})
			return err
		},
	} {
		p := newPlatform(t, refusal(200, qps.CodeInvalidRequest, "AwsAssetDataConnector: not so.", "Do otherwise."))
		err := call(clientOf(t, p))
		if refused, ok := errors.AsType[*qps.ResponseError](err); !ok || refused.Code != qps.CodeInvalidRequest || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: got %v", name, err)
		} else if strings.Contains(err.Error(), clientSecretKey) {
			t.Errorf("%s shows the key: %v", name, err)
		}
	}
}

func TestRunningNoConnectorIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(200, ""))
	if _, err := clientOf(t, p).RunAWSConnectors(t.Context()); err == nil || len(p.received()) > 0 {
		t.Errorf("got %v after %d requests", err, len(p.received()))
	}
}

func TestATemplateIsToldFromWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		accepted   bool
	}{
		{"YAML", "Resources: {}\n", true},
		{"JSON", `{"Resources":{}}`, true},
		{"the page of a proxy", "<html><body>Sign in</body></html>", false},
		{"nothing", " \n", false},
		{"too much", strings.Repeat("#", templateBytes+1), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, answer(200, tc.body))
			got, err := clientOf(t, p).CloudFormationTemplate(t.Context(), qps.AwsCloudformationTemplate{})
			if tc.accepted {
				if err != nil || string(got) != tc.body {
					t.Errorf("got %q, %v", got, err)
				}
			} else if broken, ok := errors.AsType[*TransportError](err); !ok || broken.Kind != KindAnswer || got != nil {
				t.Errorf("got %.40q, %v", got, err)
			}
		})
	}
}
