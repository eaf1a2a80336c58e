package qpsclient

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// sitesPath is where a Vedette platform keeps the sites of its automation layer.
const sitesPath = "/automation/v1/sites"

// Site is a tenant: connections belong to sites, and users are members of them.
type Site struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Kind        string    `json:"kind"` // internal or client
	Description string    `json:"description"`
	Members     []string  `json:"members,omitempty"` // usernames, for managers only
	Created     time.Time `json:"created"`
}

// NewSite is what a site is made of.
type NewSite struct {
	Name        string `json:"name"`
	Kind        string `json:"kind,omitempty"` // internal, unless it says client
	Description string `json:"description,omitempty"`
}

// SiteChange is what to change of a site; nil leaves it as it is.
type SiteChange struct {
	Name        *string `json:"name,omitempty"`
	Kind        *string `json:"kind,omitempty"`
	Description *string `json:"description,omitempty"`
}

// Sites lists all sites for managers, and for others those they are members of.
func (c *Client) Sites(ctx context.Context) ([]Site, error) {
	var answer struct {
		Sites []Site `json:"sites"`
	}
	err := c.automation(ctx, "list sites", http.MethodGet, sitesPath, nil, &answer)
	return answer.Sites, err
}

// CreateSite makes a site without members.
func (c *Client) CreateSite(ctx context.Context, n NewSite) (Site, error) {
	var s Site
	err := c.automation(ctx, "create site "+n.Name, http.MethodPost, sitesPath, n, &s)
	return s, err
}

// UpdateSite changes a site and returns it as it is then.
func (c *Client) UpdateSite(ctx context.Context, id int64, change SiteChange) (Site, error) {
	var s Site
	err := c.automation(ctx, fmt.Sprintf("update site %d", id), http.MethodPatch, sitePath(id), change, &s)
	return s, err
}

// DeleteSite deletes a site that no connection belongs to.
func (c *Client) DeleteSite(ctx context.Context, id int64) error {
	return c.automation(ctx, fmt.Sprintf("delete site %d", id), http.MethodDelete, sitePath(id), nil, nil)
}

// ChangeMembers adds users to a site and removes others, all of them or none, and
// returns the site as it is then.
func (c *Client) ChangeMembers(ctx context.Context, id int64, add, remove []string) (Site, error) {
	body := struct {
		Add    []string `json:"add,omitempty"`
		Remove []string `json:"remove,omitempty"`
	}{add, remove}
	var s Site
	err := c.automation(ctx, fmt.Sprintf("change members of site %d", id), http.MethodPost, sitePath(id)+"/members", body, &s)
	return s, err
}

func sitePath(id int64) string { return sitesPath + "/" + strconv.FormatInt(id, 10) }
