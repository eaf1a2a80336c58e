package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/sqlite"
)

// auditPatience bounds the wait for the audit row of a rotation that was cut off.
const auditPatience = 10 * time.Second

func newSecretsCommand(a *app) *cobra.Command {
	group := newGroup("secrets", "Renew the keys that a platform seals secrets with",
		`The access keys of AWS in a platform's database are sealed with keys that are in the
database too, sealed in turn with trust/secrets.key of the data folder.`)
	group.Example = "  vedette secrets rotate"
	group.AddCommand(newSecretsRotateCommand(a))
	return group
}

func newSecretsRotateCommand(a *app) *cobra.Command {
	var configFile, format string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Seal all secrets with a new key, while the platform runs",
		Long: `Make a new key, seal the secrets of the database with it, and drop the old keys: for
whoever owns the data folder. The platform and its replicas may run, connectors too:
until its last secret is sealed anew, an old key opens. A rotation that was cut off is
finished by the next one. The audit log has a row.

The keys are sealed with the first key in trust/secrets.key. To renew that one as well,
follow docs/operations.md, "Keys of secrets": a replica that does not have it yet could
not read secrets any more.

The access keys themselves stay what they are. Renew those in AWS, and with
'vedette connectors auth-records update'.`,
		Example: `  vedette secrets rotate
  vedette secrets rotate --config /etc/vedette/vedette.yaml -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadPlatformConfig(configFile, cmd)
			if err != nil {
				return err
			}
			return rotateSecrets(cmd.Context(), a, config, outputFormat(format))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&configFile, "config", "", "YAML file with the platform's configuration")
	flags.String("data", defaultDataFolder, "the platform's data folder")
	flags.String("database", "", "the platform's postgres:// URL; SQLite in the data folder by default")
	formats := []string{string(formatTable), string(formatJSON)}
	format = formats[0]
	flags.VarP(oneOf{&format, formats}, "output", "o", "what to print: a line of text, or json")
	completeOneOf(cmd, "output", formats)
	return cmd
}

func rotateSecrets(ctx context.Context, a *app, config platformConfig, format outputFormat) (err error) {
	if err := cmp.Or(config.checkData(), checkDatabaseURL(config.Database)); err != nil {
		return err
	}
	folder := &dataFolder{path: config.Data}
	if err := checkPlatformFolder(folder, config.Database); err != nil {
		return err
	}
	db, err := attachSecrets(ctx, folder, config.Database, a.now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var sealed int64
	rotation := withMeter(a.stderr, func(show *meter) (err error) {
		sealed, err = db.RotateSecrets(ctx, func(done, total int64) { show.count("sealing secrets", done, total) })
		return err
	})
	if err := errors.Join(rotation, a.recordRotation(ctx, db, sealed, rotation)); err != nil {
		return err
	}
	if format == formatJSON {
		return writeJSON(a.stdout, struct {
			Sealed int64 `json:"sealed"`
		}{sealed})
	}
	_, err = fmt.Fprintf(a.stdout, "%s sealed with a new key.\n", countedAs(sealed, "secret is", "secrets are"))
	return err
}

// attachSecrets opens the database of a platform that may run, and its secrets. The
// lock of the folder is the platform's.
func attachSecrets(ctx context.Context, folder *dataFolder, database string, now func() time.Time) (db *store.Store, err error) {
	text, err := folder.read("trust", envelopeFile)
	if err != nil {
		return nil, err
	}
	if text == nil { // and making one is the platform's business
		return nil, fault.New(fault.Conflict, fmt.Sprintf("There is no %s.", folder.file("trust", envelopeFile)),
			"Copy the trust folder of the replica, or of the backup, that the database belongs to; a platform that never ran with this version makes it at its start.")
	}
	if database != "" {
		db, err = postgres.Attach(ctx, database, now)
	} else {
		db, err = sqlite.Attach(ctx, folder.file(databaseFile), now)
	}
	if err != nil {
		return nil, err
	}
	if err := openSecrets(ctx, db, folder); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// recordRotation adds the row to the audit log, also when the rotation was cut off.
func (a *app) recordRotation(ctx context.Context, db *store.Store, sealed int64, rotation error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditPatience)
	defer cancel()
	e := access.Entry{
		Time: a.now().UTC(), Actor: folderOwner, Action: "rotate secrets", Outcome: access.Done,
		Detail: counted(sealed, "secret") + ", with vedette secrets rotate, past the API",
	}
	if rotation != nil {
		e.Outcome, e.Detail = access.Failed, e.Detail+": "+rotation.Error()
	}
	return db.Append(ctx, e)
}
