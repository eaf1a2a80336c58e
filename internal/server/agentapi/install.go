package agentapi

import (
	"context"
	_ "embed" // the script is served
	"io"
	"net/http"
	"strconv"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
)

// installScript says nothing of this platform: what differs are its arguments.
//
//go:embed install.sh
var installScript []byte

// Packages are what hosts are installed from; *packages.Folder implements it.
type Packages interface {
	// OpenInstaller returns the package for a system and a machine with its
	// content, which the caller closes, or fault.NotFound.
	OpenInstaller(ctx context.Context, system, machine string) (fleet.Package, io.ReadSeekCloser, error)
}

// Admission says who may fetch packages; *fleet.Admission implements it.
type Admission interface {
	Admit(ctx context.Context, customerID, activationKey string) error
}

// Installation serves a host that is to become an agent: the authority to trust,
// the script that installs, and the package. The package is for who knows the
// customer id and an activation key, the others are for everybody: they are no
// secrets, and the host has to have them before it may show its key. It is safe
// for concurrent use.
type Installation struct {
	Packages  Packages
	Admission Admission
	// Authority is the certificate, in DER, by which hosts trust the platform; nil
	// where they do so by their own authorities.
	Authority []byte
}

const (
	// packageTimeout is for 10 MB at 11 kB/s.
	packageTimeout = 15 * time.Minute
	// maxFetching bounds the downloads in progress, maxAdmitting the keys that are
	// looked up: who shows none takes no place of those who fetch. An address has
	// its share of each, so that one host with a key cannot keep others out.
	maxFetching, maxAdmitting = 16, 16
)

// Routes returns the endpoints of an installation. None of them needs a
// signature: who calls has no identity yet.
func (i *Installation) Routes() []server.Route {
	get := []string{http.MethodGet}
	fetch := fetcher{i, server.NewBudget(maxAdmitting), server.NewBudget(maxFetching)}
	small := server.NewBudget(maxAdmitting)
	routes := []server.Route{
		{Path: agentwire.PathAuthority, Handler: http.HandlerFunc(i.authority), Budget: small},
		{Path: agentwire.PathInstall, Handler: http.HandlerFunc(script), Budget: small},
		{Path: agentwire.PathPackages + "{system}/{machine}", Handler: http.HandlerFunc(fetch.serve), Timeout: packageTimeout},
	}
	for n := range routes {
		routes[n].Methods, routes[n].WriteFailure = get, writeFailure
	}
	return routes
}

func (i *Installation) authority(w http.ResponseWriter, r *http.Request) {
	if i.Authority == nil {
		server.Fail(w, r, fault.New(fault.NotFound, "This platform has no authority of its own.", "Trust it by the authorities of the host."))
		return
	}
	write(w, "application/pkix-cert", i.Authority)
}

func script(w http.ResponseWriter, _ *http.Request) {
	write(w, "text/x-shellscript; charset=utf-8", installScript)
}

func write(w http.ResponseWriter, mediaType string, content []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // a host that is gone asks again
}

// fetcher answers with packages.
type fetcher struct {
	*Installation
	admitting, fetching *server.Budget
}

func (f *fetcher) serve(w http.ResponseWriter, r *http.Request) {
	if err := f.admit(r); err != nil {
		server.Fail(w, r, err)
		return
	}
	release, err := f.fetching.AcquireFor(remoteAddr(r))
	if err != nil {
		server.Fail(w, r, err)
		return
	}
	defer release()
	p, content, err := f.Packages.OpenInstaller(r.Context(), r.PathValue("system"), r.PathValue("machine"))
	if err != nil {
		server.Fail(w, r, err)
		return
	}
	defer content.Close()
	server.Download{Name: p.Name, Size: p.Size, Content: content}.Send(w, r)
}

// admit checks the customer id and the activation key, which come as user and
// password: in a header field that proxies and logs know to be secret.
func (f *fetcher) admit(r *http.Request) error {
	release, err := f.admitting.AcquireFor(remoteAddr(r))
	if err != nil {
		return err
	}
	defer release()
	customerID, activationKey, _ := r.BasicAuth()
	return f.Admission.Admit(r.Context(), customerID, activationKey)
}
