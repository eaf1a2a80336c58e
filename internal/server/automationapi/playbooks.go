package automationapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/playbook/shipped"
	"vedette.dev/vedette/internal/server"
)

// maxPlaybookBody bounds a request that has the text of a playbook in it, which JSON
// may write with up to four times as many bytes.
const maxPlaybookBody = 4 * playbook.MaxFileBytes

// textual are the calls with the text of a playbook in their body.
var textual = map[string]bool{
	"POST /automation/v1/playbooks": true, "POST /automation/v1/playbooks/check": true, "POST /automation/v1/playbooks/{id}/versions": true,
}

// failWithProblems answers a failure as server.Fail does, and has what is wrong with
// the text of a playbook as a list as well.
func failWithProblems(w http.ResponseWriter, r *http.Request, err error) {
	failure := server.Explain(err)
	if problems, ok := errors.AsType[playbook.Problems](err); ok {
		failure.Problems = problems
	}
	server.FailAs(w, r, failure, err)
}

// ListPlaybooks implements GET /automation/v1/playbooks.
func (a api) ListPlaybooks(ctx context.Context, request ListPlaybooksRequestObject) (ListPlaybooksResponseObject, error) {
	all, err := a.library.List(ctx, server.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	sites, err := a.siteNames(ctx)
	if err != nil {
		return nil, err
	}
	site := given(request.Params.Site)
	answer := ListPlaybooks200JSONResponse{Playbooks: []Playbook{}}
	for i := range all {
		if isSite(site, all[i].SiteID, sites[all[i].SiteID]) {
			answer.Playbooks = append(answer.Playbooks, playbookOf(&all[i], sites))
		}
	}
	if site != "" && len(answer.Playbooks) == 0 {
		_, err = a.connections.Site(ctx, server.PrincipalOf(ctx), site)
	}
	return answer, err
}

// CreatePlaybook implements POST /automation/v1/playbooks.
func (a api) CreatePlaybook(ctx context.Context, request CreatePlaybookRequestObject) (CreatePlaybookResponseObject, error) {
	siteID, err := a.siteNamed(ctx, "site", request.Body.Site)
	if err != nil {
		return nil, err
	}
	made, err := a.library.Create(ctx, server.PrincipalOf(ctx), siteID, request.Body.Text)
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybook(ctx, &made, "")
	return CreatePlaybook201JSONResponse(shown), err
}

// showPlaybook returns a playbook as answers have it, and names it in the audit log.
func (a api) showPlaybook(ctx context.Context, p *library.Playbook, detail string) (Playbook, error) {
	describePlaybook(ctx, p, detail)
	sites, err := a.siteNames(ctx)
	return playbookOf(p, sites), err
}

func describePlaybook(ctx context.Context, p *library.Playbook, detail string) {
	server.Describe(ctx, fmt.Sprintf("%d %s", p.ID, p.Name), detail)
}

// CheckPlaybook implements POST /automation/v1/playbooks/check.
func (a api) CheckPlaybook(ctx context.Context, request CheckPlaybookRequestObject) (CheckPlaybookResponseObject, error) {
	siteID, err := a.siteNamed(ctx, "site", request.Body.Site)
	if err != nil {
		return nil, err
	}
	program, problems, err := a.library.Check(ctx, server.PrincipalOf(ctx), siteID, request.Body.Text)
	if err != nil {
		return nil, err
	}
	answer := CheckPlaybook200JSONResponse{Problems: append([]PlaybookProblem{}, problems...)}
	if program != nil {
		d := program.Definition
		answer.Name, answer.Description = &d.Name, known(d.Description)
		answer.Inputs, err = playbookInputsOf(d)
	}
	return answer, err
}

// ListShippedPlaybooks implements GET /automation/v1/playbooks/shipped.
func (a api) ListShippedPlaybooks(context.Context, ListShippedPlaybooksRequestObject) (ListShippedPlaybooksResponseObject, error) {
	all, err := shipped.Playbooks()
	if err != nil {
		return nil, err
	}
	answer := ListShippedPlaybooks200JSONResponse{Playbooks: make([]ShippedPlaybook, len(all))}
	for i, p := range all {
		d, problems := playbook.Parse(p.Text)
		if problems != nil {
			return nil, fmt.Errorf("shipped playbook %s: %w", p.Name, problems)
		}
		answer.Playbooks[i] = ShippedPlaybook{Name: p.Name, Description: d.Description, Text: string(p.Text)}
	}
	return answer, nil
}

// GetPlaybook implements GET /automation/v1/playbooks/{id}.
func (a api) GetPlaybook(ctx context.Context, request GetPlaybookRequestObject) (GetPlaybookResponseObject, error) {
	found, err := a.library.Get(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybook(ctx, &found, "")
	return GetPlaybook200JSONResponse(shown), err
}

// DeletePlaybook implements DELETE /automation/v1/playbooks/{id}.
func (a api) DeletePlaybook(ctx context.Context, request DeletePlaybookRequestObject) (DeletePlaybookResponseObject, error) {
	if err := a.namePlaybook(ctx, request.Id); err != nil {
		return nil, err
	}
	return DeletePlaybook204Response{}, a.library.Delete(ctx, server.PrincipalOf(ctx), request.Id)
}

// namePlaybook names a playbook in the audit log.
func (a api) namePlaybook(ctx context.Context, id int64) error {
	found, err := a.library.Get(ctx, server.PrincipalOf(ctx), id)
	if err == nil {
		describePlaybook(ctx, &found, "")
	}
	return err
}

// ListPlaybookVersions implements GET /automation/v1/playbooks/{id}/versions.
func (a api) ListPlaybookVersions(ctx context.Context, request ListPlaybookVersionsRequestObject) (ListPlaybookVersionsResponseObject, error) {
	of, err := a.library.Get(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	all, err := a.library.Versions(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	answer := ListPlaybookVersions200JSONResponse{Versions: make([]PlaybookVersion, len(all))}
	for i := range all {
		answer.Versions[i] = versionOf(&of, &all[i])
	}
	return answer, nil
}

// SavePlaybook implements POST /automation/v1/playbooks/{id}/versions.
func (a api) SavePlaybook(ctx context.Context, request SavePlaybookRequestObject) (SavePlaybookResponseObject, error) {
	if err := a.namePlaybook(ctx, request.Id); err != nil {
		return nil, err
	}
	saved, changed, err := a.library.Save(ctx, server.PrincipalOf(ctx), request.Id, request.Body.Base, request.Body.Text)
	if err != nil {
		return nil, err
	}
	detail := fmt.Sprintf("version %d", saved.Latest)
	if !changed {
		detail += " has this text already"
	}
	shown, err := a.showPlaybook(ctx, &saved, detail)
	if !changed {
		return SavePlaybook200JSONResponse(shown), err
	}
	return SavePlaybook201JSONResponse(shown), err
}

// GetPlaybookVersion implements GET /automation/v1/playbooks/{id}/versions/{number}.
func (a api) GetPlaybookVersion(ctx context.Context, request GetPlaybookVersionRequestObject) (GetPlaybookVersionResponseObject, error) {
	of, err := a.library.Get(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	v, err := a.library.Version(ctx, server.PrincipalOf(ctx), request.Id, request.Number)
	if err != nil {
		return nil, err
	}
	shown := versionOf(&of, &v)
	shown.Text = &v.Source
	if d, problems := playbook.Parse([]byte(v.Source)); problems == nil { // else of an older notation
		shown.Inputs, err = playbookInputsOf(d)
	}
	return GetPlaybookVersion200JSONResponse(shown), err
}

// PublishPlaybook implements POST /automation/v1/playbooks/{id}/publish.
func (a api) PublishPlaybook(ctx context.Context, request PublishPlaybookRequestObject) (PublishPlaybookResponseObject, error) {
	if err := a.namePlaybook(ctx, request.Id); err != nil {
		return nil, err
	}
	published, err := a.library.Publish(ctx, server.PrincipalOf(ctx), request.Id, request.Body.Version)
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybook(ctx, &published, fmt.Sprintf("version %d", published.Live))
	return PublishPlaybook200JSONResponse(shown), err
}

// WithdrawPlaybook implements POST /automation/v1/playbooks/{id}/withdraw.
func (a api) WithdrawPlaybook(ctx context.Context, request WithdrawPlaybookRequestObject) (WithdrawPlaybookResponseObject, error) {
	if err := a.namePlaybook(ctx, request.Id); err != nil {
		return nil, err
	}
	withdrawn, err := a.library.Withdraw(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	shown, err := a.showPlaybook(ctx, &withdrawn, "")
	return WithdrawPlaybook200JSONResponse(shown), err
}

func playbookOf(p *library.Playbook, sites map[int64]string) Playbook {
	return Playbook{
		Id: p.ID, Site: reference{ID: p.SiteID, Name: sites[p.SiteID]}, Name: p.Name, Description: p.Description, Latest: p.Latest, Live: numbered(p.Live),
		Publisher: known(p.Publisher), Created: wireTime(p.Created), Modified: wireTime(p.Modified),
	}
}

func versionOf(p *library.Playbook, v *library.Version) PlaybookVersion {
	return PlaybookVersion{Number: v.Number, Author: v.Author, Created: wireTime(v.Created), Live: v.Number == p.Live}
}

// playbookInputsOf returns what a playbook is told when it starts; a list, even an
// empty one.
func playbookInputsOf(d *playbook.Definition) (*[]PlaybookInput, error) {
	inputs := make([]PlaybookInput, len(d.Inputs))
	for i, in := range d.Inputs {
		inputs[i] = PlaybookInput{Name: in.Name, Type: string(in.Type), Description: known(in.Description), Required: in.Required}
		if len(in.Choices) > 0 {
			inputs[i].Choices = &in.Choices
		}
		if in.Default == nil {
			continue
		}
		doc, err := expression.Encode(in.Default)
		if err != nil {
			return nil, fmt.Errorf("encode default of input %s: %w", in.Name, err)
		}
		inputs[i].Default = rawJSON(doc)
	}
	return &inputs, nil
}
