package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
)

var _ connector.Accounts = (*Store)(nil)

// Kinds and fields of secrets. They are part of what is sealed and never change.
const (
	authRecordSecrets  = "aws_auth_record"
	baseAccountSecrets = "aws_base_account"
	accessKeyField     = "access_key_id"
	secretKeyField     = "secret_key"
)

func (t *Tx) sealKeys(ctx context.Context, kind string, id int64, k connector.Keys) error {
	return t.seal(ctx, kind, id, map[string]string{accessKeyField: k.AccessKeyID, secretKeyField: k.SecretKey})
}

func (t *Tx) unsealKeys(ctx context.Context, kind string, id int64) (connector.Keys, error) {
	values, err := t.unseal(ctx, kind, id)
	return connector.Keys{AccessKeyID: values[accessKeyField], SecretKey: values[secretKeyField]}, err
}

const authRecordQuery = "SELECT id, name, description, created, modified FROM aws_auth_records"

func (t *Tx) authRecords(ctx context.Context, where string, args ...any) ([]connector.AuthRecord, error) {
	var records []connector.AuthRecord
	err := t.each(ctx, authRecordQuery+where, args, func(rows *sql.Rows) error {
		var r connector.AuthRecord
		var created, modified sql.NullInt64
		if err := rows.Scan(&r.ID, &r.Name, &r.Description, &created, &modified); err != nil {
			return err
		}
		r.Created, r.Modified = when(created), when(modified)
		records = append(records, r)
		return nil
	})
	return records, err
}

// AuthRecords returns every authentication record; see connector.Accounts.
func (s *Store) AuthRecords(ctx context.Context) ([]connector.AuthRecord, error) {
	var records []connector.AuthRecord
	err := s.view(ctx, func(tx *Tx) (err error) {
		records, err = tx.authRecords(ctx, " ORDER BY id")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read authentication records: %w", err)
	}
	return records, nil
}

// CreateAuthRecord stores a record with its keys; see connector.Accounts.
func (s *Store) CreateAuthRecord(ctx context.Context, r connector.AuthRecord, k connector.Keys) (connector.AuthRecord, error) {
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.lockSubscription(ctx); err != nil {
			return err
		}
		var there int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM aws_auth_records").Scan(&there); err != nil {
			return err
		}
		if there >= connector.MaxAuthRecords {
			return fault.New(fault.Conflict, fmt.Sprintf("There are %d authentication records, which is the limit.", there), "Delete one first.")
		}
		err := tx.QueryRow(ctx, "INSERT INTO aws_auth_records (name, description, created, modified) VALUES (?, ?, ?, ?) RETURNING id",
			r.Name, r.Description, seconds(r.Created), seconds(r.Modified)).Scan(&r.ID)
		if err != nil {
			return err
		}
		return tx.sealKeys(ctx, authRecordSecrets, r.ID, k)
	})
	if err != nil {
		return connector.AuthRecord{}, fmt.Errorf("create authentication record %q: %w", r.Name, err)
	}
	return r, nil
}

