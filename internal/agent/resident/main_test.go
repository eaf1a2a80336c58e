package resident

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call runs a command in this process.
func call(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs})
	return out.String(), errs.String(), code
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	dir := "StateDir=" + t.TempDir()
	tests := []struct {
		name string
		args []string
		says string
	}{
		{"no command", nil, "no command"},
		{"unknown command", []string{"fly"}, `unknown command "fly"`},
		{"no value", []string{"run", "Wakeup="}, "Wakeup has no value"},
		{"no equals sign", []string{"run", "Wakeup"}, "not of the form Name=Value"},
		{"unknown option", []string{"run", "Wings=2"}, `run takes no option "Wings", allowed are ActivationId`},
		{"option of another command", []string{"status", "Wakeup=1"}, `status takes no option "Wakeup"`},
		{"option twice", []string{"run", "Wakeup=1", "wakeup=0"}, "Wakeup is given twice"},
		{"flag", []string{"run", "Wakeup=yes"}, `Wakeup is "yes", allowed are 0 and 1`},
		{"compatibility mode", []string{"run", "Legacy=on"}, `Legacy is "on", allowed are 0 and 1`},
		{"log level", []string{"run", "LogLevel=6"}, `LogLevel is "6", allowed are 0 to 5`},
		{"log destination", []string{"run", "LogDestType=syslog"}, `LogDestType is "syslog", allowed are file and stderr`},
		{"log folder", []string{"run", dir, "LogFileDir=/proc/nowhere"}, "LogFileDir: create log folder"},
		{"throttle", []string{"demand", "action=demand", "type=inv", "cputhrottle=1001"}, "allowed are 0 to 1000 ms"},
		{"type", []string{"demand", "action=demand", "type=all"}, `type is "all", allowed are inv, vm, pc`},
		{"demand without a type", []string{"demand", "action=demand"}, "demand needs action=demand and type="},
		{"format", []string{"status", "Format=xml"}, "allowed are text and json"},
		{"uninstall without confirmation", []string{"uninstall", dir}, "repeat with Confirm=yes"},
		{"not provisioned", []string{"run", dir}, "ActivationId=, CustomerId= and ServerUri= are required"},
		{"no such authority", []string{"run", dir, "CaFile=/nowhere.pem"}, "CaFile"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, stderr, code := call(t, tt.args...)
			if code != 2 || !strings.Contains(stderr, tt.says) || !strings.Contains(stderr, "vedette-agent help") {
				t.Errorf("exit code %d and %q, want 2, %q and the way to the help", code, stderr, tt.says)
			}
		})
	}
}

func TestTheIdsMayComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	environment := map[string]string{"VEDETTE_ACTIVATION_KEY": "{key}", "VEDETTE_CUSTOMER_ID": "customer"}
	getenv := func(name string) string { return environment[name] }
	_, o, err := parse([]string{"run", "CustomerId=given"})
	if err != nil {
		t.Fatal(err)
	}
	o.fromEnvironment(getenv)
	if o.activationID != "key" || o.customerID != "given" {
		t.Errorf("activation key %q, customer %q; want the environment's and the command line's", o.activationID, o.customerID)
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"help", "--help"} {
		if out, _, code := call(t, arg); code != 0 || !strings.Contains(out, "ActivationId=UUID") {
			t.Errorf("%s printed %q and ended with %d", arg, out, code)
		}
	}
	if out, _, code := call(t, "version"); code != 0 || strings.TrimSpace(out) != Version {
		t.Errorf("version printed %q and ended with %d", out, code)
	}
}

func TestCommandsWithoutAnAgentNameTheNextStep(t *testing.T) {
	t.Parallel()
	dir := "StateDir=" + t.TempDir()
	for _, args := range [][]string{
		{"status", dir}, {"demand", dir, "action=demand", "type=inv"}, {"action=demand", "type=inv", dir}, {"uninstall", dir, "Confirm=yes"},
	} {
		if _, stderr, code := call(t, args...); code != 1 || !strings.Contains(stderr, "StateDir=") {
			t.Errorf("%v ended with %d: %q, want 1 and the next step", args, code, stderr)
		}
	}
}

func TestWhatCannotBeRegisteredLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	const id = "5d2f0000-0000-4000-8000-000000000003"
	for _, args := range [][]string{
		nil,
		{"ActivationId=" + id, "CustomerId=" + id},
		{"ActivationId=key", "CustomerId=" + id, "ServerUri=https://127.0.0.1:1"},
		{"ActivationId=" + id, "CustomerId=" + id, "ServerUri=http://127.0.0.1:1"},
	} {
		dir := t.TempDir()
		_, stderr, code := call(t, append([]string{"provision", "StateDir=" + filepath.Join(dir, "state"), "KeyDir=" + filepath.Join(dir, "key")}, args...)...)
		if left, err := os.ReadDir(dir); code != 2 || err != nil || len(left) != 0 {
			t.Errorf("%v ended with %d: %s, and left %v %v", args, code, stderr, left, err)
		}
	}
}

func TestUninstallKeepsTheIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Nobody listens there: the identity exists all the same, before the first answer.
	_, stderr, code := call(t, "provision", "StateDir="+dir, "ServerUri=https://127.0.0.1:1/",
		"ActivationId=11111111-2222-4333-8444-555555555555", "CustomerId=11111111-2222-4333-8444-555555555555")
	if code != 1 || !strings.Contains(stderr, "check ServerUri") {
		t.Fatalf("provision ended with %d: %q, want 1 and the next step", code, stderr)
	}
	before, err := os.ReadFile(filepath.Join(dir, "identity.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := call(t, "uninstall", "StateDir="+dir, "Confirm=yes"); code != 0 {
		t.Fatalf("uninstall ended with %d: %q", code, stderr)
	}
	after, err := os.ReadFile(filepath.Join(dir, "identity.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("identity changed with uninstall: %v", err)
	}
	for _, name := range []string{"state.json", "snapshots", "spool"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestTheKeyOfTheHostOutlivesTheDefaultStateFolderOnly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args       []string
		state, key string
	}{
		{[]string{"run"}, defaultStateDir, defaultKeyDir},
		{[]string{"run", "KeyDir=/srv/key"}, defaultStateDir, "/srv/key"},
		{[]string{"run", "StateDir=/srv/state"}, "/srv/state", ""}, // in the state folder
		{[]string{"run", "StateDir=/srv/state", "KeyDir=/srv/key"}, "/srv/state", "/srv/key"},
	} {
		_, o, err := parse(test.args)
		if err != nil || o.stateDir != test.state || o.keyDir != test.key {
			t.Errorf("%v: state %q, key %q (%v); want %q and %q", test.args, o.stateDir, o.keyDir, err, test.state, test.key)
		}
	}
}

func TestStatusTellsOfAClockThatIsWrong(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[int64]string{0: "", 7200: "2h0m0s ahead", -90: "1m30s behind"} {
		if got := clock(ahead); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%d seconds: %q, want %q", ahead, got, want)
		}
	}
}
