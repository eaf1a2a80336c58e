package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/backup"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/sqlite"
)

func newRestoreCommand(a *app) *cobra.Command {
	var from, configFile string
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Bring a platform back from a backup",
		Long: `Make a new data folder, and on PostgreSQL fill an empty database, from a file that
vedette backup wrote. Nothing is overwritten: a folder or database that holds
anything is refused. All of the file is verified before anything is put in place,
and a restore that is interrupted leaves at most a folder named with .partial-.

Stop the platform that is being replaced, and all its replicas, first. The restored
one is started as ever, at the address that its agents know; it then migrates an
older database. Its agents come back by themselves: see docs/operations.md for what
they do and what is lost.

Run it as the user that will run the platform, or give the folder to that user
before the start.`,
		Example: `  vedette restore --from vedette.backup --data /var/lib/vedette
  vedette restore --from vedette.backup --data /var/lib/vedette --database postgres://vedette@db/vedette
  vedette restore --from vedette.backup --config /etc/vedette/vedette.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadPlatformConfig(configFile, cmd)
			if err != nil {
				return err
			}
			if from == "" {
				return usagef("--from FILE is missing")
			}
			return restore(cmd.Context(), a, config, from)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "file that vedette backup wrote")
	flags.StringVar(&configFile, "config", "", "YAML file with the platform's configuration")
	flags.String("data", defaultDataFolder, "data folder to make; it must not exist or be empty")
	flags.String("database", "", "postgres:// URL of the empty database to fill, for a backup from PostgreSQL")
	return cmd
}

func restore(ctx context.Context, a *app, config platformConfig, from string) (err error) {
	if err := cmp.Or(config.checkData(), checkDatabaseURL(config.Database), refuseFolderInUse(config.Data)); err != nil {
		return err
	}
	archive, err := backup.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	m := &archive.Manifest
	if err := refuseNewerSchema(m); err != nil {
		return err
	}
	err = withMeter(a.stderr, func(show *meter) error {
		target, err := restoreTarget(ctx, m, config, store.Restoration{Made: m.Created, At: a.now()}, show)
		if err != nil {
			return err
		}
		return backup.Restore(ctx, archive, target, show.at)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s is as it was at %s. Start the platform on it at the address its agents know, then see docs/operations.md for what they do.\n",
		printable(config.Data), m.Created.Format(time.RFC3339))
	return err
}

// refuseFolderInUse says that a platform runs on the folder, which is more to the
// point than that it is not empty.
func refuseFolderInUse(path string) error {
	lock := flock.New((&dataFolder{path: path}).file("lock"), flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !free:
		return fault.New(fault.Conflict, fmt.Sprintf("Data folder %s is in use by another process.", path), "Stop that one, or choose another folder with --data.")
	case err != nil:
		return nil // whatever it is, the folder is not empty
	}
	return lock.Unlock()
}

// restoreTarget says what becomes of the copy of the database, and refuses what
// cannot work before anything is extracted.
func restoreTarget(ctx context.Context, m *backup.Manifest, config platformConfig, r store.Restoration, show *meter) (backup.Target, error) {
	target := backup.Target{Folder: config.Data}
	switch {
	case m.Database.Engine == backup.SQLite && config.Database != "":
		return target, fault.New(fault.Invalid, "database: this backup is of a platform on SQLite, which is restored to the data folder alone.", "Leave --database, or database in the configuration file, out.")
	case m.Database.Engine == backup.SQLite:
		target.DatabaseName = databaseFile
		target.Database = func(ctx context.Context, path string) error {
			show.at("settling the database", 0, 0)
			return sqlite.Settle(ctx, path, r)
		}
		return target, nil
	case config.Database == "":
		return target, fault.New(fault.Invalid, "database: this backup is of a platform on PostgreSQL.", "Make an empty database, and name it with --database postgres://USER@HOST/DATABASE.")
	}
	of := postgres.Dumped{Schema: m.Database.Schema, Server: m.Database.Server, Tool: m.Database.Tool}
	target.DatabaseName = "database.dump"
	target.Database = func(ctx context.Context, path string) error {
		progress := func(done, total int64) { show.at("restoring the database", done, total) }
		if err := postgres.Load(ctx, config.Database, path, of, progress); err != nil {
			return err
		}
		show.at("settling the database", 0, 0)
		if err := postgres.Settle(ctx, config.Database, r); err != nil {
			return err
		}
		return os.Remove(path)
	}
	return target, postgres.CheckEmpty(ctx, config.Database, of)
}
