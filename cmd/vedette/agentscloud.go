package main

import (
	"slices"
	"strings"

	"vedette.dev/vedette/qps"
)

// cloudFields are the criteria by which instances of a cloud are found.
func cloudFields() []string {
	return []string{"instanceId", "accountId", "region", "availabilityZone", "instanceState", "instanceType", "imageId", "vpcId", "subnetId"}
}

// cloudCriteria reads NAME=VALUE, NAME=VALUE,VALUE and NAME!=VALUE. Names are taken in
// any case.
func cloudCriteria(texts []string) ([]qps.Criterion, error) {
	var criteria []qps.Criterion
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		name, unequal := strings.CutSuffix(name, "!")
		at := slices.IndexFunc(cloudFields(), func(field string) bool { return strings.EqualFold(field, name) })
		switch {
		case !found || strings.TrimSpace(value) == "":
			return nil, usagef("--cloud %s: use NAME=VALUE or NAME!=VALUE, such as region=us-east-1", quote(text))
		case at < 0:
			return nil, usagef("--cloud %s: there is no criterion %s, use one of %s", quote(text), quote(name), strings.Join(cloudFields(), ", "))
		case unequal && strings.Contains(value, ","):
			return nil, usagef("--cloud %s: give NAME!=VALUE once for each value", quote(text))
		}
		c := qps.Criterion{Field: cloudFields()[at], Operator: qps.OpEquals, Value: value}
		switch {
		case unequal:
			c.Operator = qps.OpNotEquals
		case strings.Contains(value, ","):
			c.Operator = qps.OpIn
		}
		criteria = append(criteria, c)
	}
	return criteria, nil
}
