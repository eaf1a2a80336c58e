package platform

import (
	"context"
	"errors"
	"maps"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/vault"
	outboundvault "vedette.dev/vedette/internal/outbound/vault"
)

// Vaults fetches what connections have from password vaults; it is a run.Vaults. It is
// safe for concurrent use.
type Vaults struct{ Source *outboundvault.Source }

// Fetch implements run.Vaults.
func (v Vaults) Fetch(ctx context.Context, from run.Vault, item connection.VaultItem) (string, error) {
	value, _, err := v.Source.Fetch(ctx, settingsOf(from), vault.Item{Path: item.Path, Field: item.Field})
	if failure, ok := errors.AsType[*vault.Failure](err); ok {
		return "", &run.VaultError{Vault: from.Connection.Name, StatusCode: failure.StatusCode, Message: failure.Message, Resolution: failure.Resolution}
	}
	if err != nil {
		return "", err
	}
	return value.Reveal(), nil
}

// Drop implements run.Vaults.
func (v Vaults) Drop(from run.Vault, item connection.VaultItem) {
	v.Source.Drop(settingsOf(from), vault.Item{Path: item.Path, Field: item.Field})
}

func settingsOf(from run.Vault) vault.Settings {
	parameters := maps.Clone(from.Connection.Parameters)
	if parameters == nil {
		parameters = map[string]string{}
	}
	maps.Copy(parameters, from.Secrets)
	return integration.VaultSettings(parameters)
}

// opened is the vault of one session.
type opened struct {
	source   *outboundvault.Source
	settings vault.Settings
}

// LogIn implements integration.Vault.
func (o opened) LogIn(ctx context.Context) error { return o.source.LogIn(ctx, o.settings) }

// FetchAll implements integration.Vault. Who asks to see an item wants to see what is
// there now.
func (o opened) FetchAll(ctx context.Context, path string) (vault.Document, error) {
	o.source.Drop(o.settings, vault.Item{Path: path})
	return o.source.FetchAll(ctx, o.settings, path)
}
