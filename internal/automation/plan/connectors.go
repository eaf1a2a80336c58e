package plan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// NoRecord says of a connector that it has no authentication record.
const NoRecord = "none"

// Connector is what somebody says about a connector of an AWS account. nil is not
// said and stays as it is. The access keys of its authentication record are said
// nowhere.
type Connector struct {
	Name         *string
	Description  *string
	Role         *string // the ARN of a role to assume
	ExternalID   *string
	AuthRecord   *string   // in place of a role, by name
	Regions      *[]string // codes, such as eu-west-1
	AllRegions   *bool
	GovCloud     *bool
	China        *bool
	Tags         *[]string // put on every asset found
	Modules      *[]string // activated on every asset found
	RunFrequency *int64    // minutes from run to run
	Disabled     *bool
}

// ConnectorReader reads connectors.
type ConnectorReader interface {
	AWSConnectors(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AwsAssetDataConnector, error)
	AWSAuthRecords(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AwsAuthRecord, error)
}

// ConnectorWriter changes connectors. Reading them is part of it: see
// applier.createConnector.
type ConnectorWriter interface {
	AWSConnectors(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AwsAssetDataConnector, error)
	CreateAWSConnector(ctx context.Context, change qps.AwsAssetDataConnectorChange) (*qps.AwsAssetDataConnector, error)
	UpdateAWSConnector(ctx context.Context, id int64, change qps.AwsAssetDataConnectorChange) error
	DeleteAWSConnector(ctx context.Context, id int64) error
}

// Bounds of the time from run to run in minutes (Qualys Connectors, help on
// polling), and what it is where the platform does not say it.
const (
	minRunFrequency     = 60
	maxRunFrequency     = 24 * 60
	defaultRunFrequency = 4 * 60
)

func (c *Connector) fields() []field {
	return []field{
		{"name", nameInto(&c.Name)},
		{"description", textInto(&c.Description)},
		{"role", textInto(&c.Role)},
		{"externalId", textInto(&c.ExternalID)},
		{"authRecord", nameInto(&c.AuthRecord)},
		{"regions", listInto(&c.Regions)},
		{"allRegions", booleanInto(&c.AllRegions)},
		{"govCloud", booleanInto(&c.GovCloud)},
		{"china", booleanInto(&c.China)},
		{"tags", listInto(&c.Tags)},
		{"modules", listInto(&c.Modules)},
		{"runFrequency", integerInto(&c.RunFrequency, minRunFrequency, maxRunFrequency)},
		{"disabled", booleanInto(&c.Disabled)},
	}
}

// readConnectors reads connectors and their authentication records.
func (s *state) readConnectors(ctx context.Context, r ConnectorReader) (err error) {
	if s.connectors, err = r.AWSConnectors(ctx); err != nil {
		return err
	}
	s.records, err = r.AWSAuthRecords(ctx)
	return err
}

// unavailable reports whether the platform, or the account, has not what was asked
// for, where it has other things.
func unavailable(err error) bool {
	status, ok := errors.AsType[*qpsclient.StatusError](err)
	return ok && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, status.StatusCode)
}

