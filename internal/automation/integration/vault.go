package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/vault"
	"vedette.dev/vedette/internal/hidden"
)

// VaultIntegration is the name of the integration of password vaults.
const VaultIntegration = "openbao"

// Vault is a password vault that a session is with.
type Vault interface {
	// LogIn proves the credentials anew, whatever is kept of before.
	LogIn(ctx context.Context) error
	// FetchAll returns the fields at a path. The error of both is a *vault.Failure.
	FetchAll(ctx context.Context, path string) (vault.Document, error)
}

// VaultSettings returns how a vault is reached by the checked parameters of its
// connection.
func VaultSettings(checked map[string]string) vault.Settings {
	return vault.Settings{
		Address: checked[ParameterServerURL], Namespace: checked["namespace"], Mount: checked["mount"], Auth: vault.Auth(checked["auth"]),
		Token: hidden.New(checked["token"]), RoleID: checked["roleId"], SecretID: hidden.New(checked["secretId"]), AuthMount: checked["authMount"],
		CA: checked[ParameterCACertificate],
	}
}

func vaultOperations() map[string]operation {
	return map[string]operation{"test-connection": testVault, "fetch-credential": fetchCredential}
}

func testVault(ctx context.Context, x *execution) automation.Outcome {
	if err := x.session.Vault.LogIn(ctx); err != nil {
		return x.vaultFailure(err)
	}
	return automation.Outcome{
		State:   automation.Successful,
		Result:  automation.Table{Columns: []string{"RETURN DATA"}, Rows: [][]string{{string(automation.Successful)}}},
		RawData: json.RawMessage(`{}`),
	}
}

// veiled stands for a value: that it can be fetched is to be seen, not what it is.
const veiled = "********"

func fetchCredential(ctx context.Context, x *execution) automation.Outcome {
	found, err := x.session.Vault.FetchAll(ctx, x.call.Values.Text("path"))
	if err != nil {
		return x.vaultFailure(err)
	}
	out := automation.Outcome{State: automation.Successful, Result: automation.Table{Columns: []string{"FIELD", "VALUE"}}}
	fields := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(found.Fields)) {
		fields[name] = veiled
		out.Result.Rows = append(out.Result.Rows, []string{name, veiled})
	}
	raw, err := json.Marshal(map[string]any{"path": found.Path, "version": found.Version, "created": found.Created.UTC().Format(time.RFC3339), "fields": fields})
	if err != nil {
		return x.command.Fail(fmt.Errorf("encode what was fetched: %w", err))
	}
	out.RawData, out.ContextData = raw, json.RawMessage("["+string(raw)+"]")
	out.Notes = []string{"Values are not shown and not kept. A connection names path and field of those that it uses."}
	return out
}

func (x *execution) vaultFailure(err error) automation.Outcome {
	failure, ok := errors.AsType[*vault.Failure](err)
	if !ok {
		return x.command.Fail(err)
	}
	entry := failure.Entry()
	entry.Indicator = x.command.Indicator
	return automation.Outcome{State: automation.Failed, Errors: []automation.Error{entry}}
}
