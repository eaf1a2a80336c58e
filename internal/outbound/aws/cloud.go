package aws

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	smithy "github.com/aws/smithy-go/middleware"

	"vedette.dev/vedette/internal/connector"
)

// Limits are how patient a Cloud is. Zero fields get the defaults, which are
// those of the product.
type Limits struct {
	Request time.Duration // until the answer to one request is read; 30 s
	Call    time.Duration // for a request with its repetitions and the pauses between; 2 min
	Tries   int           // of one call, when AWS throttles or fails; 8
	Pause   time.Duration // the longest between two tries; 20 s
}

// Cloud opens accounts. It is safe for concurrent use.
type Cloud struct {
	limits  Limits
	version string // of the product, for AWS's logs
	client  *awshttp.BuildableClient
}

// New returns a Cloud that names the product's version to AWS.
func New(version string, limits Limits) *Cloud {
	limits.Request = cmp.Or(limits.Request, 30*time.Second)
	limits.Call = cmp.Or(limits.Call, 2*time.Minute)
	limits.Tries = cmp.Or(limits.Tries, 8)
	limits.Pause = cmp.Or(limits.Pause, 20*time.Second)
	return &Cloud{limits: limits, version: version, client: awshttp.NewBuildableClient().WithTimeout(limits.Request)}
}

// renewEarly is how long before their end the credentials of a role are renewed,
// so that they outlive a call.
const renewEarly = 3 * time.Minute

// Open implements connector.Cloud. It asks STS who the credentials are, and
// refuses those of another partition or, for a role, of another account than the
// role's.
func (c *Cloud) Open(ctx context.Context, p connector.Partition, given connector.Credentials) (connector.Account, error) {
	var roleAccount string
	if given.RoleARN != "" {
		role, err := parseRole(p, given.RoleARN)
		if err != nil {
			return nil, err
		}
		roleAccount = role.AccountID
	} else if given.AccessKeyID == "" {
		return nil, refused("sts:GetCallerIdentity", p.HomeRegion(), "NoCredentials", "there is neither a role to assume nor a pair of access keys")
	}
	configured, cache, err := c.configure(ctx, p, given)
	if err != nil {
		return nil, err
	}
	opened := &account{partition: p, config: configured, renewable: cache, limits: c.limits}
	if err := opened.identify(ctx); err != nil {
		return nil, err
	}
	if roleAccount != "" && opened.id != roleAccount {
		return nil, refused("sts:GetCallerIdentity", p.HomeRegion(), "WrongAccount",
			fmt.Sprintf("the role %s opens account %s", given.RoleARN, opened.id))
	}
	return opened, nil
}

// parseRole reads the ARN of a role of a partition.
func parseRole(p connector.Partition, role string) (arn.ARN, error) {
	parsed, err := arn.Parse(role)
	if err != nil || parsed.Service != "iam" || !strings.HasPrefix(parsed.Resource, "role/") || !accountForm.MatchString(parsed.AccountID) {
		return arn.ARN{}, refused("sts:AssumeRole", p.HomeRegion(), "WrongRole",
			fmt.Sprintf("%q is not the ARN of a role, such as arn:%s:iam::123456789012:role/vedette", role, p))
	}
	if connector.Partition(parsed.Partition) != p {
		return arn.ARN{}, refused("sts:AssumeRole", p.HomeRegion(), "WrongPartition",
			fmt.Sprintf("the role %s is of partition %s, the connector of %s (%s)", role, parsed.Partition, p, p.Name()))
	}
	return parsed, nil
}

var accountForm = regexp.MustCompile(`^\d{12}$`)

// configure returns how to reach an account. The cache is that of a role's
// credentials, nil without a role.
func (c *Cloud) configure(ctx context.Context, p connector.Partition, given connector.Credentials) (sdk.Config, *sdk.CredentialsCache, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRegion(p.HomeRegion()),
		config.WithHTTPClient(c.client),
		config.WithRetryer(c.limits.retryer),
		config.WithLogger(logging.Nop{}), // it complains of answers that we report as errors
		config.WithAPIOptions([]func(*smithy.Stack) error{middleware.AddUserAgentKeyValue("vedette", c.version)}),
	}
	if given.AccessKeyID != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(given.AccessKeyID, given.SecretKey, "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return sdk.Config{}, nil, fmt.Errorf("read the AWS configuration of this host: %w", err)
	}
	// After loading: the SDK wants its own client to put AWS_CA_BUNDLE into.
	loaded.HTTPClient = sizeLimited{loaded.HTTPClient, answerLimit}
	if given.RoleARN == "" {
		return loaded, nil, nil
	}
	if err := c.proveOwn(ctx, p, loaded, given); err != nil {
		return sdk.Config{}, nil, err
	}
	assume := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), given.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = cmp.Or(given.SessionName, "vedette")
		if given.ExternalID != "" {
			o.ExternalID = &given.ExternalID
		}
	})
	cache := sdk.NewCredentialsCache(assume, func(o *sdk.CredentialsCacheOptions) { o.ExpiryWindow = renewEarly })
	assuming := loaded.Copy()
	assuming.Credentials = cache
	return assuming, cache, nil
}

// proveOwn says so in plain words when a role is to be assumed with credentials
// of the platform and there are none.
func (c *Cloud) proveOwn(ctx context.Context, p connector.Partition, loaded sdk.Config, given connector.Credentials) error {
	if given.AccessKeyID != "" {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, c.limits.Call)
	defer cancel()
	if _, err := loaded.Credentials.Retrieve(bounded); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &connector.AccessError{
			Operation: "sts:AssumeRole", Region: p.HomeRegion(), Code: "NoCredentials", Err: err,
			Message: "the platform has no AWS credentials of its own to assume the role with; give it some (environment, instance profile) or set a base account",
		}
	}
	return nil
}

func refused(operation, region, code, message string) error {
	return &connector.AccessError{Operation: operation, Region: region, Code: code, Message: message}
}
