package qpsapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// Packages are the agent packages that the platform offers; *packages.Folder
// implements it.
type Packages interface {
	// List returns the newest package for each platform and architecture.
	List(ctx context.Context) ([]fleet.Package, error)
	// Open returns one of them with its content, which the caller closes, or
	// fault.NotFound.
	Open(ctx context.Context, platform, architecture string) (fleet.Package, io.ReadSeekCloser, error)
}

// maxDownloads bounds the downloads in progress. They have a budget of their own:
// over slow links each may last an hour, and must not take the place of calls.
const maxDownloads = 16

// packageRoutes are the calls on agent packages and the download of software
// compositions (Qualys Cloud Agent API, binary information, binary download,
// SBOM download).
func (a *api) packageRoutes() []server.Route {
	post := []string{http.MethodPost}
	return []server.Route{
		a.route(post, "/qps/rest/{version}/process/ca/binaryinfo", qps.SchemaBinaryInfo, versioned(agentVersions, a.binaryInfo)),
		a.downloadRoute("/qps/rest/{version}/download/ca/downloadbinary"),
		a.route(post, "/qps/rest/{version}/download/ca/downloadcdxsbom", qps.SchemaBinaryInfo, versioned(agentVersions, a.softwareComposition)),
	}
}

// downloadRoute makes the route that answers with the bytes of a package. What it
// answers otherwise is an envelope.
func (a *api) downloadRoute(path string) server.Route {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, content, err := a.openPackage(r)
		if err = server.Settle(r.Context(), err); err != nil {
			server.Fail(w, r, err)
			return
		}
		defer content.Close()
		server.Download{Name: p.Name, Size: p.Size, Content: content}.Send(w, r)
	})
	guard := a.guard()
	guard.Budget = server.NewBudget(maxDownloads)
	return server.Route{
		Methods: []string{http.MethodPost}, Path: path,
		Handler:      guard.Protect(operationOf(path), handler),
		WriteFailure: a.failureWriter(qps.SchemaBinaryInfo),
		MaxBody:      qps.MaxRequestBytes,
		Timeout:      server.DownloadTimeout,
	}
}

// binaryInfo answers with the packages for a platform and an architecture, of
// which each may be ALL. A pair that is named has one package or is not found.
func (a *api) binaryInfo(r *http.Request) (reply, error) {
	platform, architecture, err := packageChoice(r, qps.BinaryInfoElement, qps.BinaryAll)
	if err != nil {
		return reply{}, err
	}
	list, err := a.Packages.List(r.Context())
	if err != nil {
		return reply{}, err
	}
	info := &qps.AllBinaryInfo{}
	for _, p := range list {
		if (platform == qps.BinaryAll || platform == p.Platform) && (architecture == qps.BinaryAll || architecture == p.Architecture) {
			info.Platforms = append(info.Platforms, qps.BinaryPlatform{
				Name: qps.BinaryName(p.Platform, p.Architecture), Version: p.Version,
				Hash: qps.BinaryHash(qps.BinarySHA256, p.SHA256[:]), Extension: p.Extension,
			})
		}
	}
	switch {
	case len(info.Platforms) > 0:
		return reply{response: qps.NewResult(qps.SchemaBinaryInfo, info)}, nil
	case platform == qps.BinaryAll || architecture == qps.BinaryAll:
		return reply{response: qps.NewCount(qps.SchemaBinaryInfo, 0)}, nil
	}
	return reply{}, fleet.NoPackage(platform, architecture)
}

func (a *api) openPackage(r *http.Request) (fleet.Package, io.ReadSeekCloser, error) {
	if err := checkVersion(r, agentVersions); err != nil {
		return fleet.Package{}, nil, err
	}
	platform, architecture, err := packageChoice(r, qps.DownloadBinaryElement)
	if err != nil {
		return fleet.Package{}, nil, err
	}
	return a.Packages.Open(r.Context(), platform, architecture)
}

// packageChoice reads platform and architecture from the one element of a
// request. Both are required and case-sensitive; besides stands for what is
// allowed beside the pairs there are.
func packageChoice(r *http.Request, element string, besides ...string) (platform, architecture string, err error) {
	body, err := onlyElement(r, element)
	if err != nil {
		return "", "", err
	}
	values, err := textElements(body.data, "platform", "architecture")
	if err != nil {
		return "", "", err
	}
	if platform, err = oneWord(values, "platform", slices.Concat(qps.BinaryPlatforms(), besides)); err != nil {
		return "", "", err
	}
	architecture, err = oneWord(values, "architecture", slices.Concat(qps.BinaryArchitectures(), besides))
	return platform, architecture, err
}

// textElements returns the trimmed text of the children of an element, each of
// which may be there once and be one of the known ones.
func textElements(n *qps.Node, known ...string) (map[string]string, error) {
	values := make(map[string]string)
	for _, child := range n.Children {
		switch _, repeated := values[child.Name]; {
		case !slices.Contains(known, child.Name):
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: unknown element '%s'.", n.Name, server.Echo(child.Name)),
				"Elements expected: "+strings.Join(known, ", ")+".")
		case repeated:
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: '%s' is given more than once.", n.Name, child.Name), "Give each element once.")
		case len(child.Children) > 0:
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: '%s' holds elements.", n.Name, child.Name), "Specify a plain value.")
		}
		values[child.Name] = strings.TrimSpace(child.Text)
	}
	return values, nil
}

// oneWord returns a required value, which must be one of the allowed words.
func oneWord(values map[string]string, name string, allowed []string) (string, error) {
	value := values[name]
	if slices.Contains(allowed, value) {
		return value, nil
	}
	message := fmt.Sprintf("%s: the value is missing.", name)
	if value != "" {
		message = fmt.Sprintf("%s: invalid value '%s'; values are case-sensitive.", name, server.Echo(value))
	}
	return "", fault.New(fault.Invalid, message, "Values expected: "+strings.Join(allowed, ", ")+".")
}
