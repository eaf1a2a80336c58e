package automationapi

import (
	"context"

	"vedette.dev/vedette/internal/server"
)

// ListPlaybookSecrets implements GET /automation/v1/playbooks/{id}/secrets.
func (a api) ListPlaybookSecrets(ctx context.Context, request ListPlaybookSecretsRequestObject) (ListPlaybookSecretsResponseObject, error) {
	names, err := a.library.SecretNames(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	answer := ListPlaybookSecrets200JSONResponse{Secrets: make([]PlaybookSecret, len(names))}
	for i, name := range names {
		answer.Secrets[i].Name = name
	}
	return answer, nil
}

// SetPlaybookSecret implements PUT /automation/v1/playbooks/{id}/secrets/{name}.
func (a api) SetPlaybookSecret(ctx context.Context, request SetPlaybookSecretRequestObject) (SetPlaybookSecretResponseObject, error) {
	if err := a.nameSecret(ctx, request.Id, request.Name); err != nil {
		return nil, err
	}
	return SetPlaybookSecret204Response{}, a.library.SetSecret(ctx, server.PrincipalOf(ctx), request.Id, request.Name, request.Body.Secret)
}

// RemovePlaybookSecret implements DELETE /automation/v1/playbooks/{id}/secrets/{name}.
func (a api) RemovePlaybookSecret(ctx context.Context, request RemovePlaybookSecretRequestObject) (RemovePlaybookSecretResponseObject, error) {
	if err := a.nameSecret(ctx, request.Id, request.Name); err != nil {
		return nil, err
	}
	return RemovePlaybookSecret204Response{}, a.library.RemoveSecret(ctx, server.PrincipalOf(ctx), request.Id, request.Name)
}

// nameSecret names a playbook and one of its secrets in the audit log.
func (a api) nameSecret(ctx context.Context, id int64, name string) error {
	if err := a.namePlaybook(ctx, id); err != nil {
		return err
	}
	server.Describe(ctx, "", "secret "+server.Echo(name))
	return nil
}
