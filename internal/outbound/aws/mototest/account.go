package mototest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/connector"
)

// Account is an account of AWS that belongs to one test.
type Account struct {
	ID        string // twelve digits, the first of them zero
	Partition connector.Partition
	cloud     *Cloud
	keys      connector.Credentials
}

// everything is the policy of who may do everything.
const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// Account makes an account, with a user who may do everything in it.
func (c *Cloud) Account(p connector.Partition) *Account {
	c.tb.Helper()
	a := &Account{ID: fmt.Sprintf("%012d", 1_000_000+c.front.number()), Partition: p, cloud: c}
	a.keys = a.User("administrator", everything)
	return a
}

// Keys returns the access keys of the user who may do everything.
func (a *Account) Keys() connector.Credentials { return a.keys }

// User makes a user with a policy, a JSON document, and returns the user's access keys.
func (a *Account) User(name, policy string) connector.Credentials {
	a.cloud.tb.Helper()
	a.iam("CreateUser", "UserName", name)
	a.iam("PutUserPolicy", "UserName", name, "PolicyName", "policy", "PolicyDocument", policy)
	made := a.iam("CreateAccessKey", "UserName", name)
	keys := connector.Credentials{AccessKeyID: element(made, "AccessKeyId"), SecretKey: element(made, "SecretAccessKey")}
	a.cloud.front.own(keys.AccessKeyID, a.cloud)
	return keys
}

// UserARN returns the ARN of a user of this account.
func (a *Account) UserARN(name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:user/%s", a.Partition, a.ID, name)
}

// Role makes a role with its trust policy and its permissions, JSON documents,
// and returns its ARN.
func (a *Account) Role(name, trust, permissions string) string {
	a.cloud.tb.Helper()
	made := a.iam("CreateRole", "RoleName", name, "AssumeRolePolicyDocument", trust)
	a.iam("PutRolePolicy", "RoleName", name, "PolicyName", "policy", "PolicyDocument", permissions)
	return element(made, "Arn")
}

func (a *Account) iam(action string, parameters ...string) string {
	a.cloud.tb.Helper()
	return a.Call("iam", a.Partition.HomeRegion(), action, parameters...)
}

// Launch starts instances in one reservation and returns their ids. Further
// parameters of RunInstances come in pairs: "InstanceType", "t2.nano".
func (a *Account) Launch(region string, instances int, parameters ...string) []string {
	a.cloud.tb.Helper()
	count := strconv.Itoa(instances)
	made := a.Call("ec2", region, "RunInstances", append([]string{"ImageId", "ami-03cf127a", "MinCount", count, "MaxCount", count}, parameters...)...)
	var ids []string
	for _, id := range instanceID.FindAllStringSubmatch(made, -1) {
		ids = append(ids, id[1])
	}
	if len(ids) != instances {
		a.cloud.tb.Fatalf("launched %d instances in %s, want %d: %s", len(ids), region, instances, made)
	}
	return ids
}

var instanceID = regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)</instanceId>`)

// Stop stops instances.
func (a *Account) Stop(region string, ids ...string) { a.change("StopInstances", region, ids) }

// Start starts instances that are stopped.
func (a *Account) Start(region string, ids ...string) { a.change("StartInstances", region, ids) }

// Terminate ends instances for good. They are still listed, as TERMINATED.
func (a *Account) Terminate(region string, ids ...string) {
	a.change("TerminateInstances", region, ids)
}

func (a *Account) change(action, region string, ids []string) {
	a.cloud.tb.Helper()
	var parameters []string
	for i, id := range ids {
		parameters = append(parameters, fmt.Sprintf("InstanceId.%d", i+1), id)
	}
	a.Call("ec2", region, action, parameters...)
}

// Tag gives an instance a tag, or another value to one it has.
func (a *Account) Tag(region, id, key, value string) {
	a.cloud.tb.Helper()
	a.Call("ec2", region, "CreateTags", "ResourceId.1", id, "Tag.1.Key", key, "Tag.1.Value", value)
}

// Untag takes a tag away from an instance.
func (a *Account) Untag(region, id, key string) {
	a.cloud.tb.Helper()
	a.Call("ec2", region, "DeleteTags", "ResourceId.1", id, "Tag.1.Key", key)
}

// Call makes a call of a service with the Query protocol as the account's owner,
// past faults and policies, with parameters in pairs, and returns the answer. The
// test fails when AWS says no.
func (a *Account) Call(service, region, action string, parameters ...string) string {
	tb, f := a.cloud.tb, a.cloud.front
	tb.Helper()
	form := url.Values{"Action": {action}}
	for i := 0; i+1 < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, f.moto.url, strings.NewReader(form.Encode()))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=mototest/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=none", region, service))
	request.Header.Set("X-Moto-Account-Id", a.ID)
	f.enforcing.RLock()
	defer f.enforcing.RUnlock()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		tb.Fatalf("%s %s: %v", service, action, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		tb.Fatalf("%s %s in %s: %s %s %v", service, action, region, answer.Status, body, err)
	}
	return string(body)
}

// element returns the text of the first element of a name.
func element(document, name string) string {
	_, after, _ := strings.Cut(document, "<"+name+">")
	text, _, _ := strings.Cut(after, "</"+name+">")
	return text
}
