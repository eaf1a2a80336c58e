package fleet

import (
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/qps"
)

// Match reports whether all conditions hold for the host. It is the meaning of
// conditions; storage must select the same hosts. The host asset must be
// complete: what a search left out does not match.
func Match(h *qps.HostAsset, conditions []Condition) bool {
	return !slices.ContainsFunc(conditions, func(c Condition) bool { return !matchOne(h, c) })
}

func matchOne(h *qps.HostAsset, c Condition) bool {
	switch specs[c.Field].kind {
	case kindInteger:
		return matchInts(intsOf(h, c.Field), c)
	case kindDate:
		return matchDate(dateOf(h, c.Field), c)
	}
	if c.Field == FieldAgentVersion && c.Operator != qps.OpEquals {
		return matchVersion(h, c)
	}
	return matchTexts(textsOf(h, c.Field), c)
}

func matchInts(values []int64, c Condition) bool {
	one := c.Ints[0]
	switch c.Operator {
	case qps.OpNotEquals:
		return !slices.Contains(values, one)
	case qps.OpGreater:
		return slices.ContainsFunc(values, func(v int64) bool { return v > one })
	case qps.OpLesser:
		return slices.ContainsFunc(values, func(v int64) bool { return v < one })
	default: // EQUALS, IN
		return slices.ContainsFunc(values, func(v int64) bool { return slices.Contains(c.Ints, v) })
	}
}

func matchTexts(values []string, c Condition) bool {
	one := c.Texts[0]
	switch c.Operator {
	case qps.OpNotEquals:
		return !slices.Contains(values, one)
	case qps.OpContains:
		return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, one) })
	default: // EQUALS, IN
		return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(c.Texts, v) })
	}
}

func matchDate(value time.Time, c Condition) bool {
	if value.IsZero() {
		return c.Operator == qps.OpNotEquals
	}
	from, until := c.Span()
	equal := !value.Before(from) && value.Before(until)
	switch c.Operator {
	case qps.OpNotEquals:
		return !equal
	case qps.OpGreater:
		return value.After(c.Time)
	case qps.OpLesser:
		return value.Before(c.Time)
	default: // EQUALS
		return equal
	}
}

func matchVersion(h *qps.HostAsset, c Condition) bool {
	if h.AgentInfo == nil || h.AgentInfo.AgentVersion == "" {
		return false
	}
	order := strings.Compare(VersionKey(h.AgentInfo.AgentVersion), VersionKey(c.Texts[0]))
	return (c.Operator == qps.OpGreater && order > 0) || (c.Operator == qps.OpLesser && order < 0)
}

func intsOf(h *qps.HostAsset, f Field) []int64 {
	var values []int64
	switch f {
	case FieldID:
		values = []int64{h.ID}
	case FieldQWebHostID:
		values = present(h.QWebHostID)
	case FieldAgentConfigurationID:
		if h.AgentInfo != nil {
			values = present(h.AgentInfo.AgentConfiguration.ID)
		}
	case FieldPort:
		for _, p := range h.OpenPorts {
			values = append(values, p.Port)
		}
	case FieldTagID:
		for _, t := range h.Tags {
			values = append(values, t.ID)
		}
	}
	return values
}

func textsOf(h *qps.HostAsset, f Field) []string {
	switch f {
	case FieldTagName:
		names := make([]string, len(h.Tags))
		for i, t := range h.Tags {
			names[i] = t.Name
		}
		return names
	case FieldInstalledSoftware:
		names := make([]string, 0, 2*len(h.Software))
		for _, s := range h.Software {
			names = append(names, s.Name, SoftwareTitle(s.Name, s.Version))
		}
		return names
	case FieldActivationKey, FieldAgentConfigurationName, FieldAgentVersion, FieldAgentUUID:
		if h.AgentInfo == nil {
			return nil
		}
		return present(agentText(h.AgentInfo, f))
	case FieldInstanceID, FieldAccountID, FieldRegion, FieldAvailabilityZone, FieldInstanceState, FieldInstanceType, FieldImageID, FieldVPCID, FieldSubnetID:
		for _, source := range h.Sources {
			if i, ok := source.(*qps.EC2Source); ok {
				return present(instanceText(i, f))
			}
		}
		return nil
	default:
		return present(hostText(h, f))
	}
}

func hostText(h *qps.HostAsset, f Field) string {
	switch f {
	case FieldName:
		return h.Name
	case FieldDNSHostName:
		return h.DNSHostName
	case FieldNetBIOSName:
		return h.NetBIOSName
	case FieldNetBIOSNetworkID:
		return h.NetBIOSNetworkID
	case FieldNetworkGUID:
		return h.NetworkGUID
	case FieldAddress:
		return h.Address
	case FieldOS:
		return h.OS
	case FieldType:
		return h.Type
	case FieldTrackingMethod:
		return h.TrackingMethod
	}
	return ""
}

func agentText(a *qps.AgentInfo, f Field) string {
	switch f {
	case FieldActivationKey:
		return a.ActivationKey.ActivationID
	case FieldAgentConfigurationName:
		return a.AgentConfiguration.Name
	case FieldAgentVersion:
		return a.AgentVersion
	case FieldAgentUUID:
		return a.AgentID
	}
	return ""
}

func instanceText(i *qps.EC2Source, f Field) string {
	switch f {
	case FieldInstanceID:
		return i.InstanceID
	case FieldAccountID:
		return i.AccountID
	case FieldRegion:
		return i.Region
	case FieldAvailabilityZone:
		return i.AvailabilityZone
	case FieldInstanceState:
		return i.InstanceState
	case FieldInstanceType:
		return i.InstanceType
	case FieldImageID:
		return i.ImageID
	case FieldVPCID:
		return i.VPCID
	case FieldSubnetID:
		return i.SubnetID
	}
	return ""
}

func dateOf(h *qps.HostAsset, f Field) time.Time {
	switch f {
	case FieldCreated:
		return h.Created
	case FieldUpdated:
		return h.Modified
	case FieldLastVulnScan:
		return h.LastVulnScan
	case FieldLastComplianceScan:
		return h.LastComplianceScan
	case FieldVulnsUpdated:
		return h.VulnsUpdated
	case FieldInformationGatheredUpdated:
		return h.InformationGatheredUpdated
	case FieldLastCheckedIn:
		if h.AgentInfo != nil {
			return h.AgentInfo.LastCheckedIn
		}
	}
	return time.Time{}
}

// present makes the zero value, which stands for "not known", no value at all.
func present[T comparable](v T) []T {
	var zero T
	if v == zero {
		return nil
	}
	return []T{v}
}

// SoftwareTitle is the second name by which installedSoftware finds a package,
// beside its name alone: name and version with a space between.
func SoftwareTitle(name, version string) string {
	if version == "" {
		return name
	}
	return name + " " + version
}
