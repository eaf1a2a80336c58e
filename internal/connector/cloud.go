package connector

import (
	"context"
	"strconv"
)

// Credentials are how to get into an account. Either Role is set, with the base
// account's keys or the platform's own credentials behind it, or the keys are
// the account's. Never log them.
type Credentials struct {
	AccessKeyID string // empty: the platform's own credentials
	SecretKey   string
	RoleARN     string
	ExternalID  string
	SessionName string // of the assumed role, see SessionName; empty: the product's
}

// SessionName returns how the calls of a connector with a role show in the
// CloudTrail of the account.
func SessionName(connectorID int64) string {
	return "vedette-connector-" + strconv.FormatInt(connectorID, 10)
}

// Cloud opens accounts of AWS.
type Cloud interface {
	// Open proves the credentials and says whose account they open. Credentials
	// of another partition, and a role that opens another account than its ARN
	// says, are refused with an AccessError. Other errors are those of Account.
	Open(ctx context.Context, p Partition, c Credentials) (Account, error)
}

// Account is an AWS account that was opened. It is safe for concurrent use.
// Errors carry AWS's code and message as text and never a secret; they are an
// AccessError where AWS refused the credentials or a right. A call that AWS does
// not answer in time is an error, not a hang; throttling is waited out within that
// time.
type Account interface {
	// ID is the account's twelve digits.
	ID() string
	// Regions lists the regions of the partition that are enabled, sorted.
	Regions(ctx context.Context) ([]string, error)
	// Instances passes every instance of a region to take, page by page, also
	// terminated ones. It ends at the first error of take or of AWS; nil means
	// the listing was complete.
	Instances(ctx context.Context, region string, take func([]Instance) error) error
}

// AccessError is a refusal by AWS that repeating does not mend: wrong keys, a
// role that may not be assumed, a missing right.
type AccessError struct {
	Operation string // e.g. sts:AssumeRole
	Region    string // where it was asked
	Code      string // of AWS, e.g. UnauthorizedOperation, or NoCredentials, WrongRole, WrongPartition, WrongAccount of ours
	Message   string
	Err       error
}

// Error says which operation was refused, where and why.
func (e *AccessError) Error() string {
	return e.Operation + " in " + e.Region + ": " + e.Code + ": " + e.Message
}

// Unwrap returns the error it was made of.
func (e *AccessError) Unwrap() error { return e.Err }
