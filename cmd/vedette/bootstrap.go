package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/performance"
)

const (
	adminUsername = "admin"
	firstKeyTitle = "First key"
)

// bootstrap makes what a platform cannot be without, as far as it is missing: the
// subscription and an administrator, and for a fleet the system tag, the system
// profiles and an activation key. It returns, and keeps in admin.env, what is needed
// to use them. It can be cut off anywhere and run again.
func (p *platform) bootstrap(ctx context.Context, now time.Time) (adminEnv, error) {
	content, err := p.folder.read(adminEnvFile)
	if err != nil {
		return adminEnv{}, err
	}
	admin := readAdminEnv(content)
	admin.url, admin.caFile = p.url, p.folder.caFile()
	if admin.customerID, err = p.store.EnsureSubscription(ctx, uuid.NewString(), now); err != nil {
		return adminEnv{}, err
	}
	if !p.alone {
		if admin.activationKey, err = bootstrapFleet(ctx, p.store, now); err != nil {
			return adminEnv{}, err
		}
	}
	return admin, ensureAdmin(ctx, p.store, p.folder, &admin, now)
}

// bootstrapFleet makes what no fleet can be without. It returns the activation key
// to install agents with.
func bootstrapFleet(ctx context.Context, db *store.Store, now time.Time) (key string, err error) {
	if _, err := db.EnsureSystemTag(ctx, now); err != nil {
		return "", err
	}
	if err := db.EnsureSystemProfiles(ctx, systemProfiles(now)); err != nil {
		return "", err
	}
	return ensureKey(ctx, db, now)
}

// systemProfiles are the three recommended levels; Normal is for every agent
// that no rule gives another.
func systemProfiles(now time.Time) []fleet.Profile {
	levels := []struct {
		name  string
		level performance.Level
	}{{"Low", performance.Low}, {"Normal", performance.Normal}, {"High", performance.High}}
	profiles := make([]fleet.Profile, 0, len(levels))
	for i, l := range levels {
		profiles = append(profiles, fleet.Profile{
			Name: l.name, Description: l.name + " performance, as recommended.",
			System: true, Default: l.level == performance.Normal, Priority: i + 1,
			Performance: performance.Recommended(l.level), Created: now,
		})
	}
	return profiles
}

// ensureKey returns the activation key to install agents with: the oldest that
// makes any number of them at any time, otherwise the oldest there is. It makes
// one only where there is none, because who disabled or limited keys meant it;
// agents are then refused with the reason.
func ensureKey(ctx context.Context, db *store.Store, now time.Time) (string, error) {
	keys, err := db.ActivationKeys(ctx)
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		if !key.Disabled && key.Type == fleet.KeyUnlimited {
			return key.Key, nil
		}
	}
	if len(keys) > 0 {
		return keys[0].Key, nil
	}
	key, err := db.CreateActivationKey(ctx, fleet.ActivationKey{
		Key: uuid.NewString(), Title: firstKeyTitle, Type: fleet.KeyUnlimited,
		Modules: []fleet.Module{fleet.ModuleVM, fleet.ModulePC, fleet.ModuleSwCA}, Created: now,
	})
	return key.Key, err
}

// ensureAdmin makes the administrator of a database without users, with the
// password of admin.env. The file is written first: a password that nobody knows
// would lock everybody out. Once there are users, managers decide who is one: an
// administrator they removed does not come back with the next start.
func ensureAdmin(ctx context.Context, db *store.Store, folder *dataFolder, admin *adminEnv, now time.Time) error {
	users, err := db.Users(ctx)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return folder.write(admin.encode(), 0o600, adminEnvFile)
	}
	admin.username = adminUsername
	if admin.password == "" {
		admin.password = rand.Text()
	}
	if err := folder.write(admin.encode(), 0o600, adminEnvFile); err != nil {
		return err
	}
	hash, err := access.HashPassword(admin.password)
	if err != nil {
		return err
	}
	_, err = db.CreateUser(ctx, access.User{
		Username: adminUsername, FirstName: "Vedette", LastName: "Administrator",
		Roles: []access.Role{{ID: access.ManagerRoleID}}, PasswordHash: hash, Created: now,
	})
	if fault.Is(err, fault.Conflict) {
		// Another replica was faster, with a password of its own: this one's file is
		// like that of a replica that joins later.
		admin.username, admin.password = "", ""
		return folder.write(admin.encode(), 0o600, adminEnvFile)
	}
	if err != nil {
		return fmt.Errorf("create user %s: %w", adminUsername, err)
	}
	return nil
}
