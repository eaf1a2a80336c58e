package fleet_test

import (
	"strings"
	"testing"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

func TestQueriesMatchTheInstancesTheyDescribe(t *testing.T) {
	t.Parallel()
	host := &fleet.HostFacts{Instance: &qps.EC2Source{
		AccountID: "012345678901", Region: "us-east-1", AvailabilityZone: "us-east-1a", InstanceID: "i-0a", InstanceState: "RUNNING",
		InstanceType: "t3.micro", ImageID: "ami-1", VPCID: "vpc-1", SpotInstance: true,
		Tags: []qps.CloudTag{{Key: "team", Value: "web shop"}, {Key: "env", Value: "a,b [1] \"x\""}, {Key: "empty"}},
	}}
	for query, want := range map[string]bool{
		"aws.ec2.region.code: us-east-1":                                    true,
		"aws.ec2.region.code:`us-east-1`":                                   true,
		"aws.ec2.region.code: us-east":                                      false,
		"aws.ec2.region.code: US-EAST-1":                                    false,
		"aws.ec2.accountId: 012345678901":                                   true,
		"aws.ec2.instanceState: [STOPPED, RUNNING]":                         true,
		"aws.ec2.spotInstance: true":                                        true,
		"not aws.ec2.vpcId: vpc-1":                                          false,
		"NOT aws.ec2.subnetId: subnet-1":                                    true,
		"aws.ec2.vpcId: vpc-2 or aws.ec2.imageId: ami-1":                    true,
		"aws.ec2.vpcId: vpc-1 and aws.ec2.imageId: ami-2":                   false,
		"aws.ec2.vpcId: x and aws.ec2.vpcId: x or aws.ec2.vpcId: vpc-1":     true, // and binds tighter
		"aws.ec2.vpcId: x and (aws.ec2.vpcId: x or aws.ec2.vpcId: vpc-1)":   false,
		"not (aws.ec2.vpcId: x or not aws.ec2.vpcId: vpc-1)":                true,
		"not not aws.ec2.vpcId: vpc-1":                                      true,
		`aws.tags: (key: team and value: "web shop")`:                       true,
		"aws.tags: (key: team and not value: other)":                        true,
		"aws.tags: (key: env and value: \"web shop\")":                      false,
		"aws.tags.key: env and aws.tags.value: \"web shop\"":                true, // two tags
		"aws.tags.value: `a,b [1] \"x\"`":                                   true,
		`aws.tags: (key: empty and value: "")`:                              true,
		"aws.ec2.instanceId:i-0a":                                           true,
		"aws.ec2.availabilityZone: us-east-1a and aws.ec2.privateDNS: [``]": false,
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			rule, err := fleet.CompileRule(fleet.RuleCloudAsset, query)
			if err != nil {
				t.Fatal(err)
			}
			if got := rule.Match(host); got != want {
				t.Errorf("matches: %t, want %t", got, want)
			}
			if rule.Match(&fleet.HostFacts{}) {
				t.Error("a host that is no instance matches")
			}
		})
	}
}

func TestAQueryThatIsNoneIsRefusedWithWhatIsWrong(t *testing.T) {
	t.Parallel()
	for query, says := range map[string]string{
		"region: us-east-1":              "where a field is expected",
		"aws.ec2.vpcId":                  "where : is expected",
		"aws.ec2.vpcId: ":                "a value is expected",
		"aws.ec2.vpcId: [a, ]":           "a value is expected",
		"aws.ec2.vpcId: [a b]":           "where ] is expected",
		`aws.ec2.vpcId: "a`:              "a value is expected",
		"aws.ec2.vpcId: a b":             "'b' where and, or or the end",
		`aws.ec2.vpcId: a ""`:            "'' where and, or or the end",
		"(aws.ec2.vpcId: a":              "where ) is expected",
		"aws.ec2.vpcId: a and":           "'' where a field",
		"aws.tags: key: a":               "where ( is expected",
		"aws.tags: (aws.ec2.vpcId: a)":   "'aws.ec2.vpcId' where a field",
		strings.Repeat("not ", 50) + "x": "nests deeper",
		strings.Repeat("aws.ec2.vpcId:a or ", 99) + strings.Repeat("aws.ec2.vpcId:a or ", 5) + "x": "more than 100",
		"aws.ec2.vpcId: [a" + strings.Repeat(",a", 200) + "]":                                      "more than 100 values",
	} {
		t.Run(says+" "+query[:min(20, len(query))], func(t *testing.T) {
			t.Parallel()
			_, err := fleet.CompileRule(fleet.RuleCloudAsset, query)
			if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), says) {
				t.Errorf("error is %v, want one that says %q", err, says)
			}
		})
	}
}

func FuzzQueriesEndAndDoNotPanic(f *testing.F) {
	for _, seed := range []string{"aws.tags:(key:a and not value:[b,`c`])", `"`, "((not", "aws.ec2.vpcId:a or", "\x00:[\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if rule, err := fleet.CompileRule(fleet.RuleCloudAsset, text); err == nil {
			rule.Match(&fleet.HostFacts{Instance: &qps.EC2Source{VPCID: "a", Tags: []qps.CloudTag{{Key: "a"}}}})
		}
	})
}
