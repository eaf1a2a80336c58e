package integration

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/qps"
)

func activationKeys() kind[*qps.AgentActKey] {
	return kind[*qps.AgentActKey]{
		what: "activation key", schema: qps.SchemaAgentActKey, keyField: "activationKeyIds", id: func(k *qps.AgentActKey) int64 { return k.ID },
		columns: []string{"ID", "TITLE", "ACTIVATION KEY", "STATUS", "AGENTS", "MAXIMUM", "EXPIRES", "MODULES", "TAGS"}, times: []string{"EXPIRES"},
		row: func(k *qps.AgentActKey) []string {
			maximum := ""
			if k.CountPurchased > 0 {
				maximum = strconv.FormatInt(k.CountPurchased, 10)
			}
			return []string{
				strconv.FormatInt(k.ID, 10), k.Title, k.ActivationKey, keyStatus(k), strconv.FormatInt(k.CountUsed, 10), maximum,
				qps.FormatTime(k.ExpireDate), strings.Join(k.Licenses, ", "), strings.Join(tagNames(k.Tags), ", "),
			}
		},
		record: func(k *qps.AgentActKey) any {
			return keyRecord{
				k.ID, k.Title, k.ActivationKey, keyStatus(k), k.Type, k.IsDisabled, k.CountUsed, k.CountPurchased, k.ExpireDate,
				append([]string{}, k.Licenses...), tagNames(k.Tags),
			}
		},
	}
}

// keyRecord is an activation key as context data.
type keyRecord struct {
	ID            int64     `json:"id"`
	Title         string    `json:"title"`
	ActivationKey string    `json:"activationKey"`
	Status        string    `json:"status"`
	Type          string    `json:"type"`
	Disabled      bool      `json:"disabled"`
	Agents        int64     `json:"agents"`
	MaxAgents     int64     `json:"maxAgents"` // 0 for no maximum
	Expires       time.Time `json:"expires,omitzero"`
	Modules       []string  `json:"modules"`
	Tags          []string  `json:"tags"`
}

func keyStatus(k *qps.AgentActKey) string {
	switch {
	case k.IsDisabled:
		return "DISABLED"
	case k.Status == "":
		return "ACTIVE"
	}
	return k.Status
}

// listKeys is where a key that was not found is looked for.
const listKeys = "List Activation Keys shows which there are."

func listActivationKeys(ctx context.Context, x *execution) automation.Outcome {
	keys, err := x.session.Client.ActivationKeys(ctx)
	if err != nil {
		return x.fail(err)
	}
	return activationKeys().outcome(keys...)
}

func createActivationKey(ctx context.Context, x *execution) automation.Outcome {
	change, err := describedKey(x.call.Values).Change(qps.AgentActKey{}, description.TagByText)
	if err != nil {
		return x.fail(err)
	}
	made, err := x.session.Client.CreateActivationKey(ctx, change)
	if err != nil {
		return x.fail(err)
	}
	return activationKeys().outcome(made)
}

// describedKey is what the inputs say of a key.
func describedKey(v Values) description.ActivationKey {
	d := description.ActivationKey{
		Title: optional[string](v, "title"), MaxAgents: optional[int64](v, "maxAgents"), Expires: optional[time.Time](v, "expires"),
		Disabled: optional[bool](v, "disabled"), Modules: optional[[]string](v, "modules"), Tags: optional[[]string](v, "tags"),
	}
	if v.Boolean("neverExpires") {
		d.Expires = new(time.Time)
	}
	return d
}

func updateActivationKey(ctx context.Context, x *execution) automation.Outcome {
	v, client := x.call.Values, x.session.Client
	if !said(v, "key", "applyToAgents") {
		return x.fail(nothingToChange())
	}
	id, err := x.findKey(ctx, v.Text("key"))
	if err != nil {
		return x.fail(err)
	}
	current, err := client.GetActivationKey(ctx, id)
	if err != nil {
		return x.fail(err)
	}
	change, err := describedKey(v).Change(*current, description.TagByText)
	if err != nil {
		return x.fail(err)
	}
	if v.Boolean("applyToAgents") {
		change.ApplyOnAgents = new(true)
	}
	if err := client.UpdateActivationKey(ctx, id, change); err != nil {
		return x.fail(err)
	}
	return activationKeys().changed(id, func() (*qps.AgentActKey, error) { return client.GetActivationKey(ctx, id) })
}

func deleteActivationKey(ctx context.Context, x *execution) automation.Outcome {
	id, err := x.findKey(ctx, x.call.Values.Text("key"))
	if err == nil {
		err = x.session.Client.DeleteActivationKey(ctx, id)
	}
	if err != nil {
		return x.fail(err)
	}
	return activationKeys().gone(id, "deleted")
}

// findKey returns the id of the key that a text names by id, UUID or title. They
// are compared here: not every platform searches by the UUID.
func (x *execution) findKey(ctx context.Context, text string) (int64, error) {
	k := activationKeys()
	if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 {
		return id, nil
	}
	all, err := x.session.Client.ActivationKeys(ctx)
	if err != nil {
		return 0, err
	}
	_, noUUID := uuid.Parse(text)
	var found []*qps.AgentActKey
	for _, key := range all {
		if noUUID == nil && strings.EqualFold(key.ActivationKey, text) || key.Title == text {
			found = append(found, key)
		}
	}
	return k.only(text, listKeys, found)
}
