package platform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/outbound/platform"
	"vedette.dev/vedette/internal/outbound/vault"
	"vedette.dev/vedette/internal/outbound/vault/vaulttest"
)

var start = time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)

const (
	password = "correct-horse-7431"
	secretID = "planted-secret-id"
)

// The vault is a server of the published HTTP API: neither OpenBao nor HashiCorp Vault
// can be installed by these tests.
func setup(t *testing.T) (*vaulttest.Server, *platform.Sessions, run.Vault) {
	t.Helper()
	now := func() time.Time { return start }
	server := vaulttest.New(t, now)
	server.Role("role", secretID, time.Hour)
	server.Put("soc/qualys", map[string]any{"username": "ada", "password": password})
	source := vault.NewSource(vault.Options{Now: now})
	t.Cleanup(source.Close)
	of, _ := integration.Find(integration.VaultIntegration)
	parameters, err := of.CheckParameters(map[string]string{"Vault Server URL": server.URL, "auth": "approle", "roleId": "role", "secretId": secretID, "CA Certificate": server.CA})
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{"secretId": parameters["secretId"]}
	delete(parameters, "secretId")
	c := connection.Connection{ID: 4, Integration: of.Name, Name: "bao", Active: true, Parameters: parameters, Stored: []string{"secretId"}}
	return server, &platform.Sessions{Now: now, Vaults: platform.Vaults{Source: source}}, run.Vault{Connection: c, Secrets: secrets}
}

// execute runs a command of the vault's connection.
func execute(t *testing.T, s *platform.Sessions, v run.Vault, name string, inputs map[string]any) automation.Outcome {
	t.Helper()
	parameters := map[string]string{}
	for _, some := range []map[string]string{v.Connection.Parameters, v.Secrets} {
		for name, value := range some {
			parameters[name] = value
		}
	}
	session, err := s.Open(t.Context(), v.Connection, parameters)
	if err != nil {
		t.Fatal(err)
	}
	command, _ := integration.FindCommand(integration.VaultIntegration + "/" + name)
	values, err := command.Check(inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := command.Execute(t.Context(), session, integration.Call{Values: values}).Outcome
	shown, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{password, secretID, "hvs."} {
		if strings.Contains(string(shown), secret) {
			t.Errorf("%s shows %q: %s", name, secret, shown)
		}
	}
	return out
}

func TestAVaultIsTestedAsAnyConnection(t *testing.T) {
	t.Parallel()
	server, sessions, v := setup(t)
	if out := execute(t, sessions, v, "test-connection", nil); out.State != automation.Successful {
		t.Errorf("it ended as %+v", out)
	}
	server.Seal(true)
	if out := execute(t, sessions, v, "test-connection", nil); out.State != automation.Failed || out.Errors[0].StatusCode != 503 || out.Errors[0].Indicator != "Test Connection failed. Failed to check the connector." {
		t.Errorf("sealed, it ended as %+v", out)
	}
	server.Seal(false)
	v.Secrets["secretId"] = "another"
	if out := execute(t, sessions, v, "test-connection", nil); out.State != automation.Failed || !strings.HasPrefix(fmt.Sprint(out.Errors[0].StatusCode), "4") {
		t.Errorf("with a wrong secret id it ended as %+v", out)
	}
}

func TestFetchCredentialShowsThatThereIsAValueAndNotTheValue(t *testing.T) {
	t.Parallel()
	_, sessions, v := setup(t)
	out := execute(t, sessions, v, "fetch-credential", map[string]any{"Path": "soc/qualys"})
	if out.State != automation.Successful || len(out.Result.Rows) != 2 || out.Result.Rows[0][0] != "password" || !strings.Contains(string(out.RawData), `"version":1`) {
		t.Errorf("it ended as %+v", out)
	}
	out = execute(t, sessions, v, "fetch-credential", map[string]any{"path": "soc/nothing"})
	if out.State != automation.Failed || out.Errors[0].StatusCode != 404 || out.Errors[0].Indicator != "Fetch Credential failed." {
		t.Errorf("of a path that is not there it ended as %+v", out)
	}
}

func TestARunGetsTheValueAndAFreshOneAfterADrop(t *testing.T) {
	t.Parallel()
	server, sessions, v := setup(t)
	item := connection.VaultItem{Path: "soc/qualys", Field: "password"}
	fetch := func() string {
		t.Helper()
		value, err := sessions.Vaults.Fetch(t.Context(), v, item)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	if got := fetch(); got != password {
		t.Errorf("fetched %q", got)
	}
	server.Put("soc/qualys", map[string]any{"password": "rotated"})
	if got := fetch(); got != password {
		t.Errorf("what was fetched a moment ago is %q", got)
	}
	sessions.Vaults.Drop(v, item)
	if got := fetch(); got != "rotated" {
		t.Errorf("after a drop it is %q", got)
	}
	_, err := sessions.Vaults.Fetch(t.Context(), v, connection.VaultItem{Path: "soc/qualys", Field: "pin"})
	if failure, ok := errors.AsType[*run.VaultError](err); !ok || failure.StatusCode != 404 || failure.Vault != "bao" {
		t.Errorf("of a field that is not there: %v", err)
	}
}
