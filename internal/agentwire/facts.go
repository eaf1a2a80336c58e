package agentwire

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Snapshot is everything one inventory scan found on a host. Lists are ordered
// by key and hold each key once; Normalize makes them so.
type Snapshot struct {
	Host       Host        `json:"host"`
	Software   []Software  `json:"software,omitempty"`
	Ports      []Port      `json:"ports,omitempty"`
	Interfaces []Interface `json:"interfaces,omitempty"`
	Accounts   []Account   `json:"accounts,omitempty"`
	Processors []Processor `json:"processors,omitempty"`
	Volumes    []Volume    `json:"volumes,omitempty"`
}

// Host holds the facts a host has exactly one of. Zero values mean "not known".
type Host struct {
	Name         string    `json:"name"`                   // host name without domain
	FQDN         string    `json:"fqdn,omitempty"`         // fully qualified name, when the host knows one
	OS           string    `json:"os,omitempty"`           // for people, e.g. "Debian GNU/Linux 12 (bookworm)"
	OSID         string    `json:"osId,omitempty"`         // os-release ID, e.g. "debian"
	OSVersion    string    `json:"osVersion,omitempty"`    // os-release VERSION_ID or the fuller point release
	Platform     string    `json:"platform,omitempty"`     // Linux, Windows or MacOS
	Kernel       string    `json:"kernel,omitempty"`       // release of the running kernel
	Architecture string    `json:"architecture,omitempty"` // as the kernel names it, e.g. x86_64
	Address      string    `json:"address,omitempty"`      // primary IP address
	Manufacturer string    `json:"manufacturer,omitempty"`
	Model        string    `json:"model,omitempty"`
	BIOS         string    `json:"bios,omitempty"`        // vendor, version and date
	MemoryMB     int64     `json:"memoryMB,omitempty"`    // MiB of physical memory
	Timezone     string    `json:"timezone,omitempty"`    // "UTC" or an offset such as "-07:00"
	LastBoot     time.Time `json:"lastBoot,omitzero"`     // to the second, UTC
	LastUser     string    `json:"lastUser,omitempty"`    // last user who logged on
	DockerHost   bool      `json:"dockerHost,omitempty"`  // a container engine is installed
	Docker       *Docker   `json:"docker,omitempty"`      // only on Docker hosts whose engine answered
	Fingerprint  string    `json:"fingerprint,omitempty"` // digest of hardware facts, tells clones apart
	Cloud        *Cloud    `json:"cloud,omitempty"`       // only on instances of a cloud that were told which they are
}

// Cloud is the instance of a cloud a host runs on, as the cloud's metadata service
// tells it from within. Nothing proves it to the platform.
type Cloud struct {
	Provider         string `json:"provider"`  // CloudAWS
	AccountID        string `json:"accountId"` // twelve digits
	Region           string `json:"region"`
	AvailabilityZone string `json:"availabilityZone,omitempty"`
	InstanceID       string `json:"instanceId"`
	InstanceType     string `json:"instanceType,omitempty"`
	ImageID          string `json:"imageId,omitempty"`
}

// CloudAWS is the one provider that agents know so far.
const CloudAWS = "AWS"

var (
	accountForm  = regexp.MustCompile(`^[0-9]{12}$`)
	instanceForm = regexp.MustCompile(`^m?i-[0-9a-f]{1,32}$`)
	placeForm    = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
)

// Check says what of it cannot be: what identifies an instance must be there and
// be written as Amazon writes it. How long the others are is not checked.
func (c *Cloud) Check() error {
	switch {
	case c.Provider != CloudAWS:
		return fmt.Errorf("cloud provider is %q, it must be %q", c.Provider, CloudAWS)
	case !accountForm.MatchString(c.AccountID):
		return fmt.Errorf("cloud account id is %q, it must be twelve digits", c.AccountID)
	case !instanceForm.MatchString(c.InstanceID):
		return fmt.Errorf("cloud instance id is %q, it must be written as i-0123456789abcdef0 is", c.InstanceID)
	case !placeForm.MatchString(c.Region):
		return fmt.Errorf("cloud region is %q, it must be written as us-east-1 is", c.Region)
	}
	return nil
}

// Docker describes the container engine of a Docker host.
type Docker struct {
	Version    string `json:"version,omitempty"`
	Containers int    `json:"containers"`
	Images     int    `json:"images"`
}

// Software is one installed package. Advisories are matched by source name and
// version where the package manager knows them.
type Software struct {
	Kind          string `json:"kind"` // package manager: "deb"
	Name          string `json:"name"`
	Version       string `json:"version"`
	Architecture  string `json:"arch,omitempty"`
	SourceName    string `json:"source,omitempty"`        // empty when equal to Name
	SourceVersion string `json:"sourceVersion,omitempty"` // empty when equal to Version
}

// Key identifies the installed package on its host; an upgrade keeps it.
func (s Software) Key() string { return s.Kind + "|" + s.Name + "|" + s.Architecture }

// Port is one listening socket.
type Port struct {
	Protocol string `json:"protocol"` // TCP or UDP
	Address  string `json:"address"`  // bound address; "0.0.0.0" and "::" are wildcards
	Port     int    `json:"port"`
	Process  string `json:"process,omitempty"` // name of the owning process, when it may be known
}

// Key identifies the socket on its host. Several processes may share one
// (SO_REUSEPORT); they are one entry.
func (p Port) Key() string { return p.Protocol + "|" + p.Address + "|" + strconv.Itoa(p.Port) }

// Interface is one address of one network interface; an interface without an
// address has one entry with an empty Address.
type Interface struct {
	Name    string `json:"name"`
	MAC     string `json:"mac,omitempty"`
	Address string `json:"address,omitempty"`
	Gateway string `json:"gateway,omitempty"` // default gateway through this interface, on the entry of its own address family
}

// Key identifies the entry on its host.
func (i Interface) Key() string { return i.Name + "|" + i.Address }

// Account is one local user account.
type Account struct {
	Username string `json:"username"`
}

// Key identifies the account on its host.
func (a Account) Key() string { return a.Username }

// Processor is one physical processor (package), not one core.
type Processor struct {
	Slot  int    `json:"slot"`
	Name  string `json:"name"`
	MHz   int    `json:"mhz,omitempty"`
	Cores int    `json:"cores,omitempty"`
}

// Key identifies the processor on its host.
func (p Processor) Key() string { return strconv.Itoa(p.Slot) }

// Volume is one mounted file system.
type Volume struct {
	Name string `json:"name"` // mount point
	Size int64  `json:"size"` // bytes
	Free int64  `json:"free"` // bytes available to unprivileged users
}

// Key identifies the volume on its host.
func (v Volume) Key() string { return v.Name }
