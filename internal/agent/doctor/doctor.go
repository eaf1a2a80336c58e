// Package doctor looks for what keeps an agent from working and reporting. Examine
// is the entry; each Check says what was found and what to do about it.
//
// It changes nothing, needs no running agent and disturbs none, and works before
// the host is registered. It asks the platform one unsigned question.
//
// Limits: it sees what the user it runs as may see. A service may have fewer
// rights; see docs/packages.md.
package doctor

import (
	"context"
	"time"

	"vedette.dev/vedette/internal/agent/proxy"
	"vedette.dev/vedette/internal/agent/session"
)

// Outcome is how a check ended.
type Outcome string

// The outcomes. Only Failed keeps an agent from its work.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning"
	Failed  Outcome = "failed"
)

// Check is one thing that was looked at.
type Check struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail"`
	Next    string  `json:"next,omitempty"` // what a person can do; empty for OK
}

// Patient is the agent that is examined.
type Patient struct {
	StateDir string
	RootDir  string          // where the host's file system is mounted
	Worker   string          // path of the scan worker; empty where it is not a file of its own
	Report   *session.Report // nil for a host that is not provisioned
	Server   string          // address of the platform; empty where it is not known yet
	CA       []byte          // PEM; empty trusts the host's own authorities
	Proxies  *proxy.Settings // nil for none
	Now      func() time.Time
}

// timeout bounds each question to the network.
const timeout = 20 * time.Second

// Examine makes all checks and tells each when it is made. What depends on a check
// that failed is left out.
func Examine(ctx context.Context, p *Patient, tell func(Check)) {
	tell(p.agent())
	if check, ok := p.folder(); ok {
		tell(check)
		tell(p.disk())
	} else {
		tell(check)
	}
	if p.Worker != "" {
		tell(p.worker())
	}
	tell(p.rights())
	p.network(ctx, tell)
}

func ok(name, detail string) Check { return Check{name, OK, detail, ""} }
