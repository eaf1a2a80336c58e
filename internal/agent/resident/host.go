package resident

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Where the agent of a host keeps its state and its key. The key survives the
// state: a host whose agent is installed again is the same asset by it.
const (
	defaultStateDir = "/var/lib/vedette-agent"
	defaultLogDir   = "/var/log/vedette-agent"
	defaultKeyDir   = "/etc/vedette-agent"
)

// platform is the platform in the words of the API.
func platform() string {
	switch runtime.GOOS {
	case "windows":
		return "Windows"
	case "darwin":
		return "MacOS"
	default:
		return "Linux"
	}
}

// cutName separates a host name from its domain.
func cutName(name string) (short, domain string, qualified bool) {
	return strings.Cut(name, ".")
}

// osRelease reads name, id and version of the system from os-release(5). They stay
// empty where there is none.
func osRelease(rootDir string) (name, id, version string) {
	for _, path := range []string{"etc/os-release", "usr/lib/os-release"} {
		file, err := os.Open(filepath.Join(rootDir, path))
		if err != nil {
			continue
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "PRETTY_NAME":
				name = value
			case "ID":
				id = value
			case "VERSION_ID":
				version = value
			}
		}
		return name, id, version
	}
	return "", "", ""
}
