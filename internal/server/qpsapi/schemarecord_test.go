package qpsapi_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"

	"vedette.dev/vedette/qps"
)

// recordKind is a kind of record with the schema of the answers that hold it.
type recordKind struct {
	name, schema string
	draw         func(t *rapid.T) []qps.Record
}

func recordKinds() []recordKind {
	return []recordKind{
		{"host assets", qps.SchemaHostAsset, records[qps.HostAsset]},
		{"assets", qps.SchemaAsset, records[qps.Asset]},
		{"tags", qps.SchemaTag, records[qps.Tag]},
		{"scanned agents", qps.SchemaAgentAsset, records[qps.AgentAsset]},
		{"activation keys", qps.SchemaAgentActKey, records[qps.AgentActKey]},
		{"configuration profiles", qps.SchemaAgentConfig, records[qps.AgentConfig]},
		{"connectors", qps.SchemaAwsAssetDataConnector, inVersion((*qps.AwsAssetDataConnector).InVersion2)},
		{"connectors in 3.0", qps.SchemaAwsAssetDataConnectorV3, inVersion((*qps.AwsAssetDataConnector).InVersion3)},
		{"connectors of any cloud", qps.SchemaAssetDataConnector, inVersion((*qps.AssetDataConnector).InVersion2)},
		{"errors of connectors", qps.SchemaAssetDataConnectorErrors, records[qps.AssetDataConnectorErrors]},
		{"access keys", qps.SchemaAwsAuthRecord, records[qps.AwsAuthRecord]},
		{"base accounts", qps.SchemaAwsBaseAccount, records[qps.AwsBaseAccount]},
		{"agent packages", qps.SchemaBinaryInfo, func(t *rapid.T) []qps.Record {
			return []qps.Record{one[qps.AllBinaryInfo](t, "packages")}
		}},
		{"versions", qps.SchemaPortalVersion, func(t *rapid.T) []qps.Record {
			return []qps.Record{one[qps.PortalVersion](t, "portal"), one[qps.QWebVersion](t, "qweb")}
		}},
	}
}

// records draws no, one or some records.
func records[R any, P interface {
	*R
	qps.Record
}](t *rapid.T) []qps.Record {
	list := make([]qps.Record, rapid.IntRange(0, 3).Draw(t, "records"))
	for i := range list {
		list[i] = one[R, P](t, fmt.Sprint(i))
	}
	return list
}

// inVersion draws records with the elements of one version of the API.
func inVersion[R any, P interface {
	*R
	qps.Record
}](limit func(P) P) func(t *rapid.T) []qps.Record {
	return func(t *rapid.T) []qps.Record {
		list := records[R, P](t)
		for i, r := range list {
			list[i] = limit(r.(P))
		}
		return list
	}
}

func one[R any, P interface {
	*R
	qps.Record
}](t *rapid.T, label string) qps.Record {
	record := new(R)
	fill(t, reflect.ValueOf(record).Elem(), label)
	return P(record)
}

// searched says whether there are a search and the fields parameter for the kind.
func (k recordKind) searched() bool {
	return !slices.Contains([]string{qps.SchemaAgentAsset, qps.SchemaBinaryInfo, qps.SchemaPortalVersion}, k.schema)
}

// answers draws answers as XML: the page of a search, or the result of another
// call.
func (k recordKind) answers() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		response := qps.NewResult(k.schema, k.draw(t)...)
		var fields *qps.Fields
		if k.searched() {
			if rapid.Bool().Draw(t, "search") {
				response = qps.NewPage(k.schema, response.Records, rapid.Bool().Draw(t, "more"), integers.Draw(t, "last id"))
			}
			fields = selections.Draw(t, "fields")
		}
		response.BaseURL = base
		return qps.AppendResponse(nil, qps.XML, response, fields)
	})
}

