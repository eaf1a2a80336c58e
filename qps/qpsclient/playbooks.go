package qpsclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// playbooksPath is where a Vedette platform keeps playbooks.
const playbooksPath = "/automation/v1/playbooks"

// Playbook is a playbook without its texts.
type Playbook struct {
	ID          int64     `json:"id"`
	Site        Reference `json:"site"`
	Name        string    `json:"name"` // as in its text; unique within the site
	Description string    `json:"description"`
	Latest      int64     `json:"latest"`              // the number of the newest version, the draft
	Live        int64     `json:"live,omitempty"`      // that of the version that is started; zero for none
	Publisher   string    `json:"publisher,omitempty"` // with whose rights triggers start runs
	Created     time.Time `json:"created"`
	Modified    time.Time `json:"modified"`
}

// PlaybookVersion is one text of a playbook, which never changes. Lists have neither
// Text nor Inputs.
type PlaybookVersion struct {
	Number  int64           `json:"number"` // from 1
	Author  string          `json:"author"`
	Created time.Time       `json:"created"`
	Live    bool            `json:"live"`
	Text    string          `json:"text,omitempty"`
	Inputs  []PlaybookInput `json:"inputs,omitempty"`
}

// PlaybookInput is what a run is told when it starts.
type PlaybookInput struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"` // text, url, integer, number, boolean, datetime, duration, choice, ids, texts, list, object or any
	Description string          `json:"description,omitempty"`
	Required    bool            `json:"required"`
	Default     json.RawMessage `json:"default,omitempty"`
	Choices     []string        `json:"choices,omitempty"`
}

// PlaybookProblem is one thing that is wrong with the text of a playbook.
type PlaybookProblem struct {
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // in characters, from 1
	Path    string `json:"path"`   // such as steps[2].with.os; empty for the text as a whole
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // the next step
}

// PlaybookCheck is what a check found: problems, or what the playbook declares.
type PlaybookCheck struct {
	Problems    []PlaybookProblem `json:"problems"`
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Inputs      []PlaybookInput   `json:"inputs,omitempty"`
}

// ShippedPlaybook is a text that comes with the platform, to start from.
type ShippedPlaybook struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Text        string `json:"text"`
}

// playbookText is a text that is sent.
type playbookText struct {
	Site *Reference `json:"site,omitempty"`
	Text string     `json:"text"`
	Base int64      `json:"base,omitempty"`
}

// inSite names a site by its id, none for 0.
func inSite(id int64) *Reference {
	if id == 0 {
		return nil
	}
	return &Reference{ID: id}
}

// Playbooks lists the playbooks of the caller's sites, or of one of them by its id or
// name, in ascending order of id.
func (c *Client) Playbooks(ctx context.Context, site string) ([]Playbook, error) {
	var answer struct {
		Playbooks []Playbook `json:"playbooks"`
	}
	err := c.search(ctx, "list playbooks", playbooksPath, values{"site": site}, &answer)
	return answer.Playbooks, err
}

// Playbook returns one playbook.
func (c *Client) Playbook(ctx context.Context, id int64) (Playbook, error) {
	return c.playbook(ctx, fmt.Sprintf("read playbook %d", id), http.MethodGet, playbookPath(id), nil)
}

// CheckPlaybook says what is wrong with a text. siteID is that whose playbooks it can
// call; zero for the caller's only one. Nothing is stored.
func (c *Client) CheckPlaybook(ctx context.Context, siteID int64, text string) (PlaybookCheck, error) {
	var answer PlaybookCheck
	err := c.automation(ctx, "check playbook", http.MethodPost, playbooksPath+"/check", playbookText{Site: inSite(siteID), Text: text}, &answer)
	return answer, err
}

// CreatePlaybook makes a playbook of a text, in a site or, for zero, in the caller's
// only one. What is wrong with the text is in Problems of a *StatusError.
func (c *Client) CreatePlaybook(ctx context.Context, siteID int64, text string) (Playbook, error) {
	return c.playbook(ctx, "create playbook", http.MethodPost, playbooksPath, playbookText{Site: inSite(siteID), Text: text})
}

// SavePlaybook makes a text the newest version of a playbook, unless it is already.
// base is the number of the newest version that the author has seen, zero for not to
// look: a newer one is a conflict. What is wrong with the text is in Problems of a
// *StatusError.
func (c *Client) SavePlaybook(ctx context.Context, id, base int64, text string) (Playbook, error) {
	return c.playbook(ctx, fmt.Sprintf("save playbook %d", id), http.MethodPost, playbookPath(id)+"/versions", playbookText{Text: text, Base: base})
}

