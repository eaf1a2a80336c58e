package connector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// maxKeptBytes bounds what is kept for other applications, as JSON.
const maxKeptBytes = 64 << 10

// kept: what is for other applications is returned as it was sent, within a
// limit. Applications are those the API knows.
func (d *draft) kept() error {
	keep(&d.Kept.UseForCloudView, d.change.UseForCloudView)
	keep(&d.Kept.RemediationEnabled, d.change.IsRemediationEnabled)
	keep(&d.Kept.CPSEnabled, d.change.IsCPSEnabled)
	keep(&d.Kept.ScanSetting, d.change.ConnectorScanSetting)
	d.Kept.AppInfos = fleet.KeyList[qps.ConnectorAppInfo](d.change.ConnectorAppInfos).Applied(d.Kept.AppInfos, sameApp)
	d.Kept.ScanConfig = fleet.KeyList[qps.ConnectorScanConfiguration](d.change.ConnectorScanConfig).Applied(d.Kept.ScanConfig, sameScan)
	for _, info := range d.Kept.AppInfos {
		if !slices.Contains(qps.ConnectorApps(), info.Name) {
			return invalid(fmt.Sprintf("connectorAppInfos: invalid name '%s'.", echo(info.Name)), "Values expected: "+strings.Join(qps.ConnectorApps(), ", ")+".")
		}
	}
	doc, err := json.Marshal(d.Kept)
	if err != nil {
		return fmt.Errorf("encode what is kept: %w", err)
	}
	if len(doc) > maxKeptBytes {
		return invalid(fmt.Sprintf("connectorAppInfos and connectorScanConfig: they have %d bytes.", len(doc)), fmt.Sprintf("Specify at most %d bytes.", maxKeptBytes))
	}
	if bytes.Contains(doc, []byte(`\u0000`)) {
		return invalid("connectorAppInfos and connectorScanConfig: a text has a NUL character.", "Specify texts without it.")
	}
	return nil
}

func keep[T any](target **T, value *T) {
	if value != nil {
		*target = value
	}
}

// sameApp: one application has one tag for one identifier.
func sameApp(a, b qps.ConnectorAppInfo) bool {
	return a.Name == b.Name && a.Identifier == b.Identifier && a.TagID == b.TagID
}

func sameScan(a, b qps.ConnectorScanConfiguration) bool { return a.ScanPrefix == b.ScanPrefix }