// selections are fields parameters, everything most often.
var selections = rapid.Custom(func(t *rapid.T) *qps.Fields {
	text := rapid.SampledFrom([]string{
		"", "", "", "id", "name,modified", "none", "*", "*.*", "*.list.*.*", "*.*.list.none", "agentInfo.agentId,tags.list.TagSimple.name", "tags",
		"sourceInfo.list.Ec2AssetSourceSimple.ec2InstanceTags.tags.list.EC2Tags.key", "sourceInfo.*.*.*.none", "children.list.TagSimple.id", "modules.none",
		"tags.includeTags.list.ConfigTag.id", "blackoutConfig.settings.list.BlackoutConfig.monday", "performanceProfile.none", "agentInfo.manifestVersion.none",
		"activation.list.none", "activation.none", "connectorAppInfos.list.ConnectorAppInfoQList.list.ConnectorAppInfo.name",
		"connectorAppInfos.list.ConnectorAppInfoQList.none", "connectorScanSetting.none", "endpoints.list.AwsEndpointSimple.none", "authRecord.none",
	}).Draw(t, "fields")
	fields, err := qps.ParseFields(text)
	if err != nil {
		t.Fatal(err)
	}
	return fields
})

var (
	// words are any text: plain, in need of escaping, not allowed in XML, no
	// UTF-8 at all, none.
	words = rapid.OneOf(
		rapid.Just(""),
		rapid.StringOf(rapid.RuneFrom([]rune("&<>\"'\\/\t\n\r ]x\u0000\u0008\u007f\u0085\u2028\ufffe\uffffé€\U0001F600"))),
		rapid.String(),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes")) }),
	)
	integers = rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, math.MaxInt32 + 1, math.MaxInt64}))
	times    = rapid.OneOf(
		rapid.Custom(func(t *rapid.T) time.Time {
			return time.Unix(rapid.Int64Range(-62_200_000_000, 253_500_000_000).Draw(t, "seconds"), 0)
		}),
		rapid.SampledFrom([]time.Time{
			{}, time.Date(0, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(2032, 2, 29, 23, 59, 59, 1, time.UTC),
			time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 4, 1, 0, 0, 0, 0, time.FixedZone("", 3600)),
		}),
	)
	present  = words.Filter(func(s string) bool { return s != "" })
	accounts = rapid.OneOf(rapid.StringMatching(`[0-9]{12}`), rapid.Just(""))
	uuids    = rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

func oneOf(texts ...string) *rapid.Generator[string] { return rapid.SampledFrom(texts) }

