package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"vedette.dev/vedette/internal/connector"
)

// account implements connector.Account.
type account struct {
	partition connector.Partition
	id        string
	config    sdk.Config
	renewable *sdk.CredentialsCache // nil: keys, which nothing renews
	limits    Limits
}

// ID implements connector.Account.
func (a *account) ID() string { return a.id }

// identify asks whose account it is.
func (a *account) identify(ctx context.Context) error {
	const operation = "sts:GetCallerIdentity"
	region := a.partition.HomeRegion()
	client := sts.NewFromConfig(a.config)
	identity, err := call(ctx, a, operation, region, func(ctx context.Context) (*sts.GetCallerIdentityOutput, error) {
		return client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	})
	if err != nil {
		return err
	}
	who, err := arn.Parse(sdk.ToString(identity.Arn))
	if err != nil {
		return fmt.Errorf("%s in %s: the answer %q is no ARN", operation, region, sdk.ToString(identity.Arn))
	}
	if connector.Partition(who.Partition) != a.partition {
		return refused(operation, region, "WrongPartition",
			fmt.Sprintf("the credentials are of partition %s, the connector of %s (%s)", who.Partition, a.partition, a.partition.Name()))
	}
	a.id = sdk.ToString(identity.Account)
	if !accountForm.MatchString(a.id) {
		return fmt.Errorf("%s in %s: the account %q does not have twelve digits", operation, region, a.id)
	}
	return nil
}

// Regions implements connector.Account.
func (a *account) Regions(ctx context.Context) ([]string, error) {
	region := a.partition.HomeRegion()
	client := ec2.NewFromConfig(a.config)
	told, err := call(ctx, a, "ec2:DescribeRegions", region, func(ctx context.Context) (*ec2.DescribeRegionsOutput, error) {
		return client.DescribeRegions(ctx, &ec2.DescribeRegionsInput{}) // those that are enabled
	})
	if err != nil {
		return nil, err
	}
	var regions []string
	for _, r := range told.Regions {
		name := sdk.ToString(r.RegionName)
		if p, known := connector.PartitionOf(name); known && p == a.partition && sdk.ToString(r.OptInStatus) != "not-opted-in" {
			regions = append(regions, name)
		}
	}
	slices.Sort(regions)
	return slices.Compact(regions), nil
}

// pageSize is the most instances AWS gives at once (EC2 API, DescribeInstances).
const pageSize = 1000

// Instances implements connector.Account.
func (a *account) Instances(ctx context.Context, region string, take func([]connector.Instance) error) error {
	const operation = "ec2:DescribeInstances"
	// The SDK makes a host name of whatever is called a region.
	if p, known := connector.PartitionOf(region); !known || p != a.partition {
		return fmt.Errorf("%q is no region of %s (%s)", region, a.partition, a.partition.Name())
	}
	client := ec2.NewFromConfig(a.config, func(o *ec2.Options) { o.Region = region })
	input := &ec2.DescribeInstancesInput{MaxResults: sdk.Int32(pageSize)}
	for {
		page, err := call(ctx, a, operation, region, func(ctx context.Context) (*ec2.DescribeInstancesOutput, error) {
			return client.DescribeInstances(ctx, input)
		})
		if err != nil {
			return err
		}
		// A page may be empty and not the last one.
		if found := a.mapPage(region, page.Reservations); len(found) > 0 {
			if err := take(found); err != nil {
				return err
			}
		}
		next := sdk.ToString(page.NextToken)
		if next == "" {
			return nil
		}
		if next == sdk.ToString(input.NextToken) {
			return fmt.Errorf("%s in %s: AWS gave the same page twice", operation, region)
		}
		input.NextToken = &next
	}
}

// call makes one call within the time limit. A role's credentials that AWS calls
// expired, before their time or by a clock that is wrong, are renewed once.
func call[T any](ctx context.Context, a *account, operation, region string, do func(context.Context) (T, error)) (T, error) {
	answer, err := bounded(ctx, a.limits, operation, region, do)
	if refusal, ok := errors.AsType[*connector.AccessError](err); ok && expired(refusal.Code) && a.renewable != nil {
		a.renewable.Invalidate()
		answer, err = bounded(ctx, a.limits, operation, region, do)
	}
	return answer, err
}

func bounded[T any](ctx context.Context, limits Limits, operation, region string, do func(context.Context) (T, error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, limits.Call)
	defer cancel()
	unreached := &cause{}
	answer, err := do(context.WithValue(limited, causeKey{}, unreached))
	if err == nil {
		return answer, nil
	}
	var none T
	if ctx.Err() != nil {
		return none, ctx.Err() // the caller's end, not AWS's failure
	}
	if limited.Err() != nil {
		return none, &failure{fmt.Sprintf("%s in %s: no answer within %s%s", operation, region, limits.Call, unreached.words()), err}
	}
	return none, explain(err, operation, region)
}
