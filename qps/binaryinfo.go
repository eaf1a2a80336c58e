package qps

import (
	"encoding/hex"
	"slices"
	"strings"
)

// SchemaBinaryInfo is the schema path of agent packages, for Response.Schema.
const SchemaBinaryInfo = "/qps/xsd/1.0/ca/binaryinfo.xsd"

// BinaryAll stands for every platform, and for every architecture, where agent
// packages are listed.
const BinaryAll = "ALL"

// Elements of requests for agent packages: what there is, and one of them.
const (
	BinaryInfoElement     = "BinaryInfo"
	DownloadBinaryElement = "DownloadBinary"
)

// BinaryPlatforms lists the platforms an agent package may be for, BinaryAll left
// out (Qualys Cloud Agent API, binary information). They are case-sensitive.
func BinaryPlatforms() []string {
	return []string{
		"WINDOWS", "MACOSX", "MACOSX_M_1", "LINUX", "LINUX_UBUNTU", "LINUX_PPC_64_LE", "LINUX_COREOS", "LINUX_S_390_X",
		"LINUX_UBUNTU_S_390_X", "LINUX_AWSBR", "GENTOO_LINUX", "AIX", "BSD", "SOLARIS_X_86", "SOLARIS_SPARC",
	}
}

// BinaryArchitectures lists the architectures an agent package may be for,
// BinaryAll left out (Qualys Cloud Agent API, binary information). They are
// case-sensitive.
func BinaryArchitectures() []string {
	return []string{"X_86_64", "X_64", "ARM_64", "POWER_5", "SPARC", "PPC_64_LE", "S_390_X"}
}

// AllBinaryInfo is the answer to a request for binary information: the agent
// packages a platform offers (Qualys Cloud Agent API, binary information).
type AllBinaryInfo struct {
	Platforms []BinaryPlatform
}

// BinaryPlatform is one agent package.
type BinaryPlatform struct {
	Name      string // which package it is; see BinaryName
	Version   string // of the agent, dotted
	Hash      string // of the file; see BinaryHash
	Extension string // of the file, with its dot, such as .deb
}

// BinaryName returns the name of the package of a platform and an architecture,
// as in LINUX_UBUNTU/X_64. Which names the Qualys platform gives is not
// documented, so nothing should rest on them; Pair reads ours.
func BinaryName(platform, architecture string) string { return platform + "/" + architecture }

// Pair returns the platform and the architecture that the name says, two empty
// strings for a name of another form.
func (p BinaryPlatform) Pair() (platform, architecture string) {
	platform, architecture, _ = strings.Cut(p.Name, "/")
	if !slices.Contains(BinaryPlatforms(), platform) || !slices.Contains(BinaryArchitectures(), architecture) {
		return "", ""
	}
	return platform, architecture
}

// Labels of the hashes of agent packages (Qualys Cloud Agent API, binary
// information).
const (
	BinarySHA256 = "Hash-SHA-256"
	BinarySHA384 = "Hash-SHA-384"
	BinarySHA512 = "Hash-SHA-512"
)

// BinaryHash returns a hash as an answer carries it, with its label. There is one
// colon: clients split at it.
func BinaryHash(label string, sum []byte) string { return label + ": " + hex.EncodeToString(sum) }

// ParseBinaryHash returns the label and the bytes of a hash; ok is false when it
// has another form. Whether the label is known is for the caller to see.
func ParseBinaryHash(hash string) (label string, sum []byte, ok bool) {
	label, digits, found := strings.Cut(hash, ":")
	sum, err := hex.DecodeString(strings.TrimSpace(digits))
	return strings.TrimSpace(label), sum, found && err == nil && len(sum) > 0
}

// ElementName returns "AllBinaryInfo".
func (*AllBinaryInfo) ElementName() string { return "AllBinaryInfo" }

// writeTo writes platforms with its packages as direct children. That is no list
// of the protocol: a client that reads one package finds an object.
func (a *AllBinaryInfo) writeTo(s sink) {
	platforms := &Node{Name: "platforms"}
	for _, p := range a.Platforms {
		n := &Node{Name: "Platform"}
		for _, c := range []*Node{
			{Name: "name", Text: p.Name}, {Name: "version", Text: p.Version}, {Name: "hash", Text: p.Hash}, {Name: "extension", Text: p.Extension},
		} {
			if c.Text != "" {
				n.Children = append(n.Children, c)
			}
		}
		platforms.Children = append(platforms.Children, n)
	}
	s.nodes([]*Node{platforms})
}

// readAllBinaryInfo also takes packages in a list, the form of other objects.
func readAllBinaryInfo(n *Node) *AllBinaryInfo {
	a := &AllBinaryInfo{}
	for _, platforms := range n.All("platforms") {
		for _, p := range slices.Concat(platforms.All("Platform"), platforms.Child("list").All("Platform")) {
			a.Platforms = append(a.Platforms, BinaryPlatform{
				Name: p.Trimmed("name"), Version: p.Trimmed("version"), Hash: p.Trimmed("hash"), Extension: p.Trimmed("extension"),
			})
		}
	}
	return a
}