// PlaybookVersions lists the versions of a playbook, newest first.
func (c *Client) PlaybookVersions(ctx context.Context, id int64) ([]PlaybookVersion, error) {
	var answer struct {
		Versions []PlaybookVersion `json:"versions"`
	}
	err := c.automation(ctx, fmt.Sprintf("list versions of playbook %d", id), http.MethodGet, playbookPath(id)+"/versions", nil, &answer)
	return answer.Versions, err
}

// PlaybookVersion returns one version with its text; number 0 is the newest.
func (c *Client) PlaybookVersion(ctx context.Context, id, number int64) (PlaybookVersion, error) {
	var answer PlaybookVersion
	path := playbookPath(id) + "/versions/" + strconv.FormatInt(number, 10)
	err := c.automation(ctx, fmt.Sprintf("read version %d of playbook %d", number, id), http.MethodGet, path, nil, &answer)
	return answer, err
}

// PublishPlaybook makes a version live; number 0 is the newest.
func (c *Client) PublishPlaybook(ctx context.Context, id, number int64) (Playbook, error) {
	body := struct {
		Version int64 `json:"version"`
	}{number}
	return c.playbook(ctx, fmt.Sprintf("publish playbook %d", id), http.MethodPost, playbookPath(id)+"/publish", body)
}

// WithdrawPlaybook takes the live version away.
func (c *Client) WithdrawPlaybook(ctx context.Context, id int64) (Playbook, error) {
	return c.playbook(ctx, fmt.Sprintf("withdraw playbook %d", id), http.MethodPost, playbookPath(id)+"/withdraw", nil)
}

// DeletePlaybook deletes a playbook with its versions; runs that have ended stay.
func (c *Client) DeletePlaybook(ctx context.Context, id int64) error {
	return c.automation(ctx, fmt.Sprintf("delete playbook %d", id), http.MethodDelete, playbookPath(id), nil, nil)
}

// PlaybookSecrets lists the names of the secrets of a playbook in alphabetical order.
func (c *Client) PlaybookSecrets(ctx context.Context, id int64) ([]string, error) {
	var answer struct {
		Secrets []struct {
			Name string `json:"name"`
		} `json:"secrets"`
	}
	err := c.automation(ctx, fmt.Sprintf("list secrets of playbook %d", id), http.MethodGet, playbookPath(id)+"/secrets", nil, &answer)
	names := make([]string, len(answer.Secrets))
	for i, s := range answer.Secrets {
		names[i] = s.Name
	}
	return names, err
}

// SetPlaybookSecret sets what the webhooks of a playbook that name it are signed with:
// whsec_ and 24 to 64 random bytes in base64, as Standard Webhooks has it.
func (c *Client) SetPlaybookSecret(ctx context.Context, id int64, name, secret string) error {
	body := struct {
		Secret string `json:"secret"`
	}{secret}
	return c.automation(ctx, fmt.Sprintf("set secret %s of playbook %d", name, id), http.MethodPut, playbookSecretPath(id, name), body, nil)
}

// RemovePlaybookSecret removes a secret: webhooks that name it start nothing any more.
func (c *Client) RemovePlaybookSecret(ctx context.Context, id int64, name string) error {
	return c.automation(ctx, fmt.Sprintf("remove secret %s of playbook %d", name, id), http.MethodDelete, playbookSecretPath(id, name), nil, nil)
}

func playbookSecretPath(id int64, name string) string {
	return playbookPath(id) + "/secrets/" + url.PathEscape(name)
}

// ShippedPlaybooks lists the playbooks that come with the platform.
func (c *Client) ShippedPlaybooks(ctx context.Context) ([]ShippedPlaybook, error) {
	var answer struct {
		Playbooks []ShippedPlaybook `json:"playbooks"`
	}
	err := c.automation(ctx, "list shipped playbooks", http.MethodGet, playbooksPath+"/shipped", nil, &answer)
	return answer.Playbooks, err
}

// playbook makes a call that is answered with a playbook.
func (c *Client) playbook(ctx context.Context, what, method, path string, body any) (Playbook, error) {
	var answer Playbook
	err := c.automation(ctx, what, method, path, body, &answer)
	return answer, err
}

func playbookPath(id int64) string { return playbooksPath + "/" + strconv.FormatInt(id, 10) }
