package resident

import (
	"cmp"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/proxy"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agent/upgrade"
	"vedette.dev/vedette/internal/agentwire"
)

// options are the parsed options of any command.
type options struct {
	activationID, customerID, serverURI, caFile string
	stateDir, keyDir, rootDir, workerPath       string

	proxyOrder     string // empty for sequential
	proxyFailOpen  bool
	logLevel       *slog.Level // nil follows the profile
	logFileDir     string      // empty logs to standard error
	logDestination string      // as given; empty for the one that fits logFileDir
	logCompression bool
	wakeup         bool
	legacy         bool
	exitWithParent bool
	confirm        bool
	json           bool
	demand         session.Demand
	patience       time.Duration // with a version on trial
}

// Option names by command. All take the state folder.
var commands = map[string][]string{
	"help":      {},
	"version":   {},
	"provision": {"ActivationId", "CustomerId", "ServerUri", "CaFile", "StateDir", "KeyDir", "RootDir", "LogLevel", "LogFileDir", "LogDestType", "LogCompression", "ProxyOrder", "ProxyFailOpen", "WorkerPath", "Legacy"},
	"run":       {"ActivationId", "CustomerId", "ServerUri", "CaFile", "StateDir", "KeyDir", "RootDir", "LogLevel", "LogFileDir", "LogDestType", "LogCompression", "ProxyOrder", "ProxyFailOpen", "WorkerPath", "Wakeup", "Legacy", "TrialMinutes", "ExitWithParent"},
	"status":    {"StateDir", "Format"},
	"doctor":    {"ServerUri", "CaFile", "StateDir", "RootDir", "WorkerPath", "ProxyOrder", "ProxyFailOpen", "Format"},
	"demand":    {"StateDir", "action", "type", "cputhrottle"},
	"rollback":  {"StateDir"},
	"retry":     {"StateDir"},
	"uninstall": {"StateDir", "Confirm"},
}

// parse reads a command and its options. Errors are *session.UsageError.
func parse(args []string) (command string, o *options, err error) {
	if len(args) == 0 {
		return "", nil, usagef("no command")
	}
	command = args[0]
	switch command {
	case "-h", "--help", "-help":
		command = "help"
	case "--version":
		command = "version"
	}
	if strings.HasPrefix(strings.ToLower(command), "action=") { // as the public agents' own tool is called
		command, args = "demand", append([]string{"demand"}, args...)
	}
	allowed, ok := commands[command]
	if !ok {
		return "", nil, usagef("unknown command %q", command)
	}
	o = &options{rootDir: "/", wakeup: true, patience: upgrade.DefaultPatience}
	given := make(map[string]bool)
	for _, arg := range formats(args[1:]) {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return "", nil, usagef("%q is not of the form Name=Value", arg)
		}
		i := slices.IndexFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) })
		if i < 0 {
			return "", nil, usagef("%s takes no option %q, allowed are %s", command, name, strings.Join(allowed, ", "))
		}
		if given[allowed[i]] {
			return "", nil, usagef("%s is given twice", allowed[i])
		}
		given[allowed[i]] = true
		if err := o.set(allowed[i], value); err != nil {
			return "", nil, err
		}
	}
	o.defaultFolders()
	if command == "demand" && (!given["action"] || !given["type"]) {
		return "", nil, usagef("demand needs action=demand and type=inv|vm|pc|udc|sca|swca|vmpc")
	}
	return command, o, nil
}

// defaultFolders names the folders that were not given. The key of an agent that
// has a state folder of its own stays there: the default one is the host's.
func (o *options) defaultFolders() {
	if o.stateDir == "" {
		o.stateDir, o.keyDir = defaultStateDir, cmp.Or(o.keyDir, defaultKeyDir)
	}
}

// formats turns -o FORMAT, as the platform's own command line has it, into the
// option of that name.
func formats(args []string) []string {
	var options []string
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		if name != "-o" && name != "--output" {
			options = append(options, args[i])
			continue
		}
		if !given && i+1 < len(args) {
			i++
			value = args[i]
		}
		options = append(options, "Format="+value)
	}
	return options
}

