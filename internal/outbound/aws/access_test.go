package aws_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
)

// document renders a policy or a template, as the command line prints it.
func document(t *testing.T, render func() ([]byte, error)) string {
	t.Helper()
	text, err := render()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// accessError returns the refusal that an error is, or fails the test.
func accessError(t *testing.T, err error) *connector.AccessError {
	t.Helper()
	refusal, ok := errors.AsType[*connector.AccessError](err)
	if !ok {
		t.Fatalf("error %v, want a refusal by AWS", err)
	}
	return refusal
}

const externalID = "vedette-0af1:7"

// trusted makes a role with permissions and our trust policy in an account, for a user of that account
// who has our policy for callers, and returns the user's keys with the role.
func trusted(t *testing.T, account *mototest.Account, permissions string) connector.Credentials {
	t.Helper()
	caller := account.User("base", document(t, connector.CallerPolicy(account.Partition).JSON))
	trust, err := connector.TrustPolicy(account.Partition, account.UserARN("base"), externalID)
	if err != nil {
		t.Fatal(err)
	}
	caller.RoleARN = account.Role("listing", document(t, trust.JSON), permissions)
	caller.ExternalID, caller.SessionName = externalID, connector.SessionName(7)
	return caller
}

func TestARoleMadeByOurPoliciesListsAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, p := range []connector.Partition{connector.Commercial, connector.GovCloud, connector.China} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			cloud := mototest.New(t)
			account := cloud.Account(p)
			launched := account.Launch(p.HomeRegion(), 1)
			keys := trusted(t, account, document(t, connector.PermissionPolicy().JSON))
			cloud.Enforce()

			opened := open(t, p, keys)
			if regions, err := opened.Regions(t.Context()); err != nil || len(regions) < 2 {
				t.Errorf("regions %v, %v", regions, err)
			}
			found, err := list(t, opened, p.HomeRegion())
			if err != nil || len(found) != 1 || found[0].InstanceID != launched[0] {
				t.Errorf("listed %v, %v, want %s", ids(found), err, launched[0])
			}
			for _, r := range cloud.Requests("AssumeRole") {
				if r.Form.Get("RoleSessionName") != "vedette-connector-7" {
					t.Errorf("session %q", r.Form.Get("RoleSessionName"))
				}
			}
			// The user behind the role may assume it and no more.
			keys.RoleARN = ""
			if _, err := list(t, open(t, p, keys), p.HomeRegion()); accessError(t, err).Operation != "ec2:DescribeInstances" {
				t.Errorf("the base account's user listed instances: %v", err)
			}
		})
	}
}

func TestARoleMadeByOurTemplateLists(t *testing.T) {
	t.Parallel()
	for name, render := range map[string]func(connector.Template) ([]byte, error){"JSON": connector.Template.JSON, "YAML": connector.Template.YAML} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := mototest.New(t)
			account := cloud.Account(connector.GovCloud)
			keys := account.User("base", document(t, connector.CallerPolicy(connector.GovCloud).JSON))
			template, err := connector.RoleTemplate(connector.GovCloud, "vedette", account.UserARN("base"), externalID)
			if err != nil {
				t.Fatal(err)
			}
			body, err := render(template)
			if err != nil {
				t.Fatal(err)
			}
			account.Call("cloudformation", "us-gov-west-1", "CreateStack", "StackName", "vedette", "TemplateBody", string(body), "Capabilities.member.1", "CAPABILITY_NAMED_IAM")
			stack := account.Call("cloudformation", "us-gov-west-1", "DescribeStacks", "StackName", "vedette")
			_, after, _ := strings.Cut(stack, "<OutputValue>")
			keys.RoleARN, _, _ = strings.Cut(after, "</OutputValue>")
			if want := "arn:aws-us-gov:iam::" + account.ID + ":role/vedette"; keys.RoleARN != want {
				t.Fatalf("output %q, want %s: %s", keys.RoleARN, want, stack)
			}
			account.Call("iam", "us-gov-west-1", "PutRolePolicy", "RoleName", "vedette", "PolicyName", "ListInstances", "PolicyDocument", rolePolicy(t, body))
			cloud.Enforce()

			keys.ExternalID = externalID
			if _, err := list(t, open(t, connector.GovCloud, keys), "us-gov-east-1"); err != nil {
				t.Error(err)
			}
			keys.ExternalID = "somebody else's"
			if _, err := aws.New("", aws.Limits{}).Open(t.Context(), connector.GovCloud, keys); accessError(t, err).Operation != "sts:AssumeRole" {
				t.Errorf("with another external id: %v", err)
			}
		})
	}
}

