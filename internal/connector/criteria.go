package connector

import (
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// Criteria on connectors (Qualys Asset Management API, search
// awsassetdataconnector; of what is not documented there, the elements that tell
// connectors apart).
const (
	FieldID             fleet.Field = "id"
	FieldName           fleet.Field = "name"
	FieldDescription    fleet.Field = "description"
	FieldAWSAccountID   fleet.Field = "awsAccountId"
	FieldConnectorState fleet.Field = "connectorState"
	FieldLastSync       fleet.Field = "lastSync"
	FieldNextSync       fleet.Field = "nextSync"
	FieldLastError      fleet.Field = "lastError"
	FieldType           fleet.Field = "type"
	FieldDisabled       fleet.Field = "disabled"
	FieldActivation     fleet.Field = "activation"
	FieldDefaultTagID   fleet.Field = "defaultTags.id"
	FieldDefaultTagName fleet.Field = "defaultTags.name"
	FieldARN            fleet.Field = "arn"
	FieldAuthRecordID   fleet.Field = "authRecord.id"
	FieldAllRegions     fleet.Field = "allRegions"
	FieldGovCloud       fleet.Field = "isGovCloudConfigured"
	FieldChina          fleet.Field = "isChinaConfigured"
	FieldRunFrequency   fleet.Field = "runFrequency"
	FieldCreated        fleet.Field = "created"
	FieldModified       fleet.Field = "modified"
)

// connectorSchema says what criteria on connectors may ask for.
var connectorSchema = fleet.NewSchema(map[fleet.Field]fleet.Property[Connector]{
	FieldID:             fleet.Integer(func(c *Connector) []int64 { return []int64{c.ID} }),
	FieldName:           fleet.Text(func(c *Connector) string { return c.Name }),
	FieldDescription:    fleet.Text(func(c *Connector) string { return c.Description }),
	FieldAWSAccountID:   fleet.Text(func(c *Connector) string { return c.AccountID }),
	FieldConnectorState: fleet.Keyword(func(c *Connector) string { return string(c.State) }),
	FieldLastSync:       fleet.Date(func(c *Connector) time.Time { return c.LastSync }),
	FieldNextSync:       fleet.Date(func(c *Connector) time.Time { return c.NextSync }),
	FieldLastError:      fleet.Text(func(c *Connector) string { return c.LastError }),
	FieldType:           fleet.Keyword(func(*Connector) string { return qps.CloudAWS }),
	FieldDisabled:       fleet.Boolean(func(c *Connector) bool { return c.Disabled }),
	FieldActivation:     fleet.Keywords(func(c *Connector) []string { return c.Modules }),
	FieldDefaultTagID:   fleet.Integer(tagIDs),
	FieldDefaultTagName: fleet.Texts(tagNames),
	FieldARN:            fleet.Text(func(c *Connector) string { return c.RoleARN }),
	FieldAuthRecordID:   fleet.Integer(authRecordIDs),
	FieldAllRegions:     fleet.Boolean(func(c *Connector) bool { return c.AllRegions }),
	FieldGovCloud:       fleet.Boolean(func(c *Connector) bool { return c.Partition == GovCloud }),
	FieldChina:          fleet.Boolean(func(c *Connector) bool { return c.Partition == China }),
	FieldRunFrequency:   fleet.Integer(func(c *Connector) []int64 { return []int64{int64(c.RunFrequency / time.Minute)} }),
})

// authRecordSchema says what criteria on authentication records may ask for.
var authRecordSchema = fleet.NewSchema(map[fleet.Field]fleet.Property[AuthRecord]{
	FieldID:          fleet.Integer(func(r *AuthRecord) []int64 { return []int64{r.ID} }),
	FieldName:        fleet.Text(func(r *AuthRecord) string { return r.Name }),
	FieldDescription: fleet.Text(func(r *AuthRecord) string { return r.Description }),
	FieldCreated:     fleet.Date(func(r *AuthRecord) time.Time { return r.Created }),
	FieldModified:    fleet.Date(func(r *AuthRecord) time.Time { return r.Modified }),
})

// errorSchema says what criteria on errors of connectors may ask for.
var errorSchema = fleet.NewSchema(map[fleet.Field]fleet.Property[Connector]{
	FieldID: fleet.Integer(func(c *Connector) []int64 { return []int64{c.ID} }),
})

func tagIDs(c *Connector) []int64 {
	ids := make([]int64, len(c.DefaultTags))
	for i, tag := range c.DefaultTags {
		ids[i] = tag.ID
	}
	return ids
}

func tagNames(c *Connector) []string {
	names := make([]string, len(c.DefaultTags))
	for i, tag := range c.DefaultTags {
		names[i] = tag.Name
	}
	return names
}

func authRecordIDs(c *Connector) []int64 {
	if c.AuthRecordID == 0 {
		return nil
	}
	return []int64{c.AuthRecordID}
}

// matching returns those of all that meet the criteria.
func matching[T any](schema fleet.Schema[T], all []T, criteria []qps.Criterion) ([]T, error) {
	conditions, err := schema.Parse(criteria)
	if err != nil {
		return nil, err
	}
	var found []T
	for i := range all {
		if schema.Match(&all[i], conditions) {
			found = append(found, all[i])
		}
	}
	return found, nil
}

// checkSelection refuses criteria that select what shall change by accident: none
// at all, or what something is not (Qualys Connectors API, update).
func checkSelection(criteria []qps.Criterion, what string) error {
	if len(criteria) == 0 {
		return invalid(fmt.Sprintf("Criteria: at least one criterion is required to %s.", what), "Specify a criterion on id or name, or the id in the path.")
	}
	for _, c := range criteria {
		if c.Operator == qps.OpNotEquals {
			return invalid(fmt.Sprintf("Criteria: Operator 'NOT EQUALS' is not allowed to %s.", what), "Name what shall be changed by EQUALS or IN.")
		}
	}
	return nil
}
