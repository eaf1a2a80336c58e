// Package mototest gives tests an AWS: a server of moto, which keeps the state of
// EC2, STS, IAM and CloudFormation as AWS does, one for each test binary.
//
//	cloud := mototest.New(t)
//	account := cloud.Account(connector.GovCloud)
//	account.Launch("us-gov-west-1", 3)
//	opened, err := aws.New("1.0", aws.Limits{}).Open(ctx, connector.GovCloud, account.Keys())
//
// The product finds it by AWS_ENDPOINT_URL, in this process and in those it
// starts. The first New of a process sets that and removes all other AWS_…
// variables; a test that wants one sets it afterwards.
//
// In front of moto, requests are told apart by their access keys. So tests run in
// parallel: each has accounts of its own, its own faults, and decides for itself
// whether IAM policies are enforced.
//
// Where moto is missing the test fails and says how to get it. moto ends with
// the test binary, also when that is killed.
//
// What moto does otherwise than AWS: it enforces the trust policy of a role only
// for callers of the role's own account; DescribeRegions names the regions of all
// partitions; a refusal by STS is in words the SDK cannot read; terminated
// instances stay for good and keep their addresses.
package mototest
