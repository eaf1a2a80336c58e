package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// clouded is a stocked shelf with connectors.
func clouded() shelf {
	s := stocked()
	connector := func(id int64, name string, change func(*qps.AwsAssetDataConnector)) *qps.AwsAssetDataConnector {
		c := &qps.AwsAssetDataConnector{
			AssetDataConnector: qps.AssetDataConnector{ID: id, Name: name, Disabled: new(false), IsGovCloudConfigured: new(false), IsChinaConfigured: new(false), RunFrequency: 240},
			AllRegions:         new(false), Endpoints: []string{"eu-west-1"},
		}
		change(c)
		return c
	}
	s.connectors = []*qps.AwsAssetDataConnector{
		connector(1, "production", func(c *qps.AwsAssetDataConnector) {
			c.ARN, c.ExternalID = "arn:aws:iam::123456789012:role/vedette", "x-1"
			c.DefaultTags, c.Activation = []qps.TagSimple{{ID: 2, Name: "Edge"}}, []string{"VM"}
		}),
		connector(2, "by keys", func(c *qps.AwsAssetDataConnector) {
			c.AuthRecord, c.AllRegions = &qps.AuthRecordReference{ID: 1}, new(true)
		}),
		connector(5, "untold", func(c *qps.AwsAssetDataConnector) { c.RunFrequency = 0 }),
		connector(3, "two", func(*qps.AwsAssetDataConnector) {}), connector(4, "two", func(*qps.AwsAssetDataConnector) {}),
	}
	return s
}

func TestConnectorsArePlannedByTheirNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give string
		want       []string
	}{
		{"as it is", `{kind: Connector, name: production, role: "arn:aws:iam::123456789012:role/vedette", externalId: x-1, authRecord: none, regions: [eu-west-1], tags: [/Edge], modules: [vm], runFrequency: 240, disabled: false}
---
{kind: Connector, name: by keys, authRecord: keys, allRegions: true, govCloud: false}`, []string{}},
		{"a new one", "{kind: Connector, name: lab, authRecord: keys, regions: [eu-west-1], tags: [New], disabled: true}\n---\n{kind: Tag, name: New}", []string{
			"create Tag /New 0", "create Connector lab 0", "  regions: <nil> -> [eu-west-1]", "  authRecord: <nil> -> keys", "  disabled: <nil> -> true", "  tags: <nil> -> [New]",
		}},
		{"the time that is not told", "{kind: Connector, name: untold, regions: [eu-west-1], runFrequency: 240}", []string{}},
		{"another than is not told", "{kind: Connector, name: untold, runFrequency: 60}", []string{"change Connector untold 5", "  runFrequency: 240 -> 60"}},
		{"changes", "{kind: Connector, name: production, authRecord: keys, allRegions: true, tags: [], modules: [PC], runFrequency: 60, description: d}", []string{
			"change Connector production 1", "  description:  -> d", "  allRegions: false -> true", "  authRecord: none -> keys", "  modules: [VM] -> [PC]", "  runFrequency: 240 -> 60", "  tags: [Edge] -> []",
		}},
		{"regions in place of all", "{kind: Connector, name: by keys, regions: [eu-west-1, us-east-1]}", []string{
			"change Connector by keys 2", "  allRegions: true -> false", "  regions: [eu-west-1] -> [eu-west-1 us-east-1]",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := planOf(t, clouded(), tt.give, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, lines(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
	for give, want := range map[string]string{
		"kind: Connector\nname: c\nauthRecord: lost":                      `f:3:13: authRecord: there is no authentication record "lost".`,
		"kind: Connector\nname: c\nauthRecord: twin":                      `f:3:13: authRecord: 2 authentication records are called "twin".`,
		"kind: Connector\nname: c\nauthRecord: keys\nrole: r":             `f:3:13: authRecord: a role is given as well.`,
		"kind: Connector\nname: two":                                      `f:1: 2 connectors have the name "two".`,
		"kind: Connector\nname: c\ntags: [Nowhere]":                       `f:3:8: tags: there is no tag "Nowhere", neither on the platform nor in the files.`,
		"{kind: Connector, name: c}\n---\n{kind: Connector, name: c}":     `f:3: the connector "c" is described in f:1 already.`,
		"kind: Connector\nname: c\nsecretKey: wJalrXUtnFEMI/K7MDENG/bPxR": `f:3:1: secretKey: the key is not known.`,
	} {
		documents, err := Decode("f", []byte(give))
		if err == nil {
			_, err = Make(t.Context(), clouded(), documents, Options{})
		}
		if f, ok := asFault(err); !ok || f.Code != fault.Invalid || f.Message != want || strings.Contains(f.Message, "wJalr") {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestPruningConnectorsFreesTheirTags(t *testing.T) {
	t.Parallel()
	s := clouded()
	s.connectors[0].DefaultTags = []qps.TagSimple{{ID: 4, Name: "Old"}}
	p, err := planOf(t, s, "{kind: Connector, name: by keys}\n---\n{kind: Tag, name: Edge}", true)
	if err != nil {
		t.Fatal(err)
	}
	got := lines(p)
	for _, want := range []string{"delete Connector production 1", "delete Tag /Old 4", "kept Connector two: it has no name of its own, so no file could name it"} {
		if !slices.Contains(got, want) {
			t.Errorf("the plan has not %q: %v", want, got)
		}
	}
	if p, err = planOf(t, s, "{kind: Tag, name: Edge}", true); err != nil || !slices.Contains(lines(p), `kept Tag /Old: it is used by connector 1 ("production")`) {
		t.Errorf("plan %v (%v), want the tag of a connector kept", lines(p), err)
	}
}

func TestAnAccountWithoutConnectorsPlansWhatItHas(t *testing.T) {
	t.Parallel()
	s := stocked()
	s.refused = &qpsclient.StatusError{StatusCode: 401}
	if _, err := planOf(t, s, "{kind: Tag, name: Edge}", true); err != nil {
		t.Errorf("tags alone: %v", err)
	}
	if _, err := planOf(t, s, "{kind: Connector, name: c}", false); !errors.Is(err, s.refused) {
		t.Errorf("a connector: %v", err)
	}
	d, err := Describe(t.Context(), s, Selection{})
	if err != nil || !slices.Contains(d.KeptOut, Kept{KindConnector, "", 0, hiddenReason}) {
		t.Errorf("left out is %v (%v)", d.KeptOut, err)
	}
	if _, err := Describe(t.Context(), s, Selection{Kinds: []Kind{KindConnector}}); !errors.Is(err, s.refused) {
		t.Errorf("connectors that are named: %v", err)
	}
	broken := stocked()
	broken.refused = &qpsclient.StatusError{StatusCode: 500}
	if _, err := Describe(t.Context(), broken, Selection{}); !errors.Is(err, broken.refused) {
		t.Errorf("a platform that fails: %v", err)
	}
}
