package connector

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// MaxAuthRecords bounds the authentication records of a platform.
const MaxAuthRecords = 10_000

// maxSecretKey bounds a secret key in bytes; those of AWS have 40.
const maxSecretKey = 256

// accessKeyForm is that of AWS IAM API, AccessKey, AccessKeyId.
var accessKeyForm = regexp.MustCompile(`^\w{16,128}$`)

// check says what is wrong with a pair of keys, without showing them.
func (k Keys) check() error {
	switch {
	case k.AccessKeyID == "":
		return invalid("accessKeyId: the element is missing.", "Specify accessKeyId and secretKey together.")
	case k.SecretKey == "":
		return invalid("secretKey: the element is missing.", "Specify accessKeyId and secretKey together.")
	case !accessKeyForm.MatchString(k.AccessKeyID):
		return invalid("accessKeyId: the value is not that of an access key.", "Specify 16 to 128 letters, digits and underscores.")
	case len(k.SecretKey) > maxSecretKey || strings.ContainsFunc(k.SecretKey, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }):
		return invalid("secretKey: the value is not that of a secret access key.", fmt.Sprintf("Specify at most %d visible ASCII characters.", maxSecretKey))
	}
	return nil
}

// SearchAuthRecords returns the authentication records that meet all criteria, in
// ascending order of id; all of them without criteria.
func (d *Directory) SearchAuthRecords(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion) ([]AuthRecord, error) {
	if err := managed(scope); err != nil {
		return nil, err
	}
	all, err := d.Accounts.AuthRecords(ctx)
	if err != nil {
		return nil, err
	}
	return matching(authRecordSchema, all, criteria)
}

// AuthRecord returns one authentication record, or fault.NotFound.
func (d *Directory) AuthRecord(ctx context.Context, scope fleet.Scope, id int64) (AuthRecord, error) {
	all, err := d.SearchAuthRecords(ctx, scope, nil)
	if err != nil {
		return AuthRecord{}, err
	}
	for _, r := range all {
		if r.ID == id {
			return r, nil
		}
	}
	return AuthRecord{}, fault.New(fault.NotFound, fmt.Sprintf("There is no authentication record %d.", id), "Search for the authentication records there are.")
}

// CreateAuthRecord makes an authentication record; name and keys must be given.
func (d *Directory) CreateAuthRecord(ctx context.Context, scope fleet.Scope, change qps.AwsAuthRecordChange) (AuthRecord, error) {
	if err := managed(scope); err != nil {
		return AuthRecord{}, err
	}
	r := applyAuthRecord(AuthRecord{Created: d.now()}, change, d)
	if err := checkName(r.Name); err != nil {
		return AuthRecord{}, err
	}
	if err := checkDescription(r.Description); err != nil {
		return AuthRecord{}, err
	}
	keys := keysOf(change)
	if err := keys.check(); err != nil {
		return AuthRecord{}, err
	}
	return d.Accounts.CreateAuthRecord(ctx, r, keys)
}

// UpdateAuthRecord changes an authentication record. New keys are used from the
// next run on; one at work goes on with the old ones.
func (d *Directory) UpdateAuthRecord(ctx context.Context, scope fleet.Scope, id int64, change qps.AwsAuthRecordChange) (AuthRecord, error) {
	if err := managed(scope); err != nil {
		return AuthRecord{}, err
	}
	updated, err := d.updateAuthRecords(ctx, []int64{id}, change)
	if err != nil {
		return AuthRecord{}, err
	}
	return updated[0], nil
}

// UpdateAuthRecordsMatching changes all authentication records that meet the
// criteria.
func (d *Directory) UpdateAuthRecordsMatching(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion, change qps.AwsAuthRecordChange) ([]AuthRecord, error) {
	selected, err := d.selectedAuthRecords(ctx, scope, criteria, "update authentication records")
	if err != nil || len(selected) == 0 {
		return nil, err
	}
	return d.updateAuthRecords(ctx, authIDs(selected), change)
}

func (d *Directory) updateAuthRecords(ctx context.Context, ids []int64, change qps.AwsAuthRecordChange) ([]AuthRecord, error) {
	if change.Name != nil {
		if err := checkName(strings.TrimSpace(*change.Name)); err != nil {
			return nil, err
		}
	}
	if change.Description != nil {
		if err := checkDescription(*change.Description); err != nil {
			return nil, err
		}
	}
	keys := keysOf(change)
	if keys.Given() {
		if err := keys.check(); err != nil {
			return nil, err
		}
	}
	return d.Accounts.UpdateAuthRecords(ctx, ids, keys, func(r AuthRecord) AuthRecord { return applyAuthRecord(r, change, d) })
}