// planConnectors plans the connectors that are described.
func (m *maker) planConnectors() error {
	m.connectorTags = map[string][]*tagNode{}
	for _, c := range m.state.connectors {
		m.connectorTags[connectorLabel(c)] = m.nodesOf(c.DefaultTags)
	}
	seen := map[string]string{}
	for _, d := range m.documents[KindConnector] {
		name := *d.Connector.Name
		if first, twice := seen[name]; twice {
			return d.refuse("Describe it once.", "the connector %s is described in %s already", quote(name), first)
		}
		seen[name] = d.Source
		found := m.connectorsNamed(name)
		if len(found) > 1 {
			last := strconv.FormatInt(found[len(found)-1].ID, 10)
			return d.refuse("Give all but one another name: vedette connectors update "+last+" --name …", "%d connectors have the name %s", len(found), quote(name))
		}
		if err := m.planConnector(d, append(found, nil)[0]); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) connectorsNamed(name string) []*qps.AwsAssetDataConnector {
	var found []*qps.AwsAssetDataConnector
	for _, c := range m.state.connectors {
		if strings.TrimSpace(c.Name) == name {
			found = append(found, c)
		}
	}
	return found
}

func connectorLabel(c *qps.AwsAssetDataConnector) string {
	return fmt.Sprintf("connector %d (%s)", c.ID, quote(c.Name))
}

func (m *maker) planConnector(d *Document, current *qps.AwsAssetDataConnector) error {
	c := Change{Action: ActionChange, Kind: KindConnector, Name: *d.Connector.Name, Source: d.Source}
	isNew := current == nil
	if isNew {
		c.Action, current = ActionCreate, &qps.AwsAssetDataConnector{}
	} else {
		c.ID = current.ID
	}
	now := m.nodesOf(current.DefaultTags)
	wanted, err := m.resolveAll(d, "tags", d.Connector.Tags, now)
	if err != nil {
		return err
	}
	var differ differences
	change, err := m.connectorChange(d, current, isNew, &differ)
	if err != nil {
		return err
	}
	setTags := d.Connector.Tags != nil && (compareList(&differ, "tags", m.texts(now), new(m.texts(wanted))) || isNew)
	if isNew {
		m.connectorTags["the new connector "+quote(c.Name)] = wanted
	} else {
		m.connectorTags[connectorLabel(current)] = wanted
	}
	if c.Properties = differ; !isNew && len(differ) == 0 {
		return nil
	}
	c.make = func(ctx context.Context, a *applier, c *Change) error {
		if setTags {
			change.DefaultTags.Set = simpleTags(wanted)
		}
		if c.ID != 0 {
			return a.wrote(a.to.UpdateAWSConnector(ctx, c.ID, change))
		}
		change.Name = &c.Name
		return a.createConnector(ctx, change, c)
	}
	m.changes[KindConnector] = append(m.changes[KindConnector], c)
	return nil
}

// connectorChange returns the request that makes a connector as described, but for
// its tags, which may have no ids yet.
func (m *maker) connectorChange(d *Document, now *qps.AwsAssetDataConnector, isNew bool, differ *differences) (qps.AwsAssetDataConnectorChange, error) {
	said := d.Connector
	var change qps.AwsAssetDataConnectorChange
	propose(differ, "description", strings.TrimSpace(now.Description), said.Description, &change.Description, isNew)
	propose(differ, "govCloud", valueOf(now.IsGovCloudConfigured), said.GovCloud, &change.IsGovCloudConfigured, isNew)
	propose(differ, "china", valueOf(now.IsChinaConfigured), said.China, &change.IsChinaConfigured, isNew)
	m.compareRegions(said, now, isNew, differ, &change)
	if err := m.compareAuthentication(d, now, isNew, differ, &change); err != nil {
		return change, err
	}
	if said.Modules != nil {
		modules := upper(*said.Modules)
		if compareList(differ, "modules", upper(now.Activation), &modules) || isNew {
			change.Activation.Set = modules
		}
	}
	frequency := now.RunFrequency
	if frequency == 0 && !isNew {
		frequency = defaultRunFrequency
	}
	propose(differ, "runFrequency", frequency, said.RunFrequency, &change.RunFrequency, isNew)
	propose(differ, "disabled", valueOf(now.Disabled), said.Disabled, &change.Disabled, isNew)
	return change, nil
}

func upper(words []string) []string {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = strings.ToUpper(word)
	}
	return list
}

// compareRegions compares what is listed. Regions that are named take the place of
// all, and platforms keep those that do not matter while all are listed.
func (m *maker) compareRegions(said *Connector, now *qps.AwsAssetDataConnector, isNew bool, differ *differences, change *qps.AwsAssetDataConnectorChange) {
	all := said.AllRegions
	if all == nil && said.Regions != nil && len(*said.Regions) > 0 {
		all = new(false)
	}
	propose(differ, "allRegions", valueOf(now.AllRegions), all, &change.AllRegions, isNew)
	if said.Regions == nil || all != nil && *all {
		return
	}
	if compareList(differ, "regions", now.Endpoints, said.Regions) || isNew {
		change.Endpoints.Set = append([]string{}, *said.Regions...)
	}
}

