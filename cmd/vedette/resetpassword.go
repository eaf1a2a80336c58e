package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

// folderOwner is the actor of what is done past the platform's API, by whoever may
// write to its data folder.
const folderOwner = "owner of the data folder"

func newResetPasswordCommand(a *app) *cobra.Command {
	var configFile string
	cmd := &cobra.Command{
		Use:   "reset-password [USER]",
		Short: "Set a new password of a user of a platform whose passwords are lost",
		Long: `Set a new password of a user, admin by default, past the API: for whoever owns the
data folder of a platform that nobody can sign in to any more. The platform on the
data folder must be stopped. The password is generated and shown this once; all
tokens of the user end, and the audit log has a row.

admin.env gets the password as well when it names that user or none.
A password that somebody still may set is set with 'vedette users password'.`,
		Example: `  vedette reset-password
  vedette reset-password ada --data /var/lib/vedette
  vedette reset-password --config /etc/vedette/vedette.yaml`,
		Args: atMostOneUser,
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := loadPlatformConfig(configFile, cmd)
			if err != nil {
				return err
			}
			username := adminUsername
			if len(args) == 1 {
				username = args[0]
			}
			return resetPassword(cmd.Context(), a, config, username)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&configFile, "config", "", "YAML file with the platform's configuration")
	flags.String("data", defaultDataFolder, "the platform's data folder")
	flags.String("database", "", "the platform's postgres:// URL; SQLite in the data folder by default")
	return cmd
}

func resetPassword(ctx context.Context, a *app, config platformConfig, username string) (err error) {
	if err := cmp.Or(config.checkData(), checkDatabaseURL(config.Database)); err != nil {
		return err
	}
	if err := checkPlatformFolder(&dataFolder{path: config.Data}, config.Database); err != nil {
		return err
	}
	folder, err := openDataFolder(config.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.close()) }()
	db, err := openStore(ctx, config.Database, folder, a.now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	password := rand.Text()
	if err := a.setLostPassword(ctx, db, username, password); err != nil {
		return err
	}
	kept, err := keepPassword(folder, username, password)
	if err != nil {
		return errors.Join(fmt.Errorf("the new password of %s is %s, but it could not be kept", username, password), err)
	}
	fmt.Fprintf(a.stdout, "The new password of %s: %s\n", username, password)
	if kept {
		fmt.Fprintf(a.stderr, "It is in %s too.\n", printable(folder.file(adminEnvFile)))
	} else {
		fmt.Fprintln(a.stderr, shownOnce)
	}
	return nil
}

// setLostPassword sets the password of an enabled user, and says so in the audit
// log. Without the row the password is an error, and nobody learns it.
func (a *app) setLostPassword(ctx context.Context, db *store.Store, username, password string) error {
	users, err := db.Users(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(users, func(u access.User) bool { return u.Username == username })
	if i < 0 || users[i].Disabled {
		state := "There is no user " + quote(username) + "."
		if i >= 0 {
			state = "The user " + quote(username) + " is disabled: a password would not let them in."
		}
		return fault.New(fault.NotFound, state, "Name one of the enabled managers: "+strings.Join(enabledManagers(users), ", ")+".")
	}
	hash, err := access.HashPassword(password)
	if err != nil {
		return err
	}
	_, err = db.UpdateUser(ctx, username, func(u *access.User) error {
		u.PasswordHash, u.PasswordChanged = hash, a.now().UTC()
		return nil
	})
	if err != nil {
		return err
	}
	return db.Append(ctx, access.Entry{
		Time: a.now().UTC(), Actor: folderOwner, Action: "reset password", Object: username, Outcome: access.Done,
		Detail: "with vedette reset-password, past the API",
	})
}

// enabledManagers names those who may do everything; storage keeps at least one.
func enabledManagers(users []access.User) (names []string) {
	for _, u := range users {
		if !u.Disabled && u.Manager() {
			names = append(names, u.Username)
		}
	}
	return names
}

// keepPassword writes the password to an admin.env that names the user, or nobody:
// somebody else's stays what it is.
func keepPassword(folder *dataFolder, username, password string) (kept bool, err error) {
	content, err := folder.read(adminEnvFile)
	if err != nil {
		return false, err
	}
	admin := readAdminEnv(content)
	if admin.username != "" && admin.username != username {
		return false, nil
	}
	admin.username, admin.password = username, password
	return true, folder.write(admin.encode(), 0o600, adminEnvFile)
}
