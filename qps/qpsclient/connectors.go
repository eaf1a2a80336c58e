package qpsclient

import (
	"context"
	"errors"
	"fmt"

	"vedette.dev/vedette/qps"
)

func (c *Client) awsConnectors() kind[*qps.AwsAssetDataConnector] {
	return kind[*qps.AwsAssetDataConnector]{
		client: c, what: "AWS connector", all: "AWS connectors", prefix: c.assetPath(""), suffix: "/am/awsassetdataconnector",
		id: func(k *qps.AwsAssetDataConnector) int64 { return k.ID },
	}
}

// AWSConnectors returns the connectors of AWS accounts that meet all criteria,
// all of them without any, in ascending order of id. There is one for each
// account: hundreds, rarely thousands. Config.APIVersion chooses between the
// versions 2.0 and 3.0, which differ in elements; the calls are the same.
func (c *Client) AWSConnectors(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AwsAssetDataConnector, error) {
	return c.awsConnectors().search(ctx, criteria)
}

// CountAWSConnectors returns how many AWS connectors meet all criteria.
func (c *Client) CountAWSConnectors(ctx context.Context, criteria ...qps.Criterion) (int64, error) {
	return c.awsConnectors().count(ctx, criteria)
}

// GetAWSConnector returns one AWS connector by its id.
func (c *Client) GetAWSConnector(ctx context.Context, id int64) (*qps.AwsAssetDataConnector, error) {
	return c.awsConnectors().get(ctx, id)
}

// CreateAWSConnector makes an AWS connector and returns it, with the account
// that the trust policy of its role has to name. It is a write: after a
// *TransportError there may be one.
func (c *Client) CreateAWSConnector(ctx context.Context, change qps.AwsAssetDataConnectorChange) (*qps.AwsAssetDataConnector, error) {
	return c.awsConnectors().create(ctx, change.Node())
}

// UpdateAWSConnector changes an AWS connector; what change does not say stays.
// The platform answers with no more than the id, so ask for the connector to see
// the result.
func (c *Client) UpdateAWSConnector(ctx context.Context, id int64, change qps.AwsAssetDataConnectorChange) error {
	return c.awsConnectors().update(ctx, id, change.Node())
}

// DeleteAWSConnector deletes an AWS connector. Vedette keeps the assets it found;
// Qualys does not document what becomes of them.
func (c *Client) DeleteAWSConnector(ctx context.Context, id int64) error {
	return c.awsConnectors().delete(ctx, id)
}

// RunAWSConnectors asks for a run of AWS connectors and returns those that will
// run, in their new state; the runs go on after the answer. A disabled connector
// is passed over, unless all of them are: that is an error. There must be an id.
func (c *Client) RunAWSConnectors(ctx context.Context, ids ...int64) ([]*qps.AwsAssetDataConnector, error) {
	var in call
	switch k := c.awsConnectors(); len(ids) {
	case 0:
		return nil, errors.New("run AWS connectors: at least one id is required")
	case 1:
		in = act(k.pathOf("run", ids[0]), nil)
	default:
		in = act(k.path("run"), nil, idList(ids))
	}
	resp, err := c.envelope(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("run AWS connectors: %w", err)
	}
	var running []*qps.AwsAssetDataConnector
	for _, r := range resp.Records {
		if connector, ok := r.(*qps.AwsAssetDataConnector); ok {
			running = append(running, connector)
		}
	}
	return running, nil
}

// connectors are those of any cloud, which only version 2.0 has calls for.
func (c *Client) connectors() kind[*qps.AssetDataConnector] {
	return kind[*qps.AssetDataConnector]{
		client: c, what: "connector", all: "connectors", prefix: "/qps/rest/2.0/", suffix: "/am/assetdataconnector",
		id: func(k *qps.AssetDataConnector) int64 { return k.ID },
	}
}

// Connectors returns what the connectors of all clouds have in common, of those
// that meet all criteria, in ascending order of id.
func (c *Client) Connectors(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AssetDataConnector, error) {
	return c.connectors().search(ctx, criteria)
}

// CountConnectors returns how many connectors of any cloud meet all criteria.
func (c *Client) CountConnectors(ctx context.Context, criteria ...qps.Criterion) (int64, error) {
	return c.connectors().count(ctx, criteria)
}

// GetConnector returns what all connectors have in common of one, by its id.
func (c *Client) GetConnector(ctx context.Context, id int64) (*qps.AssetDataConnector, error) {
	return c.connectors().get(ctx, id)
}

// UpdateConnector changes a connector of any cloud; what change does not say
// stays.
func (c *Client) UpdateConnector(ctx context.Context, id int64, change qps.AssetDataConnectorChange) error {
	return c.connectors().update(ctx, id, change.Node())
}

// DeleteConnector deletes a connector of any cloud; see DeleteAWSConnector.
func (c *Client) DeleteConnector(ctx context.Context, id int64) error {
	return c.connectors().delete(ctx, id)
}

// RunConnector asks for a run of a connector of any cloud and returns it in its
// new state. The run goes on after the answer; see GetConnector for how it goes.
func (c *Client) RunConnector(ctx context.Context, id int64) (*qps.AssetDataConnector, error) {
	resp, err := c.envelope(ctx, act(c.connectors().pathOf("run", id), nil))
	if err != nil {
		return nil, fmt.Errorf("run connector %d: %w", id, err)
	}
	for _, r := range resp.Records {
		switch connector := r.(type) {
		case *qps.AwsAssetDataConnector: // platforms answer with the object of the cloud
			return &connector.AssetDataConnector, nil
		case *qps.AssetDataConnector:
			return connector, nil
		}
	}
	return nil, fmt.Errorf("run connector %d: %w", id, c.badAnswer("there is no AssetDataConnector"))
}
