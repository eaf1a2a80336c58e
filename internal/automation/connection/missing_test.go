package connection_test

import (
	"slices"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/fault"
)

// What is written in a file has no secrets: a connection that is made of one waits
// for them.
func TestAConnectionWhosePasswordComesLaterWaitsForIt(t *testing.T) {
	t.Parallel()
	h := newHouse()
	d := draft()
	delete(d.Parameters, "password")
	d.Check = connection.Check{Enabled: true, Every: 5 * time.Minute}
	d.SecretsLater = true
	c := h.made(t, "ana", d)
	if !slices.Equal(c.Missing(), []string{"password"}) || !c.Active || !c.Health.Next.IsZero() {
		t.Fatalf("it misses %v, is active: %t, and is checked at %s", c.Missing(), c.Active, c.Health.Next)
	}
	if _, err := h.ToUse(t.Context(), h.as("ana"), c.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("it is used without a password: %v", err)
	}
	text := "soon"
	if c, err := h.Update(t.Context(), h.as("ana"), c.ID, connection.Change{Description: &text}); err != nil || len(c.Missing()) != 1 {
		t.Errorf("another change needs the password: %v", err)
	}
	c, err := h.Update(t.Context(), h.as("ana"), c.ID, connection.Change{Parameters: map[string]string{"password": "given-later"}})
	if err != nil || len(c.Missing()) != 0 || !c.Health.Next.Equal(start.Add(5*time.Minute)) {
		t.Errorf("with its password it misses %v, and is checked at %s (%v)", c.Missing(), c.Health.Next, err)
	}
	if _, err := h.ToUse(t.Context(), h.as("ana"), c.ID); err != nil {
		t.Errorf("it is not used: %v", err)
	}
}

func TestAPasswordThatMayComeLaterIsDroppedOnTheWayToAnotherServer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]connection.Change{
		"URL":   {Parameters: map[string]string{"serverUrl": "https://evil.example.net"}},
		"kept":  {Parameters: map[string]string{"serverUrl": "https://evil.example.net", "password": connection.Kept}},
		"relay": {RelayID: new(int64(7))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse()
			c := h.made(t, "ana", draft())
			change.SecretsLater = true
			c, err := h.Update(t.Context(), h.as("ana"), c.ID, change)
			if err != nil || len(c.Stored) != 0 || !slices.Equal(c.Missing(), []string{"password"}) {
				t.Errorf("it has %v and misses %v (%v)", c.Stored, c.Missing(), err)
			}
			if _, err := h.ToUse(t.Context(), h.as("ana"), c.ID); !fault.Is(err, fault.Conflict) {
				t.Errorf("it is used all the same: %v", err)
			}
		})
	}
	h := newHouse()
	c := h.made(t, "ana", draft())
	text := "x"
	if c, err := h.Update(t.Context(), h.as("ana"), c.ID, connection.Change{Description: &text, SecretsLater: true}); err != nil || len(c.Missing()) != 0 {
		t.Errorf("a change that sends it nowhere else dropped the password: %v, %v", c.Missing(), err)
	}
}

func TestAVaultMissesWhatItsAuthenticationNeeds(t *testing.T) {
	t.Parallel()
	for auth, want := range map[string]string{"token": "token", "approle": "secretId"} {
		h := newHouse()
		d := draft()
		d.Integration, d.SecretsLater = "openbao", true
		d.Parameters = map[string]string{"serverUrl": "bao.example.net:8200", "auth": auth, "roleId": "r-1"}
		if c := h.made(t, "ana", d); !slices.Equal(c.Missing(), []string{want}) {
			t.Errorf("%s: it misses %v, want %s", auth, c.Missing(), want)
		}
	}
}
