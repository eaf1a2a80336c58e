package automationapi

import (
	"context"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// ListIntegrations implements GET /automation/v1/integrations.
func (a api) ListIntegrations(ctx context.Context, request ListIntegrationsRequestObject) (ListIntegrationsResponseObject, error) {
	visible, err := a.connections.List(ctx, server.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for i := range visible {
		count[visible[i].Integration]++
	}
	answer := ListIntegrations200JSONResponse{Integrations: []IntegrationSummary{}}
	for _, of := range integration.Search(given(request.Params.Search)) {
		answer.Integrations = append(answer.Integrations, IntegrationSummary{
			Name: of.Name, DisplayName: of.DisplayName, Category: of.Category, Version: of.Version, Description: of.Description, Connections: count[of.Name],
		})
	}
	return answer, nil
}

// GetIntegration implements GET /automation/v1/integrations/{name}.
func (a api) GetIntegration(_ context.Context, request GetIntegrationRequestObject) (GetIntegrationResponseObject, error) {
	of, known := integration.Find(request.Name)
	if !known {
		return nil, fault.New(fault.NotFound, fmt.Sprintf("There is no integration '%s'.", server.Echo(request.Name)), "List the integrations there are.")
	}
	of.Commands = slices.Clone(of.Commands)
	for i := range of.Commands {
		of.Commands[i].Inputs = append([]integration.Input{}, of.Commands[i].Inputs...) // a list, even an empty one
	}
	return GetIntegration200JSONResponse(of), nil
}

// given returns the text of a parameter, the empty one where it was left out.
func given[T ~string](text *T) T {
	if text == nil {
		return ""
	}
	return *text
}
