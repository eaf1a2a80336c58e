package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"vedette.dev/vedette/qps"
)

// progress tells a person what has been done, and when.
type progress struct {
	mu      sync.Mutex
	out     io.Writer
	started time.Time
}

func (p *progress) done(step, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%6.1fs  %-10s %s\n", time.Since(p.started).Seconds(), step, fmt.Sprintf(format, args...))
}

func (p *progress) note(format string, args ...any) { p.done("", format, args...) }

// newLog is the platform's log: warnings, or with verbose everything.
func newLog(out io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
}

// describe says where things are and what to try. host is this host's asset,
// nil when it has no agent.
func (p *platform) describe(ctx context.Context, out io.Writer, host *qps.HostAsset) {
	if p.alone {
		fmt.Fprintf(out, "\nVedette is up, with the automation layer alone.\n\n")
	} else {
		fmt.Fprintf(out, "\nVedette is up.\n\n")
		fmt.Fprintf(out, "  API          %s/qps/rest\n", p.publicURL)
	}
	fmt.Fprintf(out, "  Automation   %s/automation/v1/openapi.yaml\n", p.publicURL)
	if p.fingerprint != "" {
		fmt.Fprintf(out, "  Authority    %s, SHA-256 %s\n", p.admin.caFile, p.fingerprint)
	}
	p.describeSignIn(out)
	if !p.alone {
		p.describeSecondHost(ctx, out)
	}
	if p.admin.password != "" {
		p.describeNext(out, host)
	}
	fmt.Fprintf(out, "\nCtrl-C stops it.\n")
}

// describeSignIn says where the administrator's password is, or who has it.
func (p *platform) describeSignIn(out io.Writer) {
	path := p.folder.file(adminEnvFile)
	switch {
	case p.admin.password != "":
		fmt.Fprintf(out, "  Sign in      %s\n", path)
		return
	case p.shared:
		fmt.Fprintf(out, "  Sign in      as a user of this database: the admin.env of the replica that made the\n")
		fmt.Fprintf(out, "               administrator has the password. Where it is lost, stop this one, and run\n")
	default:
		fmt.Fprintf(out, "  Sign in      as a user of this platform: %s\n", path)
		fmt.Fprintf(out, "               was lost, and the password in it. For a new one, stop this, and run\n")
	}
	fmt.Fprintf(out, "               'vedette reset-password' with the same --data, or --config\n")
}

// describeNext prints what to try. host is this host's asset, nil without one.
func (p *platform) describeNext(out io.Writer, host *qps.HostAsset) {
	fmt.Fprintf(out, "\nTry next, in another terminal:\n\n")
	// Elsewhere than in the default folder, clients have to be told.
	if local, err := filepath.Abs(defaultDataFolder); err != nil || local != p.folder.path {
		fmt.Fprintf(out, "  set -a; . %s; set +a\n", shellWord(p.folder.file(adminEnvFile)))
	}
	if p.alone {
		describeAlone(out)
		return
	}
	fmt.Fprintf(out, "  vedette connections test\n")
	if host != nil {
		fmt.Fprintf(out, "  vedette agents search --os %s\n", osWord(host))
		fmt.Fprintf(out, "  vedette scans launch --type inventory --wait %d\n", host.ID)
	} else {
		fmt.Fprintf(out, "  vedette agents search\n")
	}
}

// describeSecondHost prints how another host joins, where another host can reach
// the platform.
func (p *platform) describeSecondHost(ctx context.Context, out io.Writer) {
	public, err := url.Parse(p.publicURL)
	if err != nil {
		return
	}
	if isLoopback(public) {
		if p.everywhere {
			fmt.Fprint(out, "\nFor other hosts to join, start it with --public-url, the https URL by which they reach this machine.\n")
		}
		return
	}
	offered, err := p.fleet.packages.Installers(ctx)
	if err != nil || len(offered) == 0 {
		fmt.Fprintf(out, "\nFor other hosts there are no packages in %s:\n'make packages' of the sources builds them, --packages names another folder.\n", p.fleet.packages.Path())
		return
	}
	line := installLine{
		system: offered[0].System, url: p.publicURL, authority: p.fingerprint, customerID: p.admin.customerID, activationKey: p.admin.activationKey,
	}
	text, err := line.shell()
	if err != nil { // such as a public URL that agents do not take
		fmt.Fprintf(out, "\nOther hosts cannot join: %v.\n", err)
		return
	}
	fmt.Fprintf(out, "\nAnother host joins with this line, run by root (%s):\n\n%s\n\n", systemTitle[line.system], text)
	fmt.Fprintf(out, "The lines of other systems:  vedette keys install-line %s\n", p.admin.activationKey)
}

// isLoopback reports whether a URL leads nowhere but to the host it is used on.
func isLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