// UpdateAuthRecords changes records; see connector.Accounts.
func (s *Store) UpdateAuthRecords(ctx context.Context, ids []int64, k connector.Keys, change func(connector.AuthRecord) connector.AuthRecord) ([]connector.AuthRecord, error) {
	var after []connector.AuthRecord
	err := s.InTx(ctx, func(tx *Tx) error {
		before, err := tx.theseAuthRecords(ctx, ids)
		if err != nil {
			return err
		}
		after = nil
		for _, r := range before {
			r = change(r)
			_, err := tx.Exec(ctx, "UPDATE aws_auth_records SET name = ?, description = ?, modified = ? WHERE id = ?", r.Name, r.Description, seconds(r.Modified), r.ID)
			if err == nil && k.Given() {
				err = tx.sealKeys(ctx, authRecordSecrets, r.ID, k)
			}
			if err != nil {
				return err
			}
			after = append(after, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("update %d authentication records: %w", len(ids), err)
	}
	return after, nil
}

// theseAuthRecords returns records in ascending order of id and keeps them as they are.
func (t *Tx) theseAuthRecords(ctx context.Context, ids []int64) ([]connector.AuthRecord, error) {
	records, err := t.authRecords(ctx, " WHERE "+t.dialect.InIDs("id")+" ORDER BY id"+t.dialect.ForUpdate(), t.dialect.IDsParam(ids))
	if err != nil {
		return nil, err
	}
	there := make(map[int64]bool, len(records))
	for _, r := range records {
		there[r.ID] = true
	}
	for _, id := range ids {
		if !there[id] {
			return nil, fault.New(fault.NotFound, fmt.Sprintf("There is no authentication record %d.", id), "Search for the authentication records there are.")
		}
	}
	return records, nil
}

// DeleteAuthRecords removes records with their keys; see connector.Accounts.
func (s *Store) DeleteAuthRecords(ctx context.Context, ids []int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.lockSubscription(ctx); err != nil {
			return err
		}
		records, err := tx.theseAuthRecords(ctx, ids)
		if err != nil {
			return err
		}
		for _, r := range records {
			err := tx.refuseWhileUsed(ctx, fmt.Sprintf("Authentication record %d", r.ID), "Give them other credentials, or delete them, first.", "auth_record_id = ?", r.ID)
			if err != nil {
				return err
			}
		}
		if err := tx.forget(ctx, authRecordSecrets, ids); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM aws_auth_records WHERE "+s.dialect.InIDs("id"), s.dialect.IDsParam(ids))
		return err
	})
	if err != nil {
		return fmt.Errorf("delete %d authentication records: %w", len(ids), err)
	}
	return nil
}

// refuseWhileUsed refuses to take away what connectors need, and names some.
func (t *Tx) refuseWhileUsed(ctx context.Context, what, resolution, where string, args ...any) error {
	const named = 5
	using, err := t.ids(ctx, "SELECT id FROM connectors WHERE "+where+" ORDER BY id LIMIT ?", append(args, named+1)...)
	if err != nil || len(using) == 0 {
		return err
	}
	list := make([]string, 0, named)
	for _, id := range using[:min(named, len(using))] {
		list = append(list, fmt.Sprint(id))
	}
	text := strings.Join(list, ", ")
	if len(using) > named {
		text += " and others"
	}
	return fault.New(fault.Conflict, fmt.Sprintf("%s is used by connectors %s.", what, text), resolution)
}

// BaseAccounts returns the base accounts there are; see connector.Accounts.
func (s *Store) BaseAccounts(ctx context.Context) ([]connector.BaseAccount, error) {
	var accounts []connector.BaseAccount
	err := s.view(ctx, func(tx *Tx) error {
		return tx.each(ctx, "SELECT partition, account_id, modified FROM aws_base_accounts ORDER BY id", nil, func(rows *sql.Rows) error {
			var a connector.BaseAccount
			var modified sql.NullInt64
			if err := rows.Scan(&a.Partition, &a.AccountID, &modified); err != nil {
				return err
			}
			a.Modified = when(modified)
			accounts = append(accounts, a)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read base accounts: %w", err)
	}
	return accounts, nil
}

// SetBaseAccount stores a base account; see connector.Accounts.
func (s *Store) SetBaseAccount(ctx context.Context, a connector.BaseAccount, k connector.Keys) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `INSERT INTO aws_base_accounts (partition, account_id, modified) VALUES (?, ?, ?)
			ON CONFLICT (partition) DO UPDATE SET account_id = excluded.account_id, modified = excluded.modified RETURNING id`,
			string(a.Partition), a.AccountID, seconds(a.Modified)).Scan(&id)
		if err != nil {
			return err
		}
		return tx.sealKeys(ctx, baseAccountSecrets, id, k)
	})
	if err != nil {
		return fmt.Errorf("set base account of %s: %w", a.Partition, err)
	}
	return nil
}

// DeleteBaseAccount removes a base account; see connector.Accounts.
func (s *Store) DeleteBaseAccount(ctx context.Context, p connector.Partition) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.lockSubscription(ctx); err != nil {
			return err
		}
		if p == connector.China {
			err := tx.refuseWhileUsed(ctx, "The base account of China", "Give them authentication records, or delete them, first.",
				"partition = ? AND role_arn <> ''", string(p))
			if err != nil {
				return err
			}
		}
		var id int64
		err := tx.QueryRow(ctx, "DELETE FROM aws_base_accounts WHERE partition = ? RETURNING id", string(p)).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, fmt.Sprintf("There is no base account of %s.", p.Name()), "")
		}
		if err != nil {
			return err
		}
		return tx.forget(ctx, baseAccountSecrets, []int64{id})
	})
	if err != nil {
		return fmt.Errorf("delete base account of %s: %w", p, err)
	}
	return nil
}

// optionColumns are where the options of partitions are.
var optionColumns = map[connector.Partition]string{connector.GovCloud: "govcloud", connector.China: "china"}

// PartitionOptions returns the options; see connector.Accounts.
func (s *Store) PartitionOptions(ctx context.Context) (connector.Options, error) {
	var o connector.Options
	if err := s.queryRow(ctx, "SELECT govcloud, china FROM subscription").Scan(&o.GovCloud, &o.China); err != nil {
		return o, fmt.Errorf("read options: %w", found(err, "subscription in the database"))
	}
	return o, nil
}

// SetPartitionOption switches an option; see connector.Accounts.
func (s *Store) SetPartitionOption(ctx context.Context, p connector.Partition, on bool) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.lockSubscription(ctx); err != nil {
			return err
		}
		if !on {
			err := tx.refuseWhileUsed(ctx, fmt.Sprintf("The %s option", p.Name()), "Disable or delete them first.", "partition = ? AND NOT disabled", string(p))
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "UPDATE subscription SET "+optionColumns[p]+" = ?", on)
		return err
	})
	if err != nil {
		return fmt.Errorf("switch the %s option: %w", p.Name(), err)
	}
	return nil
}

// lockSubscription reads what of the subscription decides on connectors. What
// connectors depend on, and they themselves, change one after the other.
func (t *Tx) lockSubscription(ctx context.Context) (connector.Subscription, error) {
	var s connector.Subscription
	err := t.QueryRow(ctx, "SELECT govcloud, china FROM subscription"+t.dialect.ForNoKeyUpdate()).Scan(&s.Options.GovCloud, &s.Options.China)
	if err != nil {
		return s, fmt.Errorf("lock options: %w", found(err, "subscription in the database"))
	}
	return s, t.each(ctx, "SELECT partition FROM aws_base_accounts ORDER BY id", nil, func(rows *sql.Rows) error {
		var p connector.Partition
		err := rows.Scan(&p)
		s.BaseAccounts = append(s.BaseAccounts, p)
		return err
	})
}