// rolePolicy returns the permissions in a template as JSON. moto cannot enforce a
// policy that it had from a stack until it is put once more as it is.
func rolePolicy(t *testing.T, template []byte) string {
	t.Helper()
	var parsed struct {
		Resources struct {
			ConnectorRole struct {
				Properties struct {
					Policies []struct {
						PolicyDocument map[string]any `yaml:"PolicyDocument"`
					} `yaml:"Policies"`
				} `yaml:"Properties"`
			} `yaml:"ConnectorRole"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(template, &parsed); err != nil { // JSON is YAML, too
		t.Fatal(err)
	}
	text, err := json.Marshal(parsed.Resources.ConnectorRole.Properties.Policies[0].PolicyDocument)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestARoleOfAnotherAccountOpensThatAccount(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	base, customer := cloud.Account(connector.GovCloud), cloud.Account(connector.GovCloud)
	base.Launch("us-gov-west-1", 1)
	theirs := customer.Launch("us-gov-west-1", 1)
	trust, err := connector.TrustPolicy(connector.GovCloud, base.ID, externalID)
	if err != nil {
		t.Fatal(err)
	}
	keys := base.Keys()
	keys.RoleARN, keys.ExternalID = customer.Role("listing", document(t, trust.JSON), document(t, connector.PermissionPolicy().JSON)), externalID
	cloud.Enforce()

	opened := open(t, connector.GovCloud, keys)
	if opened.ID() != customer.ID {
		t.Errorf("account %s, want %s", opened.ID(), customer.ID)
	}
	found, err := list(t, opened, "us-gov-west-1")
	if err != nil || len(found) != 1 || found[0].InstanceID != theirs[0] || found[0].AccountID != customer.ID {
		t.Errorf("listed %v, %v, want %s", found, err, theirs[0])
	}
}

func TestRefusalsSayWhatWasRefusedAndNoSecret(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	account := cloud.Account(connector.GovCloud)
	good := trusted(t, account, document(t, connector.PermissionPolicy().JSON))
	trust, err := connector.TrustPolicy(connector.GovCloud, account.UserARN("base"), externalID)
	if err != nil {
		t.Fatal(err)
	}
	const elsewhere = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}`
	powerless := account.Role("powerless", document(t, trust.JSON), elsewhere)
	stranger := account.User("stranger", elsewhere)
	cloud.Enforce()

	tests := []struct {
		name      string
		change    func(*connector.Credentials)
		operation string
		code      string
	}{
		{"wrong external id", func(c *connector.Credentials) { c.ExternalID = "wrong" }, "sts:AssumeRole", "HTTP 403"},
		{"wrong keys", func(c *connector.Credentials) {
			wrong := cloud.WrongKeys()
			c.AccessKeyID, c.SecretKey = wrong.AccessKeyID, wrong.SecretKey
		}, "sts:AssumeRole", "HTTP 403"},
		{"wrong secret", func(c *connector.Credentials) { c.SecretKey = "a secret that is not the key's"; c.RoleARN = "" }, "sts:GetCallerIdentity", "HTTP 403"},
		{"a user who may assume nothing", func(c *connector.Credentials) {
			c.AccessKeyID, c.SecretKey = stranger.AccessKeyID, stranger.SecretKey
		}, "sts:AssumeRole", "HTTP 403"},
		{"a role without rights", func(c *connector.Credentials) { c.RoleARN = powerless }, "ec2:DescribeInstances", "AccessDenied"},
		{"a role of another partition", func(c *connector.Credentials) {
			c.RoleARN = "arn:aws:iam::" + account.ID + ":role/listing"
		}, "sts:AssumeRole", "WrongPartition"},
		{"a user for a role", func(c *connector.Credentials) { c.RoleARN = account.UserARN("base") }, "sts:AssumeRole", "WrongRole"},
		{"nothing to authenticate with", func(c *connector.Credentials) { *c = connector.Credentials{} }, "sts:GetCallerIdentity", "NoCredentials"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			keys := good
			tt.change(&keys)
			opened, err := aws.New("", aws.Limits{}).Open(t.Context(), connector.GovCloud, keys)
			if err == nil {
				_, err = list(t, opened, "us-gov-west-1")
			}
			refusal := accessError(t, err)
			if refusal.Operation != tt.operation || refusal.Code != tt.code || refusal.Region != "us-gov-west-1" || refusal.Message == "" {
				t.Errorf("refusal %v, want code %s of %s", refusal, tt.code, tt.operation)
			}
			if keys.SecretKey != "" && strings.Contains(err.Error(), keys.SecretKey) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q tells the secret key or has lines", err)
			}
		})
	}
}

