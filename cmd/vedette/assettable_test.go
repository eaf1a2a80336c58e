package main

import (
	"slices"
	"testing"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

func TestAnAssetTellsWhichInstanceItIs(t *testing.T) {
	t.Parallel()
	instance := &qps.EC2Source{InstanceID: "i-0a", AccountID: "012345678901", Region: "us-gov-west-1", InstanceState: qps.InstanceStopped, InstanceType: "t3.micro"}
	rows := assetTable(&qps.HostAsset{ID: 7, Name: "web", Sources: []qps.Source{&qps.AzureSource{}, instance}}, automation.Times{}).Rows
	for _, want := range [][]string{
		{"EC2 instance", "i-0a"}, {"Account", "012345678901"}, {"Region", "us-gov-west-1"}, {"Instance state", "STOPPED"}, {"Instance type", "t3.micro"},
	} {
		if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Equal(row, want) }) {
			t.Errorf("there is no line %q in %q", want, rows)
		}
	}
	if slices.ContainsFunc(rows, func(row []string) bool { return row[0] == "Agent" }) {
		t.Errorf("an asset without an agent has one: %q", rows)
	}
}
