package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/backup"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/sqlite"
)

// databaseFile is the SQLite database in a data folder.
const databaseFile = "vedette.db"

func newBackupCommand(a *app) *cobra.Command {
	var configFile, output string
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Back a platform up to one file, while it runs",
		Long: `Write everything that a platform needs to come back to one file: a consistent copy
of its database, the keys that its agents trust, its certificates, admin.env and the
releases that its agents upgrade to.

The file holds secrets: whoever has it can pose as this platform to its agents and
sign in to it. It is not encrypted. It is made readable for you alone; keep it so.

The platform may run, and its writers do not wait. On PostgreSQL the copy is made by
pg_dump, which must be installed. The file appears under its name when it is complete;
until then there is a folder beside it, named with .partial-, which needs room for
an uncompressed copy of the database. Nothing is overwritten.

Not in it: the configuration file and certificates that it names, and this host's
own agent, which has an identity of its own.`,
		Example: `  vedette backup --output vedette.backup
  vedette backup --config /etc/vedette/vedette.yaml --output /var/backups/vedette-$(date +%F).backup
  vedette backup verify vedette.backup`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadPlatformConfig(configFile, cmd)
			if err != nil {
				return err
			}
			if output == "" {
				return usagef("--output FILE is missing")
			}
			return backUp(cmd.Context(), a, config, output)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&output, "output", "", "file to write; it must not exist")
	flags.StringVar(&configFile, "config", "", "YAML file with the platform's configuration")
	flags.String("data", defaultDataFolder, "the platform's data folder")
	flags.String("database", "", "the platform's postgres:// URL; SQLite in the data folder by default")
	cmd.AddCommand(newBackupVerifyCommand(a))
	return cmd
}

func newBackupVerifyCommand(a *app) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Read a backup to its end and check all of it",
		Long: `Read a backup to its end, compare everything with the digests in its manifest, and
say what it is. Exit code 0 means that it is whole and that this program can restore it.`,
		Example: `  vedette backup verify /var/backups/vedette-2026-05-01.backup
  vedette backup verify vedette.backup -o json`,
		Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return verifyBackup(cmd.Context(), a, args[0], outputFormat(format))
		},
	}
	formats := []string{string(formatTable), string(formatJSON)}
	format = formats[0]
	cmd.Flags().VarP(oneOf{&format, formats}, "output", "o", "what to print: the manifest as table or json")
	completeOneOf(cmd, "output", formats)
	return cmd
}

