package qpsclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// integrationsPath is where a Vedette platform says what it can connect to.
const integrationsPath = "/automation/v1/integrations"

// IntegrationSummary is one kind of platform that connections lead to.
type IntegrationSummary struct {
	Name        string `json:"name"`        // stable, such as qualys-cloud-agent
	DisplayName string `json:"displayName"` // such as Qualys Cloud Agent
	Category    string `json:"category"`
	Version     string `json:"version"`
	Description string `json:"description"`
	Connections int    `json:"connections"` // that the caller sees
}

// Integration is one kind of platform: how to reach it, and what it can be asked to
// do.
type Integration struct {
	Name        string                 `json:"name"`
	DisplayName string                 `json:"displayName"`
	Category    string                 `json:"category"`
	Version     string                 `json:"version"`
	Description string                 `json:"description"`
	Platforms   []IntegrationPlatform  `json:"platforms,omitempty"`
	Parameters  []IntegrationParameter `json:"parameters"`
	Commands    []Command              `json:"commands"`
}

// IntegrationPlatform is an entry of the list that the server URL is chosen from.
type IntegrationPlatform struct {
	Name string `json:"name"`
	URL  string `json:"url"` // of a private platform, with a part in angle brackets
}

// IntegrationParameter is a setting of a connection.
type IntegrationParameter struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
	Type        string `json:"type"` // a value of the type secret is never shown
	Required    bool   `json:"required"`
	Default     string `json:"default,omitempty"`
	Example     string `json:"example,omitempty"`
}

// Command is something that can be done with a connection.
type Command struct {
	Integration string          `json:"integration"`
	Name        string          `json:"name"`
	DisplayName string          `json:"displayName"`
	Description string          `json:"description"`
	Permission  string          `json:"permission"`       // that the account needs on the platform
	Indicator   string          `json:"failureIndicator"` // how its errors begin
	ReadOnly    bool            `json:"readOnly"`
	Additive    bool            `json:"additive,omitempty"`  // writes, and changes or takes away nothing that was there
	Repeat      string          `json:"repeat"`              // safe, keyed or never
	Impatient   bool            `json:"impatient,omitempty"` // fails when the platform asks to wait
	Waits       bool            `json:"waits,omitempty"`     // can wait for the end of what it begins
	Inputs      []CommandInput  `json:"inputs"`
	Outputs     []CommandOutput `json:"outputs"`
	KeyFields   []CommandOutput `json:"keyFields,omitempty"` // without a display name
}

// CommandInput is what a command is told.
type CommandInput struct {
	Name        string          `json:"name"`
	DisplayName string          `json:"displayName"`
	Description string          `json:"description"`
	Type        string          `json:"type"`
	Required    bool            `json:"required"`
	Default     json.RawMessage `json:"default,omitempty"`
	Choices     []string        `json:"choices,omitempty"`
	Min         *int64          `json:"min,omitempty"`
	Max         *int64          `json:"max,omitempty"`
	UTC         bool            `json:"utc,omitempty"`
	Emptiable   bool            `json:"emptiable,omitempty"`
	Example     string          `json:"example,omitempty"`
}

// CommandOutput is what a command leaves.
type CommandOutput struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitempty"`
	Description string `json:"description"`
}

// Integrations lists the integrations whose name, category or description has the
// text, in any case; all of them for an empty one. Platforms without an automation
// layer, such as Qualys, give ErrNoAutomationAPI, here and below.
func (c *Client) Integrations(ctx context.Context, text string) ([]IntegrationSummary, error) {
	var answer struct {
		Integrations []IntegrationSummary `json:"integrations"`
	}
	err := c.search(ctx, "list integrations", integrationsPath, values{"search": text}, &answer)
	return answer.Integrations, err
}

// Integration returns one integration by its name. A *StatusError with status 404
// means that there is none.
func (c *Client) Integration(ctx context.Context, name string) (Integration, error) {
	var i Integration
	err := c.automation(ctx, "read integration "+name, http.MethodGet, integrationsPath+"/"+url.PathEscape(name), nil, &i)
	return i, err
}

// values are the parameters of a query; empty ones are left out.
type values map[string]string

func (v values) encode() string {
	q := url.Values{}
	for name, value := range v {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

// search makes a reading call of the automation API with parameters.
func (c *Client) search(ctx context.Context, what, path string, parameters values, out any) error {
	in := call{method: http.MethodGet, path: path, query: parameters.encode(), accept: mediaJSON, maxBytes: accessBytes}
	if err := c.state(ctx, in, out); err != nil {
		return fmt.Errorf("%s: %w", what, noAutomationAPI(err))
	}
	return nil
}
