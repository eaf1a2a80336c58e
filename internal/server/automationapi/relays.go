package automationapi

import (
	"context"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/server"
)

// ListRelays implements GET /automation/v1/relays.
func (a api) ListRelays(ctx context.Context, _ ListRelaysRequestObject) (ListRelaysResponseObject, error) {
	found, err := a.relays.List(ctx)
	if err != nil {
		return nil, err
	}
	answer := ListRelays200JSONResponse{Relays: make([]Relay, len(found))}
	for i := range found {
		answer.Relays[i] = relayOf(&found[i])
	}
	return answer, nil
}

// RegisterRelay implements POST /automation/v1/relays.
func (a api) RegisterRelay(ctx context.Context, request RegisterRelayRequestObject) (RegisterRelayResponseObject, error) {
	body := request.Body
	server.Describe(ctx, server.Echo(body.Name), "")
	made, token, err := a.relays.Register(ctx, body.Name, body.Description, body.Site)
	if err != nil {
		return nil, err
	}
	if made.SiteID != 0 {
		server.Describe(ctx, "", "site: "+made.SiteName)
	}
	return RegisterRelay201JSONResponse{Relay: relayOf(&made), Token: token}, nil
}

// GetRelay implements GET /automation/v1/relays/{id}.
func (a api) GetRelay(ctx context.Context, request GetRelayRequestObject) (GetRelayResponseObject, error) {
	found, err := a.relays.Find(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return GetRelay200JSONResponse(relayOf(&found)), nil
}

// DeleteRelay implements DELETE /automation/v1/relays/{id}.
func (a api) DeleteRelay(ctx context.Context, request DeleteRelayRequestObject) (DeleteRelayResponseObject, error) {
	gone, err := a.relays.Delete(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, gone.Name, "")
	return DeleteRelay200JSONResponse(relayOf(&gone)), nil
}

// RotateRelayToken implements POST /automation/v1/relays/{id}/token.
func (a api) RotateRelayToken(ctx context.Context, request RotateRelayTokenRequestObject) (RotateRelayTokenResponseObject, error) {
	found, token, err := a.relays.Rotate(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, found.Name, "")
	return RotateRelayToken200JSONResponse{Relay: relayOf(&found), Token: token}, nil
}

// RevokeRelayToken implements DELETE /automation/v1/relays/{id}/token.
func (a api) RevokeRelayToken(ctx context.Context, request RevokeRelayTokenRequestObject) (RevokeRelayTokenResponseObject, error) {
	found, err := a.relays.Revoke(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, found.Name, "")
	return RevokeRelayToken200JSONResponse(relayOf(&found)), nil
}

func relayOf(r *relay.Relay) Relay {
	shown := Relay{
		Id: r.ID, Name: r.Name, Description: r.Description, Status: RelayStatus(r.Status), Version: r.Version, Host: r.Host,
		Addresses: make([]string, len(r.Addresses)), Replicas: int32(r.Replicas),
		LastSeen: reached(r.LastSeen), Created: wireTime(r.Created), TokenChanged: wireTime(r.TokenChanged),
	}
	for i, address := range r.Addresses {
		shown.Addresses[i] = address.String()
	}
	if r.SiteID != 0 {
		shown.Site = &Reference{ID: r.SiteID, Name: r.SiteName}
	}
	return shown
}
