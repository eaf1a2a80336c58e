package qps

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testSecretKey = "wJalrXUt/nFEMI+invented"

func TestAccessKeysReadTheSameFromBothForms(t *testing.T) {
	t.Parallel()
	want := AwsAuthRecordChange{
		ID: new(int64(7)), Name: new("gov"), Description: new(""), AccessKeyID: new("AKIAINVENTED"), SecretKey: new(testSecretKey),
	}
	for _, body := range []string{
		`<ServiceRequest><data><AwsAuthRecord><id>7</id><name> gov </name><description/><accessKeyId>AKIAINVENTED</accessKeyId>
			<secretKey> ` + testSecretKey + ` </secretKey><created>2031-04-01T01:00:44Z</created></AwsAuthRecord></data></ServiceRequest>`,
		`{"ServiceRequest":{"data":{"AwsAuthRecord":{"id":"7","name":"gov","description":null,"accessKeyId":"AKIAINVENTED","secretKey":"` + testSecretKey + `"}}}}`,
	} {
		got, err := ParseAwsAuthRecordChange(dataOf(t, body))
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n(-want +got):\n%s", body, diff)
		}
	}
	mustArrive(t, want)
	kept, err := ParseAwsAuthRecordChange(dataOf(t, `<ServiceRequest><data><AwsAuthRecord><accessKeyId/><secretKey></secretKey></AwsAuthRecord></data></ServiceRequest>`))
	if err != nil || kept != (AwsAuthRecordChange{}) {
		t.Errorf("empty keys are read as %v, %v", kept, err)
	}
}

func TestNothingPrintsASecretKey(t *testing.T) {
	t.Parallel()
	change := AwsAuthRecordChange{Name: new("gov"), SecretKey: new(testSecretKey)}
	inside := struct{ Change AwsAuthRecordChange }{change}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("a", "change", change, "inside", inside, "pointer", &change)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("a", "change", change, "inside", inside, "pointer", &change)
	printed := logged.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%T"} {
		printed += fmt.Sprintf(strings.Repeat(verb+" ", 3), change, inside, &change)
	}
	text, err := json.Marshal(inside)
	if err == nil {
		t.Errorf("it is written as JSON: %s", text)
	}
	printed += string(text) + err.Error()
	for _, value := range []any{testSecretKey, *change.SecretKey, change.SecretKey, fmt.Sprintf("%x", testSecretKey)} {
		if s := fmt.Sprint(value); strings.Contains(printed, s) {
			t.Errorf("%q is printed in %s", s, printed)
		}
	}
	if !strings.Contains(printed, `AwsAuthRecord name "gov" with a secret key`) {
		t.Errorf("printed is only %s", printed)
	}
}

func TestErrorsRepeatNoSecretKey(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		`<secretKey>` + testSecretKey + `</secretKey><secretKey>` + testSecretKey + `</secretKey>`,
		`<secretKey><x>` + testSecretKey + `</x></secretKey>`,
		`<secretKey>` + testSecretKey + `</secretKey><id>x</id>`,
	} {
		got, err := ParseAwsAuthRecordChange(dataOf(t, "<ServiceRequest><data><AwsAuthRecord>"+content+"</AwsAuthRecord></data></ServiceRequest>"))
		if err == nil || strings.Contains(err.Error(), testSecretKey) || got.SecretKey != nil {
			t.Errorf("%s gives %v and %v", content, got, err)
		}
	}
}

// TestKeysInAnAnswerAreNotKept is for a platform that shows what none should.
func TestKeysInAnAnswerAreNotKept(t *testing.T) {
	t.Parallel()
	resp := decodeResponse(t, XML, []byte(`<ServiceResponse><responseCode>SUCCESS</responseCode><data><AwsAuthRecord><id>7</id>
		<accessKeyId>AKIAINVENTED</accessKeyId><secretKey>`+testSecretKey+`</secretKey></AwsAuthRecord></data></ServiceResponse>`))
	for _, form := range forms {
		if body := string(AppendResponse(nil, form, resp, nil)); strings.Contains(body, testSecretKey) || strings.Contains(body, "AKIA") {
			t.Errorf("%s", body)
		}
	}
}

func TestATemplateRequestArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	for _, sent := range []AwsCloudformationTemplate{{}, {AWSCloudType: "GOV", ExternalID: "x & y", Capability: "AI"}} {
		mustArrive(t, sent)
	}
}