// The answer is as AWS gives it. moto's own has a form that leaves only the status.
func TestARoleThatAWSDoesNotLetAssumeIsRefusedInItsWords(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	keys := cloud.Account(connector.GovCloud).Keys()
	keys.RoleARN, keys.ExternalID = "arn:aws-us-gov:iam::000000000002:role/listing", "wrong"
	const words = "User: arn:aws-us-gov:iam::000000000001:user/base is not authorized to perform: sts:AssumeRole on resource: arn:aws-us-gov:iam::000000000002:role/listing"
	cloud.Break(mototest.Breakage{Action: "AssumeRole", Fault: mototest.Refusal(403, "AccessDenied", words)})
	_, err := aws.New("", aws.Limits{}).Open(t.Context(), connector.GovCloud, keys)
	if refusal, want := accessError(t, err), "sts:AssumeRole in us-gov-west-1: AccessDenied: "+words; refusal.Error() != want {
		t.Errorf("error %q, want %q", refusal, want)
	}
}

func TestCredentialsOfAnotherPartitionOrAccountAreRefused(t *testing.T) {
	t.Parallel()
	answer := func(arn, account string) mototest.Fault {
		return func(w http.ResponseWriter, _ *http.Request, _ mototest.Request, _ http.Handler) {
			_, _ = w.Write([]byte(`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>` + arn +
				`</Arn><UserId>AIDAEXAMPLE</UserId><Account>` + account + `</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`))
		}
	}
	tests := []struct {
		name, arn, account, code string
	}{
		{"partition", "arn:aws:sts::000000000001:assumed-role/listing/vedette", "000000000001", "WrongPartition"},
		{"account", "arn:aws-us-gov:sts::000000000001:assumed-role/listing/vedette", "000000000001", "WrongAccount"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cloud := mototest.New(t)
			keys := cloud.Account(connector.GovCloud).Keys()
			keys.RoleARN = "arn:aws-us-gov:iam::000000000002:role/listing"
			cloud.Break(mototest.Breakage{Action: "GetCallerIdentity", Fault: answer(tt.arn, tt.account)})
			_, err := aws.New("", aws.Limits{}).Open(t.Context(), connector.GovCloud, keys)
			if refusal := accessError(t, err); refusal.Code != tt.code {
				t.Errorf("refusal %v, want %s", refusal, tt.code)
			}
		})
	}
}

// Not parallel: the environment belongs to the process.
func TestARoleWithoutKeysIsAssumedWithThePlatformsOwnCredentials(t *testing.T) {
	cloud := mototest.New(t)
	account := cloud.Account(connector.China)
	keys := trusted(t, account, document(t, connector.PermissionPolicy().JSON))
	cloud.Enforce()
	own := keys
	keys.AccessKeyID, keys.SecretKey = "", ""

	_, err := aws.New("", aws.Limits{}).Open(t.Context(), connector.China, keys)
	if refusal := accessError(t, err); refusal.Code != "NoCredentials" || !strings.Contains(refusal.Message, "base account") {
		t.Errorf("without credentials of its own: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", own.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", own.SecretKey)
	if _, err := list(t, open(t, connector.China, keys), "cn-northwest-1"); err != nil {
		t.Error(err)
	}
}
