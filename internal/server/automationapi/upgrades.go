package automationapi

import (
	"context"
	"fmt"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
)

// Upgrades is where it is noted how upgrades of agents ended.
type Upgrades interface {
	// Upgrades lists the last report of each host in scope, in the order of their ids.
	Upgrades(ctx context.Context, f fleet.UpgradeFilter) ([]fleet.Upgrade, error)
}

// ListUpgrades implements GET /automation/v1/upgrades.
func (a api) ListUpgrades(ctx context.Context, request ListUpgradesRequestObject) (ListUpgradesResponseObject, error) {
	f := fleet.UpgradeFilter{Scope: server.ScopeOf(ctx), Limit: defaultPage}
	p := request.Params
	if p.After != nil {
		if f.After = *p.After; f.After < 1 {
			return nil, invalid("after", fmt.Sprint(f.After), "an integer of at least 1")
		}
	}
	if p.Limit != nil {
		if f.Limit = int(*p.Limit); f.Limit < 1 || f.Limit > maxPage {
			return nil, invalid("limit", fmt.Sprint(f.Limit), fmt.Sprintf("an integer from 1 to %d", maxPage))
		}
	}
	f.Unsuccessful = p.Unsuccessful != nil && *p.Unsuccessful
	found, err := a.Upgrades.Upgrades(ctx, f)
	if err != nil {
		return nil, err
	}
	answer := ListUpgrades200JSONResponse{Upgrades: make([]Upgrade, len(found))}
	for i, u := range found {
		answer.Upgrades[i] = Upgrade{
			AssetId: u.HostID, HostName: u.HostName, Outcome: UpgradeOutcome(u.Outcome),
			From: known(u.From), To: known(u.To), Reason: known(u.Reason), At: wireTime(u.At), Reported: wireTime(u.Reported),
		}
	}
	return answer, nil
}

// known returns nil for what is not known.
func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
