package qpsclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"vedette.dev/vedette/qps"
)

func (c *Client) awsAuthRecords() kind[*qps.AwsAuthRecord] {
	return kind[*qps.AwsAuthRecord]{
		client: c, what: "AWS authentication record", all: "AWS authentication records", prefix: "/qps/rest/2.0/", suffix: "/am/awsauthrecord",
		id: func(r *qps.AwsAuthRecord) int64 { return r.ID },
	}
}

// AWSAuthRecords returns the AWS authentication records that meet all criteria,
// all of them without any, in ascending order of id. Nothing returns their keys.
func (c *Client) AWSAuthRecords(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AwsAuthRecord, error) {
	return c.awsAuthRecords().search(ctx, criteria)
}

// CountAWSAuthRecords returns how many AWS authentication records meet all
// criteria.
func (c *Client) CountAWSAuthRecords(ctx context.Context, criteria ...qps.Criterion) (int64, error) {
	return c.awsAuthRecords().count(ctx, criteria)
}

// GetAWSAuthRecord returns one AWS authentication record by its id.
func (c *Client) GetAWSAuthRecord(ctx context.Context, id int64) (*qps.AwsAuthRecord, error) {
	return c.awsAuthRecords().get(ctx, id)
}

// CreateAWSAuthRecord makes an AWS authentication record and returns it. It is a
// write: after a *TransportError there may be one.
func (c *Client) CreateAWSAuthRecord(ctx context.Context, change qps.AwsAuthRecordChange) (*qps.AwsAuthRecord, error) {
	return c.awsAuthRecords().create(ctx, change.Node())
}

// UpdateAWSAuthRecord changes an AWS authentication record; what change does not
// say stays. The connectors that use it go on with new keys at their next run.
func (c *Client) UpdateAWSAuthRecord(ctx context.Context, id int64, change qps.AwsAuthRecordChange) error {
	return c.awsAuthRecords().update(ctx, id, change.Node())
}

// DeleteAWSAuthRecord deletes an AWS authentication record. Vedette refuses it
// while a connector uses the record.
func (c *Client) DeleteAWSAuthRecord(ctx context.Context, id int64) error {
	return c.awsAuthRecords().delete(ctx, id)
}

// connectorsPath is the path of calls that only version 3.0 has.
const connectorsPath = "/qps/rest/3.0/"

// ConnectorErrors returns what went wrong in the runs of a connector, in the
// order of the platform.
func (c *Client) ConnectorErrors(ctx context.Context, connectorID int64) ([]*qps.AssetDataConnectorErrors, error) {
	found, err := c.connectorErrors(ctx, connectorID)
	if err != nil {
		return nil, fmt.Errorf("search errors of connector %d: %w", connectorID, err)
	}
	return found, nil
}

// connectorErrors asks for page after page by offset, because errors have no id.
func (c *Client) connectorErrors(ctx context.Context, connectorID int64) ([]*qps.AssetDataConnectorErrors, error) {
	req := &qps.Request{Criteria: []qps.Criterion{{Field: "id", Operator: qps.OpEquals, Value: strconv.FormatInt(connectorID, 10)}}}
	req.Preferences.LimitResults = qps.MaxLimitResults
	var found []*qps.AssetDataConnectorErrors
	for pages := 1; ; pages++ {
		resp, err := c.envelope(ctx, post(connectorsPath+"search/am/assetdataconnectorerrors", req))
		if err != nil {
			return nil, err
		}
		before := len(found)
		for _, r := range resp.Records {
			if e, ok := r.(*qps.AssetDataConnectorErrors); ok {
				found = append(found, e)
			}
		}
		if resp.HasMore == nil || !*resp.HasMore {
			return found, nil
		}
		if len(found) == before || pages == c.limits.pages {
			return nil, c.badAnswer("the pages of the search do not end")
		}
		req.Preferences.StartFromOffset = int64(len(found)) + qps.DefaultStartFromOffset
	}
}

// AWSBaseAccounts returns the AWS accounts that assume the roles of connectors.
func (c *Client) AWSBaseAccounts(ctx context.Context) ([]*qps.AwsBaseAccount, error) {
	resp, err := c.envelope(ctx, post(connectorsPath+"search/am/awsbaseaccount", &qps.Request{}))
	if err != nil {
		return nil, fmt.Errorf("search AWS base accounts: %w", err)
	}
	var accounts []*qps.AwsBaseAccount
	for _, r := range resp.Records {
		if a, ok := r.(*qps.AwsBaseAccount); ok {
			accounts = append(accounts, a)
		}
	}
	return accounts, nil
}

// GetAWSBaseAccount returns one base account by its id.
func (c *Client) GetAWSBaseAccount(ctx context.Context, id int64) (*qps.AwsBaseAccount, error) {
	account, err := answered[*qps.AwsBaseAccount](ctx, c, get(connectorsPath+"get/am/awsbaseaccount/"+strconv.FormatInt(id, 10)))
	if err != nil {
		return nil, fmt.Errorf("get AWS base account %d: %w", id, err)
	}
	return account, nil
}

// CloudFormationTemplate returns the template, as JSON or YAML, that makes the
// role of an AWS connector.
func (c *Client) CloudFormationTemplate(ctx context.Context, t qps.AwsCloudformationTemplate) ([]byte, error) {
	in := post(connectorsPath+"download/am/awscloudformationtemplate", &qps.Request{Data: &qps.Node{Name: "data", Children: []*qps.Node{t.Node()}}})
	in.accept, in.maxBytes = "*/*", templateBytes
	var template []byte
	var refused error
	err := c.retry(ctx, false, func() error {
		return c.attempt(ctx, in, func(_ http.Header, body io.Reader) (err error) {
			template, refused, err = readTemplate(body)
			return err
		})
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return nil, fmt.Errorf("download CloudFormation template: %w", err)
	}
	return template, nil
}

// readTemplate reads a template. Failures come as an envelope, with status 200
// as well; both may begin like JSON, so what is an envelope is none.
func readTemplate(body io.Reader) (template []byte, refused, err error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, nil, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil, errors.New("it is empty")
	}
	resp, noEnvelope := qps.DecodeResponse(bytes.NewReader(text), qps.XML)
	switch {
	case noEnvelope == nil:
		if refused = resp.Err(http.StatusOK); refused == nil {
			err = errors.New("an envelope stands where the template is expected")
		}
		return nil, refused, err
	case bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")): // the page of a proxy
		return nil, nil, noEnvelope
	}
	return text, nil, nil
}