func backUp(ctx context.Context, a *app, config platformConfig, output string) error {
	if err := config.checkData(); err != nil {
		return err
	}
	folder := &dataFolder{path: config.Data}
	if err := checkDatabaseURL(config.Database); err != nil {
		return err
	}
	if err := checkPlatformFolder(folder, config.Database); err != nil {
		return err
	}
	var m *backup.Manifest
	var skipped []string
	var unpublished error
	err := withMeter(a.stderr, func(show *meter) (err error) {
		m, err = backup.Create(ctx, output, backup.Source{
			Vedette: buildVersion(), Created: a.now(),
			Database: func(ctx context.Context, path string) (backup.Database, error) {
				if config.Database != "" {
					return copyPostgreSQL(ctx, config.Database, path, show)
				}
				return copySQLite(ctx, folder.file(databaseFile), path, show)
			},
			Files: func() (files []backup.File, err error) {
				if files, skipped, err = folder.secrets(); err != nil {
					return nil, err
				}
				var published []backup.File
				published, unpublished = folder.releases(backup.MaxFiles - len(files))
				return append(files, published...), nil
			},
		}, show.at)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range skipped {
		fmt.Fprintf(a.stderr, "vedette: %s is not in the backup: it is no file of a platform\n", printable(folder.file(name)))
	}
	if unpublished != nil {
		fmt.Fprintf(a.stderr, "vedette: the releases of the agent are not in the backup: %s\n", printable(unpublished.Error()))
	}
	size := ""
	if info, err := os.Stat(output); err == nil {
		size = ", " + byteSize(info.Size())
	}
	_, err = fmt.Fprintf(a.stdout, "%s%s: %s database with schema %d, %d files. It holds secrets.\n",
		printable(output), size, m.Database.Engine, m.Database.Schema, len(m.Members)-1)
	return err
}

// checkDatabaseURL refuses what is no URL of a PostgreSQL database, before a folder
// is made for it. None stands for SQLite.
func checkDatabaseURL(database string) error {
	if database == "" || strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://") {
		return nil
	}
	return fault.New(fault.Invalid, "database: only postgres:// URLs are allowed; a platform on SQLite has none.", "")
}

// checkPlatformFolder refuses folders that no platform has been started on.
func checkPlatformFolder(folder *dataFolder, database string) error {
	need := []string{"trust"}
	if database == "" {
		need = append(need, databaseFile)
	}
	for _, name := range need {
		_, err := os.Stat(folder.file(name))
		switch {
		case errors.Is(err, fs.ErrPermission):
			return fault.New(fault.Conflict, fmt.Sprintf("%s may not be read by this user.", folder.path), "Run the command as the user that runs the platform.")
		case errors.Is(err, fs.ErrNotExist) && name == databaseFile:
			return fault.New(fault.Conflict, fmt.Sprintf("Data folder %s holds no database.", folder.path), "Name the folder with --data, or, when the platform uses PostgreSQL, its configuration with --config.")
		case errors.Is(err, fs.ErrNotExist):
			return fault.New(fault.Conflict, fmt.Sprintf("%s is not the data folder of a platform: it has no folder %s.", folder.path, name), "Name the folder with --data or --config.")
		case err != nil:
			return fmt.Errorf("data folder: %w", err)
		}
	}
	return nil
}

func copySQLite(ctx context.Context, from, to string, show *meter) (backup.Database, error) {
	progress := func(done, total int64) { show.at("copying the database", done, total) }
	if err := sqlite.Copy(ctx, from, to, progress); err != nil {
		return backup.Database{}, err
	}
	show.at("checking the copy", 0, 0)
	if err := sqlite.Check(ctx, to); err != nil {
		return backup.Database{}, err
	}
	schema, err := sqlite.Schema(ctx, to)
	return backup.Database{Engine: backup.SQLite, Schema: schema}, err
}

func copyPostgreSQL(ctx context.Context, database, to string, show *meter) (backup.Database, error) {
	of, err := postgres.Dump(ctx, database, to, func(done int64) { show.at("copying the database", done, 0) })
	return backup.Database{Engine: backup.PostgreSQL, Schema: of.Schema, Server: of.Server, Tool: of.Tool}, err
}

func verifyBackup(ctx context.Context, a *app, path string, format outputFormat) (err error) {
	archive, err := backup.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	if err := withMeter(a.stderr, func(show *meter) error { return archive.Verify(ctx, show.at) }); err != nil {
		return err
	}
	if err := refuseNewerSchema(&archive.Manifest); err != nil {
		return err
	}
	if format == formatJSON {
		return writeJSON(a.stdout, archive.Manifest)
	}
	describeBackup(a.stdout, path, &archive.Manifest)
	return nil
}

// refuseNewerSchema refuses a database that an older program cannot use.
func refuseNewerSchema(m *backup.Manifest) error {
	newest := sqlite.KnownSchema
	if m.Database.Engine == backup.PostgreSQL {
		newest = postgres.KnownSchema
	}
	known, err := newest()
	if err != nil {
		return err
	}
	if m.Database.Schema > known {
		return fault.New(fault.Conflict, fmt.Sprintf("The backup's database has schema %d; this program knows schemas up to %d.", m.Database.Schema, known),
			fmt.Sprintf("Use vedette %s or newer, which made the backup.", m.Vedette))
	}
	return nil
}

func describeBackup(w io.Writer, path string, m *backup.Manifest) {
	var files []string
	for _, member := range m.Members {
		if file, ok := member.File(); ok {
			files = append(files, file)
		}
	}
	engine := string(m.Database.Engine)
	if m.Database.Engine == backup.PostgreSQL {
		engine = fmt.Sprintf("%s %d, copied by pg_dump %d", engine, m.Database.Server, m.Database.Tool)
	}
	fmt.Fprintf(w, "%s is whole.\n\n", printable(path))
	fmt.Fprintf(w, "  Made      %s by vedette %s, format %d\n", m.Created.Format(time.RFC3339), printable(m.Vedette), m.Format)
	fmt.Fprintf(w, "  Database  %s, schema %d, %s\n", engine, m.Database.Schema, byteSize(m.Members[0].Size))
	fmt.Fprintf(w, "  Files     %s\n", printable(strings.Join(files, ", ")))
}
