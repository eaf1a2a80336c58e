package fleet

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// fixedKeys is a KeyStore that holds keys and refuses to change them.
type fixedKeys struct {
	KeyStore
	keys []ActivationKey
}

func (f fixedKeys) ActivationKeys(context.Context) ([]ActivationKey, error) { return f.keys, nil }

func TestKeySearchMeansWhatItSays(t *testing.T) {
	t.Parallel()
	ring := &Keyring{Keys: fixedKeys{keys: []ActivationKey{
		{ID: 1, Key: "5d2f-b001", Title: "Edge", Type: KeyUnlimited},
		{ID: 2, Key: "5d2f-b002", Title: "edge west", Type: KeyCountLimited, CountPurchased: 5, Disabled: true},
		{ID: 3, Key: "5d2f-b003", Type: KeyTimeLimited},
	}}}
	for _, tc := range []struct {
		field string
		op    qps.Operator
		value string
		want  []int64
	}{
		{"id", qps.OpGreater, "1", []int64{2, 3}},
		{"id", qps.OpIn, "1,3", []int64{1, 3}},
		{"activationKey", qps.OpEquals, "5d2f-b002", []int64{2}},
		{"activationKey", qps.OpContains, "b00", []int64{1, 2, 3}},
		{"countPurchased", qps.OpGreater, "4", []int64{2}},
		{"countPurchased", qps.OpEquals, "0", []int64{1, 3}},
		{"isDisabled", qps.OpEquals, "true", []int64{2}},
		{"isDisabled", qps.OpEquals, "0", []int64{1, 3}},
		{"title", qps.OpContains, "dge", []int64{1, 2}},
		{"title", qps.OpEquals, "edge", nil},
		{"title", qps.OpNotEquals, "Edge", []int64{2, 3}},
		{"type", qps.OpEquals, "TIME_LIMITED", []int64{3}},
	} {
		t.Run(fmt.Sprint(tc.field, " ", tc.op, " ", tc.value), func(t *testing.T) {
			t.Parallel()
			keys, err := ring.Search(t.Context(), WholeFleet(), []qps.Criterion{{Field: tc.field, Operator: tc.op, Value: tc.value}})
			if err != nil {
				t.Fatal(err)
			}
			var ids []int64
			for _, k := range keys {
				ids = append(ids, k.ID)
			}
			if diff := cmp.Diff(tc.want, ids); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAgentsAreNotMovedWithoutASelectionOrAKey(t *testing.T) {
	t.Parallel()
	ring := &Keyring{Keys: fixedKeys{}, Now: time.Now} // a call of MoveAgents would panic
	some := []Condition{{Field: FieldID, Operator: qps.OpEquals, Ints: []int64{1}}}
	if _, err := ring.MoveAgents(t.Context(), WholeFleet(), "5d2f-b001", nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a condition: %v", err)
	}
	if _, err := ring.MoveAgents(t.Context(), WholeFleet(), "", some); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a key: %v", err)
	}
}

func TestEveryLicenseNamesItsModuleAndBack(t *testing.T) {
	t.Parallel()
	for _, l := range licenses {
		modules, err := ParseLicense(" " + l.word + "\n")
		if err != nil || len(modules) != 1 || modules[0] != l.module {
			t.Errorf("%s stands for %v, %v", l.word, modules, err)
		}
		if back := License(l.module); back != l.word && l.word != "IOC" {
			t.Errorf("%s comes back as %s", l.word, back)
		}
	}
	for word, want := range map[string][]Module{
		"vm_license": {ModuleVM}, "SwCA": {ModuleSwCA}, "IOC": {"AGENT_EDR"}, "all": {ModuleVM, ModulePC, ModuleSwCA},
	} {
		got, err := ParseLicense(word)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", word, err, diff)
		}
	}
	for _, word := range []string{"", "VM", "WAS", "VM_LICENSE,FIM"} {
		if _, err := ParseLicense(word); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v, want it refused", word, err)
		}
	}
	if err := checkLicensed([]Module{ModulePC, ModuleVM, ModuleSwCA}); err != nil {
		t.Errorf("what ALL stands for is refused: %v", err)
	}
}

func TestPushesGiveAgentsWhatTheKeyHasAndNothingImpossible(t *testing.T) {
	t.Parallel()
	key := func(modules ...Module) ActivationKey { return ActivationKey{Modules: modules} }
	for _, tc := range []struct {
		name          string
		before, after ActivationKey
		agent, want   []Module
	}{
		{"more", key(ModuleVM), key(ModuleVM, ModulePC), []Module{ModuleVM}, []Module{ModulePC, ModuleVM}},
		{"less", key(ModuleVM, ModulePC), key(ModuleVM), []Module{ModulePC, ModuleVM}, []Module{ModuleVM}},
		{"what the agent has of its own stays", key(), key(ModuleVM), []Module{ModulePC}, []Module{ModulePC, ModuleVM}},
		{"PC instead of SCA", key(ModuleSCA), key(ModulePC), []Module{ModuleSCA}, []Module{ModulePC}},
		{"SCA of the key ends PC of the agent", key(), key(ModuleSCA), []Module{ModulePC}, []Module{ModuleSCA}},
		{"SwCA ends with VM", key(ModuleVM), key(), []Module{ModuleSwCA, ModuleVM}, nil},
		{"modules without an engine", key("AGENT_FIM"), key("AGENT_EDR"), []Module{ModuleVM}, []Module{ModuleVM}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := PushOf(tc.before, tc.after).Modules(tc.agent)
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	tags := func(ids ...int64) ActivationKey {
		var k ActivationKey
		for _, id := range ids {
			k.Tags = append(k.Tags, qps.TagSimple{ID: id})
		}
		return k
	}
	if diff := cmp.Diff(KeyPush{Tag: []int64{2, 3}, Untag: []int64{1}}, PushOf(tags(1, 2), tags(2, 3))); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}