func applyAuthRecord(r AuthRecord, change qps.AwsAuthRecordChange, d *Directory) AuthRecord {
	set(&r.Name, trimmed(change.Name))
	set(&r.Description, change.Description)
	r.Modified = d.now()
	return r
}

func keysOf(change qps.AwsAuthRecordChange) Keys {
	var k Keys
	set(&k.AccessKeyID, change.AccessKeyID)
	set(&k.SecretKey, change.SecretKey)
	return k
}

// DeleteAuthRecord removes an authentication record. One that a connector refers
// to is fault.Conflict.
func (d *Directory) DeleteAuthRecord(ctx context.Context, scope fleet.Scope, id int64) error {
	if err := managed(scope); err != nil {
		return err
	}
	return d.Accounts.DeleteAuthRecords(ctx, []int64{id})
}

// DeleteAuthRecordsMatching removes all authentication records that meet the
// criteria and returns them.
func (d *Directory) DeleteAuthRecordsMatching(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion) ([]AuthRecord, error) {
	selected, err := d.selectedAuthRecords(ctx, scope, criteria, "delete authentication records")
	if err != nil || len(selected) == 0 {
		return nil, err
	}
	return selected, d.Accounts.DeleteAuthRecords(ctx, authIDs(selected))
}

func (d *Directory) selectedAuthRecords(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion, what string) ([]AuthRecord, error) {
	if err := managed(scope); err != nil {
		return nil, err
	}
	if err := checkSelection(criteria, what); err != nil {
		return nil, err
	}
	return d.SearchAuthRecords(ctx, scope, criteria)
}

func authIDs(records []AuthRecord) []int64 {
	list := make([]int64, len(records))
	for i := range records {
		list[i] = records[i].ID
	}
	return list
}

// BaseAccounts returns the base accounts there are.
func (d *Directory) BaseAccounts(ctx context.Context, scope fleet.Scope) ([]BaseAccount, error) {
	if err := managed(scope); err != nil {
		return nil, err
	}
	return d.Accounts.BaseAccounts(ctx)
}

// SetBaseAccount makes an account the one that assumes the roles of a partition,
// in place of the former one, from the next run of each connector on.
func (d *Directory) SetBaseAccount(ctx context.Context, scope fleet.Scope, p Partition, accountID string, k Keys) error {
	if err := managed(scope); err != nil {
		return err
	}
	if _, known := regionForms[p]; !known {
		return invalid(fmt.Sprintf("partition: invalid value '%s'.", echo(string(p))), "Values expected: aws, aws-us-gov, aws-cn.")
	}
	if !accountForm.MatchString(accountID) {
		return invalid(fmt.Sprintf("accountId: invalid value '%s'.", echo(accountID)), "Specify the 12 digits of an AWS account.")
	}
	if err := k.check(); err != nil {
		return err
	}
	return d.Accounts.SetBaseAccount(ctx, BaseAccount{Partition: p, AccountID: accountID, Modified: d.now()}, k)
}

// DeleteBaseAccount removes the base account of a partition, or is
// fault.NotFound: the platform's own credentials assume its roles again. China has
// no such credentials, so that is fault.Conflict while a connector needs them.
func (d *Directory) DeleteBaseAccount(ctx context.Context, scope fleet.Scope, p Partition) error {
	if err := managed(scope); err != nil {
		return err
	}
	return d.Accounts.DeleteBaseAccount(ctx, p)
}

// Options returns which partitions the subscription may list.
func (d *Directory) Options(ctx context.Context, scope fleet.Scope) (Options, error) {
	if err := managed(scope); err != nil {
		return Options{}, err
	}
	return d.Accounts.PartitionOptions(ctx)
}

// SetOption switches the option of GovCloud or China. It cannot be switched off
// while an enabled connector lists the partition: fault.Conflict.
func (d *Directory) SetOption(ctx context.Context, scope fleet.Scope, p Partition, on bool) error {
	if err := managed(scope); err != nil {
		return err
	}
	if p != GovCloud && p != China {
		return invalid(fmt.Sprintf("partition: '%s' has no option.", echo(string(p))), "Values expected: aws-us-gov, aws-cn.")
	}
	return d.Accounts.SetPartitionOption(ctx, p, on)
}
