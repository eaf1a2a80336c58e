package qps

import "strings"

const (
	portalVersionElement = "Portal-Version"
	qwebVersionElement   = "QWeb-Version"
	versionSuffix        = "-VERSION"
	portalApplication    = "PortalApplication"
)

// PortalVersion is the answer of /qps/rest/portal/version: the version of the
// portal and of each module. QWebVersion follows it as a second record; the
// response's count is 1 all the same.
type PortalVersion struct {
	Application string          // such as "3.9.0.0-1 OFFICIAL #700 (2021-11-02T10:00:00Z)"
	Modules     []ModuleVersion // written in this order
}

// ModuleVersion is the version of one module. Module is the plain name, such as
// CA or THREAT_PROTECT; on the wire an underscore is doubled and "-VERSION" is
// appended (THREAT__PROTECT-VERSION).
type ModuleVersion struct {
	Module  string
	Version string
}

// ElementName returns "Portal-Version".
func (*PortalVersion) ElementName() string { return portalVersionElement }

func (v *PortalVersion) writeTo(s sink) {
	s.text(portalApplication+versionSuffix, v.Application)
	for _, m := range v.Modules {
		s.text(elementName(strings.ReplaceAll(m.Module, "_", "__")+versionSuffix), m.Version)
	}
}

func readPortalVersion(n *Node) *PortalVersion {
	v := &PortalVersion{}
	for _, c := range n.Children {
		name, ok := strings.CutSuffix(c.Name, versionSuffix)
		switch {
		case !ok:
		case name == portalApplication:
			v.Application = c.Text
		default:
			v.Modules = append(v.Modules, ModuleVersion{strings.ReplaceAll(name, "__", "_"), c.Text})
		}
	}
	return v
}

// QWebVersion holds the versions of the scanning back end.
type QWebVersion struct {
	Web      string
	Scanner  string
	VulnSigs string
}

// ElementName returns "QWeb-Version".
func (*QWebVersion) ElementName() string { return qwebVersionElement }

func (v *QWebVersion) writeTo(s sink) {
	s.text("WEB"+versionSuffix, v.Web)
	s.text("SCANNER"+versionSuffix, v.Scanner)
	s.text("VULNSIGS"+versionSuffix, v.VulnSigs)
}

func readQWebVersion(n *Node) *QWebVersion {
	return &QWebVersion{
		Web:      n.Value("WEB" + versionSuffix),
		Scanner:  n.Value("SCANNER" + versionSuffix),
		VulnSigs: n.Value("VULNSIGS" + versionSuffix),
	}
}