// vocabulary holds what the platform limits: fields with words, forms or ranges
// of their own, by type and field. An empty text stands for an element that is
// left out.
var (
	vocabulary = map[string]*rapid.Generator[string]{
		"HostAsset.Type":                oneOf("", qps.TypeHost),
		"HostAsset.TrackingMethod":      oneOf("", "NONE", "IP", "DNSNAME", "NETBIOS", "INSTANCE_ID", "VIRTUAL_MACHINE_ID", qps.TrackingAgent),
		"HostAsset.NetworkGUID":         rapid.OneOf(uuids, rapid.Just("")),
		"AgentInfo.AgentID":             rapid.OneOf(uuids, rapid.Just("")),
		"AgentInfo.Status":              oneOf("", qps.AgentActive, qps.AgentInactive),
		"ActivationKeyRef.ActivationID": uuids,
		"NetworkInterface.Type":         oneOf("", "PRIVATE", "PUBLIC"),
		"Tag.RuleType":                  oneOf("", "STATIC", "GROOVY", "OS_REGEX", "ASSET_INVENTORY", "VULN_DETECTION"),
		"Tag.Provider":                  oneOf("", "EC2", "AZURE", "GCP", "IBM", "OCI"),
		"AgentActKey.ActivationKey":     uuids,
		"AgentActKey.Type":              oneOf("UNLIMITED", "COUNT_LIMITED", "TIME_LIMITED", "COUNT_TIME_LIMITED"),
		"AgentActKey.Licenses":          oneOf("VM_LICENSE", "PC_LICENSE", "SCA", "SWCA", "PM", "SA", "FIM", "EDR", "CAPS", "MTG", "GAV"),
		"BinaryPlatform.Name":           present,
		"BinaryPlatform.Version":        present,
		"BinaryPlatform.Hash":           rapid.StringMatching(`Hash-SHA-(256|384|512): ([0-9a-f]{2}){1,64}`),
		"BinaryPlatform.Extension":      oneOf(".deb", ".rpm", ".tar.gz", ".exe"),
		"EC2Source.InstanceState": oneOf(
			"", qps.InstancePending, qps.InstanceRunning, qps.InstanceShuttingDown, qps.InstanceTerminated, qps.InstanceStopping, qps.InstanceStopped),
		"AssetDataConnector.AWSAccountID":          accounts,
		"AssetDataConnector.ConnectorState":        rapid.OneOf(rapid.Just(""), oneOf(qps.ConnectorStates()...)),
		"AssetDataConnector.Type":                  oneOf("", qps.CloudAWS, qps.CloudAzure, qps.CloudGCP, qps.CloudOCI),
		"AssetDataConnector.Activation":            oneOf(qps.ActivationModules()...),
		"AssetDataConnector.CloudviewUUID":         rapid.OneOf(uuids, rapid.Just("")),
		"AwsAssetDataConnector.QualysAWSAccountID": accounts,
		"ConnectorAppInfo.Name":                    rapid.OneOf(rapid.Just(""), oneOf(qps.ConnectorApps()...)),
		"ConnectorScanConfiguration.Recurrence":    oneOf("", "DAILY", "WEEKLY"),
		"ConnectorScanConfiguration.StartDate":     oneOf("", "04/01/2031"),
		"ConnectorScanConfiguration.StartTime":     oneOf("", "06:30"),
		"ConnectorScanConfiguration.DaysOfWeek":    oneOf("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
		"AwsBaseAccount.GlobalAccountID":           accounts,
		"AwsBaseAccount.GovAccountID":              accounts,
		"AwsBaseAccount.ChinaAccountID":            accounts,
		"ConfigTags.IncludeResolution":             oneOf("", qps.ResolveAny, qps.ResolveAll),
		"ConfigTags.ExcludeResolution":             oneOf("", qps.ResolveAny, qps.ResolveAll),
		"ConfigTags.TagSetUUID":                    rapid.OneOf(uuids, rapid.Just("")),
		"ConfigTag.UUID":                           rapid.OneOf(uuids, rapid.Just("")),
	}
	ranges = map[string]*rapid.Generator[int64]{
		"HostAsset.CriticalityScore": rapid.Int64Range(0, 5),
		"Tag.CriticalityScore":       rapid.Int64Range(0, 5),
		"OpenPort.Port":              rapid.Int64Range(0, math.MaxUint16),
		"BlackoutConfig.StartHour":   rapid.Int64Range(0, 23),
		"BlackoutConfig.EndHour":     rapid.Int64Range(0, 24),
	}
)

// fill gives a value and all that is in it random content. field is its type and
// field name.
func fill(t *rapid.T, v reflect.Value, field string) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(times.Draw(t, field)))
		return
	case []qps.Source:
		v.Set(reflect.ValueOf(sources(t)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(generatorOf(vocabulary, field, words).Draw(t, field))
	case reflect.Int64:
		v.SetInt(generatorOf(ranges, field, integers).Draw(t, field))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, field))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, field) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, field), 3))
		for i := range v.Len() {
			fill(t, v.Index(i), field)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), field)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name)
		}
	default:
		panic("no generator for " + field + " " + v.Type().String())
	}
}

func generatorOf[V any](special map[string]*rapid.Generator[V], field string, general *rapid.Generator[V]) *rapid.Generator[V] {
	if g, ok := special[field]; ok {
		return g
	}
	return general
}

// sources draws cloud sources of the three kinds that have a schema.
func sources(t *rapid.T) []qps.Source {
	list := make([]qps.Source, rapid.IntRange(0, 3).Draw(t, "sources"))
	for i := range list {
		kind := rapid.SampledFrom([]qps.Source{&qps.EC2Source{}, &qps.AzureSource{}, &qps.GCPSource{}}).Draw(t, "kind")
		source := reflect.New(reflect.TypeOf(kind).Elem())
		fill(t, source.Elem(), "source")
		list[i] = source.Interface().(qps.Source)
	}
	return list
}
