package integration

import (
	"context"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/qps"
)

func connectors() kind[*qps.AwsAssetDataConnector] {
	return kind[*qps.AwsAssetDataConnector]{
		what: "connector", schema: qps.SchemaAwsAssetDataConnector, keyField: "connectorIds", id: func(c *qps.AwsAssetDataConnector) int64 { return c.ID },
		columns: []string{"ID", "NAME", "STATE", "PARTITION", "ACCOUNT", "REGIONS", "LAST SYNC", "LAST ERROR"}, times: []string{"LAST SYNC"},
		row: func(c *qps.AwsAssetDataConnector) []string {
			return []string{
				strconv.FormatInt(c.ID, 10), c.Name, c.ConnectorState, partition(c), c.AWSAccountID, strings.Join(regions(c), ", "),
				qps.FormatTime(c.LastSync), c.LastError,
			}
		},
		record: func(c *qps.AwsAssetDataConnector) any {
			return connectorRecord{
				c.ID, c.Name, c.Description, c.ConnectorState, partition(c), c.AWSAccountID, regions(c), c.ARN, c.ExternalID, c.QualysAWSAccountID,
				isTrue(c.Disabled), c.RunFrequency, c.LastSync, c.LastError, tagNames(c.DefaultTags), append([]string{}, c.Activation...),
			}
		},
	}
}

// connectorRecord is a connector as context data.
type connectorRecord struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	State       string `json:"state"`
	Partition   string `json:"partition"`
	AccountID   string `json:"accountId"`
	// Regions are their codes, or "all".
	Regions    []string `json:"regions"`
	RoleARN    string   `json:"roleArn"`
	ExternalID string   `json:"externalId"`
	// AssumedBy is the account that the trust policy of the role has to name.
	AssumedBy    string    `json:"assumedBy"`
	Disabled     bool      `json:"disabled"`
	EveryMinutes int64     `json:"everyMinutes"`
	LastSync     time.Time `json:"lastSync,omitzero"`
	LastError    string    `json:"lastError"`
	Tags         []string  `json:"tags"`
	Modules      []string  `json:"modules"`
}

// Partitions of AWS, as the input is answered.
const (
	partitionGlobal   = "AWS"
	partitionGovCloud = "AWS GovCloud (US)"
	partitionChina    = "AWS China"
)

func partition(c *qps.AwsAssetDataConnector) string {
	switch {
	case isTrue(c.IsGovCloudConfigured):
		return partitionGovCloud
	case isTrue(c.IsChinaConfigured):
		return partitionChina
	}
	return partitionGlobal
}

func regions(c *qps.AwsAssetDataConnector) []string {
	if isTrue(c.AllRegions) {
		return []string{"all"}
	}
	return append([]string{}, c.Endpoints...)
}

const listOfConnectors = "List Connectors shows which there are."

func listConnectors(ctx context.Context, x *execution) automation.Outcome {
	list, err := x.session.Client.AWSConnectors(ctx)
	if err != nil {
		return x.fail(err)
	}
	return connectors().outcome(list...)
}

// describedConnector is what the inputs say of a connector.
func describedConnector(v Values) (qps.AwsAssetDataConnectorChange, error) {
	var c qps.AwsAssetDataConnectorChange
	c.Name, c.Description, c.Disabled = optional[string](v, "name"), optional[string](v, "description"), optional[bool](v, "disabled")
	c.ARN, c.ExternalID, c.AllRegions = optional[string](v, "roleArn"), optional[string](v, "externalId"), optional[bool](v, "allRegions")
	c.AuthRecordID = optional[int64](v, "authRecordId")
	if text := v.Text("partition"); text != "" {
		c.IsGovCloudConfigured, c.IsChinaConfigured = new(text == partitionGovCloud), new(text == partitionChina)
	}
	if list := optional[[]string](v, "regions"); list != nil {
		c.Endpoints.Set = *list
		if c.AllRegions == nil {
			c.AllRegions = new(false) // regions that are named take the place of all
		}
	}
	if list := optional[[]string](v, "modules"); list != nil {
		c.Activation.Set = *list
	}
	if list := optional[[]string](v, "tags"); list != nil {
		c.DefaultTags.Set = []qps.TagSimple{}
		for _, text := range *list {
			tag, err := description.TagByText(text)
			if err != nil {
				return c, err
			}
			c.DefaultTags.Set = append(c.DefaultTags.Set, tag)
		}
	}
	if every := v.Duration("every"); every > 0 {
		c.RunFrequency = new(int64(every / time.Minute))
	}
	return c, nil
}

func createConnector(ctx context.Context, x *execution) automation.Outcome {
	change, err := describedConnector(x.call.Values)
	if err != nil {
		return x.fail(err)
	}
	made, err := x.session.Client.CreateAWSConnector(ctx, change)
	if err != nil {
		return x.fail(err)
	}
	return connectors().outcome(made)
}

func updateConnector(ctx context.Context, x *execution) automation.Outcome {
	v, client := x.call.Values, x.session.Client
	if !said(v, "connector") {
		return x.fail(nothingToChange())
	}
	change, err := describedConnector(v)
	if err != nil {
		return x.fail(err)
	}
	id, err := x.findConnector(ctx, v.Text("connector"))
	if err == nil {
		err = client.UpdateAWSConnector(ctx, id, change)
	}
	if err != nil {
		return x.fail(err)
	}
	return connectors().changed(id, func() (*qps.AwsAssetDataConnector, error) { return client.GetAWSConnector(ctx, id) })
}

func deleteConnector(ctx context.Context, x *execution) automation.Outcome {
	id, err := x.findConnector(ctx, x.call.Values.Text("connector"))
	if err == nil {
		err = x.session.Client.DeleteAWSConnector(ctx, id)
	}
	if err != nil {
		return x.fail(err)
	}
	return connectors().gone(id, "deleted")
}

func (x *execution) findConnector(ctx context.Context, text string) (int64, error) {
	return named(ctx, connectors(), text, listOfConnectors, x.session.Client.AWSConnectors)
}
