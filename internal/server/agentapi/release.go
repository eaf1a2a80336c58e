package agentapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// Releases are what agents upgrade to. Agents verify what they get by keys that
// the platform does not have.
type Releases interface {
	// Version is that of the metadata, 0 while nothing is published. It is asked with
	// every status request.
	Version() int64
	// Metadata returns the metadata, with the roots after a version, or fault.NotFound.
	Metadata(afterRoot int64) (agentwire.ReleaseMetadata, error)
	// Open returns a package with its content, which the caller closes, or
	// fault.NotFound.
	Open(name string) (fleet.Package, io.ReadSeekCloser, error)
}

// Upgrades are how the upgrades of agents ended.
type Upgrades interface {
	// RecordUpgrade keeps the last report of a host.
	RecordUpgrade(ctx context.Context, hostID int64, report agentwire.UpgradeReport, at time.Time) error
}

// maxDownloading bounds the fragments of packages in progress. An agent that finds
// no place comes again when it next tries to upgrade.
const maxDownloading = 32

// release answers with the metadata of releases, or the part of it that is asked
// for.
func (g *Gateway) release(w http.ResponseWriter, r *request) error {
	after, err := strconv.ParseInt(r.URL.Query().Get("root"), 10, 64)
	if err != nil || after < 0 {
		return fault.New(fault.Invalid, "query root is not a version", "")
	}
	docs, err := g.Releases.Metadata(after)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(docs)
	if err != nil {
		return fmt.Errorf("encode release metadata: %w", err)
	}
	w.Header()["Content-Type"] = jsonType
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(doc)))
	http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(doc))
	return nil
}

// releasePackage answers with a package, or the part of it that is asked for.
func (g *Gateway) releasePackage(w http.ResponseWriter, r *request) error {
	p, content, err := g.Releases.Open(r.PathValue("name"))
	if err != nil {
		return err
	}
	defer content.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, p.SHA256))
	http.ServeContent(w, r.Request, "", time.Time{}, content)
	return nil
}

// upgraded takes the report of an upgrade. It may come again.
func (g *Gateway) upgraded(w http.ResponseWriter, r *request) error {
	var report agentwire.UpgradeReport
	if err := decode(r.body, &report); err != nil {
		return err
	}
	if err := checkReport(report); err != nil {
		return err
	}
	if err := g.Upgrades.RecordUpgrade(r.Context(), r.agent.HostID, report, g.Now()); err != nil {
		return fmt.Errorf("upgrade of agent %s: %w", r.agent.AgentID, err)
	}
	g.Log.InfoContext(r.Context(), "agent reports an upgrade", "agent", r.agent.AgentID, "asset", r.agent.HostID,
		"outcome", report.Outcome, "from", report.From, "to", report.To, "reason", report.Reason)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func checkReport(report agentwire.UpgradeReport) error {
	if !report.Outcome.Valid() || report.At.IsZero() || report.Reason == "" && report.Outcome != agentwire.UpgradeDone {
		return fault.New(fault.Invalid, "a report of an upgrade has an outcome, a time, and a reason unless it went well", "")
	}
	if len(report.From) > maxStatusText || len(report.To) > maxStatusText || len(report.Reason) > agentwire.MaxReason ||
		strings.ContainsFunc(report.From+report.To+report.Reason, unicode.IsControl) {
		return fault.Newf(fault.Invalid, "versions have at most %d bytes, reasons %d, and no control characters", maxStatusText, agentwire.MaxReason)
	}
	return nil
}