// compareAuthentication compares how the connector gets in: by a role, or by an
// authentication record. To say one takes the other off.
func (m *maker) compareAuthentication(d *Document, now *qps.AwsAssetDataConnector, isNew bool, differ *differences, change *qps.AwsAssetDataConnectorChange) error {
	said := d.Connector
	byRecord := said.AuthRecord != nil && *said.AuthRecord != NoRecord
	if byRecord && (valueOf(said.Role) != "" || valueOf(said.ExternalID) != "") {
		return d.refuseAt("authRecord", "Write role and externalId, or authRecord.", "a role is given as well")
	}
	propose(differ, "role", now.ARN, said.Role, &change.ARN, isNew)
	propose(differ, "externalId", now.ExternalID, said.ExternalID, &change.ExternalID, isNew)
	if said.AuthRecord == nil {
		return nil
	}
	before := m.recordText(now)
	if !compare(differ, "authRecord", before, said.AuthRecord) {
		return nil
	}
	if !byRecord {
		change.AuthRecordID = new(int64)
		return nil
	}
	var found []int64
	for _, r := range m.state.records {
		if r.Name == *said.AuthRecord {
			found = append(found, r.ID)
		}
	}
	switch len(found) {
	case 1:
		change.AuthRecordID = &found[0]
		return nil
	case 0:
		return d.refuseAt("authRecord", "Make one first, with the access keys that no file has: vedette connectors auth-records create NAME.", "there is no authentication record %s", quote(*said.AuthRecord))
	}
	return d.refuseAt("authRecord", "Give all but one another name.", "%d authentication records are called %s", len(found), quote(*said.AuthRecord))
}

// recordText names the authentication record of a connector as files do.
func (m *maker) recordText(c *qps.AwsAssetDataConnector) string {
	if c.AuthRecord == nil || c.AuthRecord.ID == 0 {
		return NoRecord
	}
	for _, r := range m.state.records {
		if r.ID == c.AuthRecord.ID {
			return r.Name
		}
	}
	return strconv.FormatInt(c.AuthRecord.ID, 10)
}

// createConnector makes a connector. Names need not be unique to a platform: as of
// keys, the younger of two that are made at once is taken back.
func (a *applier) createConnector(ctx context.Context, change qps.AwsAssetDataConnectorChange, c *Change) error {
	made, err := a.to.CreateAWSConnector(ctx, change)
	if err != nil {
		return err
	}
	all, err := a.to.AWSConnectors(ctx)
	if err != nil {
		a.writes++
		return fmt.Errorf("the connector %d is made; see whether it is the only one: %w", made.ID, err)
	}
	for _, other := range all {
		if strings.TrimSpace(other.Name) != c.Name || other.ID >= made.ID {
			continue
		}
		message := fmt.Sprintf("Somebody else made the connector %d with the name %s at the same time.", other.ID, quote(c.Name))
		if err := a.to.DeleteAWSConnector(ctx, made.ID); err != nil {
			a.writes++
			return fault.New(fault.Conflict, message, "Delete the connector "+strconv.FormatInt(made.ID, 10)+", which could not be taken back, and plan again.")
		}
		return fault.New(fault.Conflict, message, "Nothing was added to it. Plan again, and apply what is still missing.")
	}
	c.ID = made.ID
	return a.wrote(nil)
}

// pruneConnectors plans the deletion of connectors; what they found stays.
func (m *maker) pruneConnectors() {
	described := map[string]bool{}
	for _, d := range m.documents[KindConnector] {
		described[*d.Connector.Name] = true
	}
	for _, c := range m.state.connectors {
		name := strings.TrimSpace(c.Name)
		switch {
		case described[name]:
		case len(m.connectorsNamed(name)) > 1 || !nameable(name):
			m.keep(KindConnector, c.Name, c.ID, "it has no name of its own, so no file could name it")
		default:
			delete(m.connectorTags, connectorLabel(c))
			m.deletions = append(m.deletions, Change{
				Action: ActionDelete, Kind: KindConnector, Name: c.Name, ID: c.ID,
				make: func(ctx context.Context, a *applier, c *Change) error {
					return a.wrote(a.to.DeleteAWSConnector(ctx, c.ID))
				},
			})
		}
	}
}
