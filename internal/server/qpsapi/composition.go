package qpsapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// compositionVersions are the versions of CycloneDX that may be asked for (Qualys
// Cloud Agent API, SBOM download).
var compositionVersions = []string{"CYCLONE_DX_1_4", "CYCLONE_DX_1_6"}

// softwareComposition checks a request for the software composition of an asset
// and says what is in its way: there is none for any asset yet.
func (a *api) softwareComposition(r *http.Request) (reply, error) {
	body, err := onlyElement(r, "DownloadCDXSbom")
	if err != nil {
		return reply{}, err
	}
	values, err := textElements(body.data, "assetId", "cdxschemaversion")
	if err != nil {
		return reply{}, err
	}
	id, err := compositionAsset(values["assetId"])
	if err != nil {
		return reply{}, err
	}
	if _, err := oneWord(values, "cdxschemaversion", compositionVersions); err != nil {
		return reply{}, err
	}
	if err := a.checkComposed(r, id); err != nil {
		return reply{}, err
	}
	return reply{}, fault.New(fault.Conflict, fmt.Sprintf("assetId: there is no software composition of asset %d yet.", id),
		"This version of the platform does not build software compositions. The packages of the host are in its asset, element software.")
}

func compositionAsset(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return id, nil
	}
	message := "assetId: the value is missing."
	if text != "" {
		message = fmt.Sprintf("assetId: invalid value '%s'.", server.Echo(text))
	}
	return 0, fault.New(fault.Invalid, message, "Specify the id of the asset (HostAsset.id) as Long.")
}

// checkComposed refuses an asset that is not there, or whose agent does not
// analyse software compositions.
func (a *api) checkComposed(r *http.Request, id int64) error {
	page, err := a.Hosts.SearchHosts(r.Context(), fleet.Query{
		Scope:      server.ScopeOf(r.Context()),
		Conditions: []fleet.Condition{{Field: fleet.FieldID, Operator: qps.OpEquals, Ints: []int64{id}}}, Limit: 1,
		Include: func(element string) bool { return element == "agentInfo" },
	})
	if err != nil {
		return err
	}
	if len(page.Hosts) == 0 {
		return fault.New(fault.NotFound, fmt.Sprintf("There is no asset %d.", id), "Search for the ids of the assets there are.")
	}
	agent := page.Hosts[0].AgentInfo
	if agent == nil || !slices.Contains(agent.ActivatedModules, string(fleet.ModuleSwCA)) {
		return fault.New(fault.Conflict, fmt.Sprintf("assetId: %s is not activated on asset %d.", fleet.ModuleSwCA, id),
			fmt.Sprintf("Activate %s on the asset and let its agent scan.", fleet.ModuleSwCA))
	}
	return nil
}
