package fleet

import (
	"slices"
	"strings"

	"vedette.dev/vedette/qps"
)

// Field is a property of a host asset that a search can ask for, by the name it
// has in criteria.
type Field string

// The fields (Qualys Asset Management API, search host assets). Those from
// activationKey to agentUuid belong to the agent and the others after them to the
// instance of a cloud: a host without one has no value there.
const (
	FieldID                         Field = "id"
	FieldQWebHostID                 Field = "qwebHostId"
	FieldName                       Field = "name"
	FieldDNSHostName                Field = "dnsHostName"
	FieldNetBIOSName                Field = "netbiosName"
	FieldNetBIOSNetworkID           Field = "netbiosNetworkID"
	FieldNetworkGUID                Field = "networkGuid"
	FieldAddress                    Field = "address"
	FieldOS                         Field = "os"
	FieldType                       Field = "type"
	FieldTrackingMethod             Field = "trackingMethod"
	FieldPort                       Field = "port"
	FieldInstalledSoftware          Field = "installedSoftware"
	FieldTagName                    Field = "tagName"
	FieldTagID                      Field = "tagId"
	FieldCreated                    Field = "created"
	FieldUpdated                    Field = "updated"
	FieldLastVulnScan               Field = "lastVulnScan"
	FieldLastComplianceScan         Field = "lastComplianceScan"
	FieldVulnsUpdated               Field = "vulnsUpdated"
	FieldInformationGatheredUpdated Field = "informationGatheredUpdated"
	FieldActivationKey              Field = "activationKey"
	FieldAgentConfigurationName     Field = "agentConfigurationName"
	FieldAgentConfigurationID       Field = "agentConfigurationId"
	FieldAgentVersion               Field = "agentVersion"
	FieldLastCheckedIn              Field = "lastCheckedIn"
	FieldAgentUUID                  Field = "agentUuid"
	FieldInstanceID                 Field = "instanceId"
	FieldAccountID                  Field = "accountId"
	FieldRegion                     Field = "region"
	FieldAvailabilityZone           Field = "availabilityZone"
	FieldInstanceState              Field = "instanceState"
	FieldInstanceType               Field = "instanceType"
	FieldImageID                    Field = "imageId"
	FieldVPCID                      Field = "vpcId"
	FieldSubnetID                   Field = "subnetId"
)

// kind is the type of a field's values.
type kind int

const (
	kindInteger kind = iota + 1
	kindText
	kindDate
	kindKeyword // a word; which words occur is not checked, new ones appear with every platform release
	kindBoolean
)

// spec says what may be asked of a field.
type spec struct {
	kind      kind
	operators []qps.Operator
}

// Operators by type (Qualys Cloud Agent API, filters). IN is not documented for
// text, yet clients send it.
var (
	integerOperators = []qps.Operator{qps.OpEquals, qps.OpNotEquals, qps.OpGreater, qps.OpLesser, qps.OpIn}
	textOperators    = []qps.Operator{qps.OpContains, qps.OpEquals, qps.OpNotEquals, qps.OpIn}
	dateOperators    = []qps.Operator{qps.OpEquals, qps.OpNotEquals, qps.OpGreater, qps.OpLesser}
	keywordOperators = []qps.Operator{qps.OpEquals, qps.OpNotEquals, qps.OpIn}
	booleanOperators = []qps.Operator{qps.OpEquals, qps.OpNotEquals}
)

var specs = map[Field]spec{
	FieldID:                         {kindInteger, integerOperators},
	FieldQWebHostID:                 {kindInteger, integerOperators},
	FieldName:                       {kindText, textOperators},
	FieldDNSHostName:                {kindText, textOperators},
	FieldNetBIOSName:                {kindText, textOperators},
	FieldNetBIOSNetworkID:           {kindText, textOperators},
	FieldNetworkGUID:                {kindText, textOperators},
	FieldAddress:                    {kindText, textOperators},
	FieldOS:                         {kindText, textOperators},
	FieldType:                       {kindKeyword, keywordOperators},
	FieldTrackingMethod:             {kindKeyword, keywordOperators},
	FieldPort:                       {kindInteger, integerOperators},
	FieldInstalledSoftware:          {kindText, textOperators},
	FieldTagName:                    {kindText, textOperators},
	FieldTagID:                      {kindInteger, integerOperators},
	FieldCreated:                    {kindDate, dateOperators},
	FieldUpdated:                    {kindDate, dateOperators},
	FieldLastVulnScan:               {kindDate, dateOperators},
	FieldLastComplianceScan:         {kindDate, dateOperators},
	FieldVulnsUpdated:               {kindDate, dateOperators},
	FieldInformationGatheredUpdated: {kindDate, dateOperators},
	// The fields of the agent are documented with operators of their own.
	FieldActivationKey:          {kindText, []qps.Operator{qps.OpEquals}},
	FieldAgentConfigurationName: {kindText, []qps.Operator{qps.OpEquals, qps.OpContains}},
	FieldAgentConfigurationID:   {kindInteger, []qps.Operator{qps.OpEquals}},
	FieldAgentVersion:           {kindText, []qps.Operator{qps.OpEquals, qps.OpLesser, qps.OpGreater}},
	FieldLastCheckedIn:          {kindDate, []qps.Operator{qps.OpEquals, qps.OpLesser, qps.OpGreater}},
	FieldAgentUUID:              {kindText, []qps.Operator{qps.OpEquals, qps.OpIn}},
	// Of an instance's fields instanceId and accountId are known to work, with EQUALS.
	FieldInstanceID:       {kindKeyword, keywordOperators},
	FieldAccountID:        {kindKeyword, keywordOperators},
	FieldRegion:           {kindKeyword, keywordOperators},
	FieldAvailabilityZone: {kindKeyword, keywordOperators},
	FieldInstanceState:    {kindKeyword, keywordOperators},
	FieldInstanceType:     {kindKeyword, keywordOperators},
	FieldImageID:          {kindKeyword, keywordOperators},
	FieldVPCID:            {kindKeyword, keywordOperators},
	FieldSubnetID:         {kindKeyword, keywordOperators},
}

// Fields returns every field, sorted by name.
func Fields() []Field {
	fields := make([]Field, 0, len(specs))
	for f := range specs {
		fields = append(fields, f)
	}
	slices.Sort(fields)
	return fields
}

// hostVocabulary is what criteria on host assets may say. The documented search
// page calls "updated" "update" and misspells "networkGuid".
var hostVocabulary = vocabulary{
	specs:   specs,
	aliases: map[string]Field{"update": FieldUpdated, "networdGuid": FieldNetworkGUID},
}

func (v vocabulary) named(name string) (Field, bool) {
	if field, ok := v.aliases[name]; ok {
		return field, true
	}
	_, ok := v.specs[Field(name)]
	return Field(name), ok
}

// list names every field, sorted.
func (v vocabulary) list() string {
	names := make([]string, 0, len(v.specs))
	for field := range v.specs {
		names = append(names, string(field))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