func (o *options) set(name, value string) (err error) {
	if value == "" {
		return usagef("%s has no value", name)
	}
	switch name {
	case "ActivationId":
		o.activationID = unbraced(value)
	case "CustomerId":
		o.customerID = unbraced(value)
	case "ServerUri":
		o.serverURI = value
	case "CaFile":
		o.caFile = value
	case "StateDir":
		o.stateDir, err = absolute(name, value)
	case "KeyDir":
		o.keyDir, err = absolute(name, value)
	case "RootDir":
		o.rootDir, err = absolute(name, value)
	case "WorkerPath":
		o.workerPath, err = absolute(name, value)
	case "LogLevel":
		o.logLevel, err = logLevel(value)
	case "ProxyOrder":
		if o.proxyOrder = strings.ToLower(value); o.proxyOrder == "seq" {
			o.proxyOrder = proxy.Sequential
		}
		if o.proxyOrder != proxy.Sequential && o.proxyOrder != proxy.Random {
			return usagef("ProxyOrder is %q, allowed are %s and %s", value, proxy.Sequential, proxy.Random)
		}
	case "ProxyFailOpen":
		o.proxyFailOpen, err = flag(name, value)
	case "LogFileDir":
		o.logFileDir, err = absolute(name, value)
	case "LogDestType":
		if value != logToFile && value != logToStderr {
			return usagef("LogDestType is %q, allowed are %s and %s; a service manager passes the latter on to syslog", value, logToFile, logToStderr)
		}
		o.logDestination = value
	case "LogCompression":
		o.logCompression, err = flag(name, value)
	case "Wakeup":
		o.wakeup, err = flag(name, value)
	case "Legacy":
		o.legacy, err = flag(name, value)
	case "ExitWithParent":
		o.exitWithParent, err = flag(name, value)
	case "TrialMinutes":
		o.patience, err = minutes(name, value)
	case "Confirm":
		if value != "yes" {
			return usagef("Confirm is %q, allowed is yes", value)
		}
		o.confirm = true
	case "Format":
		if value != "text" && value != "json" {
			return usagef("Format is %q, allowed are text and json", value)
		}
		o.json = value == "json"
	case "action":
		if value != "demand" {
			return usagef("action is %q, allowed is demand", value)
		}
	case "type":
		o.demand.Type, err = scanType(value)
	case "cputhrottle":
		o.demand.Throttle, err = throttle(value)
	}
	return err
}

// fromEnvironment fills in the ids that the command line left out.
func (o *options) fromEnvironment(getenv func(string) string) {
	if getenv == nil {
		return
	}
	o.activationID = cmp.Or(o.activationID, unbraced(getenv("VEDETTE_ACTIVATION_KEY")))
	o.customerID = cmp.Or(o.customerID, unbraced(getenv("VEDETTE_CUSTOMER_ID")))
}

// proxies reads the proxies from the environment.
func (o *options) proxies(getenv func(string) string) (*proxy.Settings, error) {
	if getenv == nil {
		return nil, nil
	}
	settings, err := proxy.FromEnvironment(getenv, cmp.Or(o.proxyOrder, proxy.Sequential), o.proxyFailOpen)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return settings, nil
}

// unbraced takes ids as Windows writes them, {…}.
func unbraced(id string) string { return strings.TrimSuffix(strings.TrimPrefix(id, "{"), "}") }

func absolute(name, path string) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", usagef("%s %q: %v", name, path, err)
	}
	return full, nil
}

func flag(name, value string) (bool, error) {
	if value != "0" && value != "1" {
		return false, usagef("%s is %q, allowed are 0 and 1", name, value)
	}
	return value == "1", nil
}

func minutes(name, value string) (time.Duration, error) {
	const most = 24 * 60
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 1 || n > most {
		return 0, usagef("%s is %q, allowed are 1 to %d", name, value, most)
	}
	return time.Duration(n) * time.Minute, nil
}

// logLevel reads the levels of the public Linux agent, 0 fatal to 5 trace. This
// agent has neither of the ends: it logs errors and debug for them.
func logLevel(value string) (*slog.Level, error) {
	levels := []slog.Level{slog.LevelError, slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug, slog.LevelDebug}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n >= len(levels) {
		return nil, usagef("LogLevel is %q, allowed are 0 to %d", value, len(levels)-1)
	}
	return &levels[n], nil
}

// scanType reads the types of the public agent's on-demand tool.
func scanType(value string) (agentwire.ScanType, error) {
	switch strings.ToLower(value) {
	case "inv":
		return agentwire.InventoryScan, nil
	case "vm", "vmpc": // of the two modules, the one that is refused first
		return agentwire.VulnerabilityScan, nil
	case "pc":
		return agentwire.PolicyComplianceScan, nil
	case "udc":
		return agentwire.UDCScan, nil
	case "sca":
		return agentwire.SCAScan, nil
	case "swca":
		return agentwire.SWCAScan, nil
	}
	return "", usagef("type is %q, allowed are inv, vm, pc, udc, sca, swca and vmpc", value)
}

func throttle(value string) (time.Duration, error) {
	most := session.MaxThrottle.Milliseconds()
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 || n > most {
		return 0, usagef("cputhrottle is %q, allowed are 0 to %d ms", value, most)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func usagef(format string, args ...any) error {
	return &session.UsageError{Message: fmt.Sprintf(format, args...)}
}
