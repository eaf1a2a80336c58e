package fleet

import (
	"context"
	"errors"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// joiningKeys are the keys of the subscription "customer", by UUID.
type joiningKeys struct {
	keys    map[string]ActivationKey
	failing error
}

func (k joiningKeys) CustomerID(context.Context) (string, error) { return "customer", nil }

func (k joiningKeys) KeyByUUID(_ context.Context, uuid string) (ActivationKey, error) {
	if k.failing != nil {
		return ActivationKey{}, k.failing
	}
	key, ok := k.keys[uuid]
	if !ok {
		return ActivationKey{}, fault.Newf(fault.NotFound, "no such key")
	}
	return key, nil
}

func TestAKeyAdmitsHostsWhileItIsEnabledAndNotExpired(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	a := &Admission{Now: func() time.Time { return now }, Keys: joiningKeys{keys: map[string]ActivationKey{
		"good":     {Key: "good"},
		"used up":  {Key: "used up", Type: KeyCountLimited, CountPurchased: 1, CountUsed: 1},
		"tomorrow": {Key: "tomorrow", Type: KeyTimeLimited, ExpireDate: now.Add(time.Second)},
		"disabled": {Key: "disabled", Disabled: true},
		"expired":  {Key: "expired", Type: KeyTimeLimited, ExpireDate: now},
	}}}
	for _, admitted := range []string{"good", "used up", "tomorrow"} {
		if err := a.Admit(t.Context(), "customer", admitted); err != nil {
			t.Errorf("%s: %v", admitted, err)
		}
	}
	var first string
	for _, refused := range [][2]string{
		{"customer", "disabled"}, {"customer", "expired"}, {"customer", "unknown"}, {"customer", ""},
		{"other", "good"}, {"", "good"}, {"other", "disabled"}, {"", ""},
	} {
		err := a.Admit(t.Context(), refused[0], refused[1])
		if !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%q: %v, want a refusal", refused, err)
			continue
		}
		if first == "" {
			first = err.Error()
		}
		if err.Error() != first {
			t.Errorf("%q is refused with %q, others with %q: that tells them apart", refused, err, first)
		}
	}
}

func TestAStoreThatFailsRefusesNobody(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk")
	err := (&Admission{Now: time.Now, Keys: joiningKeys{failing: broken}}).Admit(t.Context(), "customer", "good")
	if !errors.Is(err, broken) || fault.Is(err, fault.Unauthenticated) {
		t.Errorf("error %v, want the store's", err)
	}
}
