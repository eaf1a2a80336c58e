package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette.dev/vedette/internal/automation/plan"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// holdings is everything a platform has that a plan could change, by kind and
// name, without what moves on its own.
func holdings(t interface{ Fatal(...any) }, c *qpsclient.Client) map[string]string {
	all := map[string]string{}
	tags, err := c.Tags(context.Background())
	for _, tag := range tags {
		tag.Children, tag.ReEvalStatus = nil, "" // a child that is made changes its parent's list
		all[fmt.Sprintf("Tag %d %s", tag.ParentTagID, tag.Name)] = string(qps.AppendRawData(nil, qps.NewResult("", tag)))
	}
	keys, err2 := c.ActivationKeys(context.Background())
	for _, key := range keys {
		all["ActivationKey "+key.Title] = string(qps.AppendRawData(nil, qps.NewResult("", key)))
	}
	profiles, err3 := c.AgentConfigs(context.Background())
	for _, p := range profiles {
		p.TotalAgents = 0
		all["ConfigurationProfile "+p.Name] = string(qps.AppendRawData(nil, qps.NewResult("", p)))
	}
	connectors, err4 := c.AWSConnectors(context.Background())
	for _, connector := range connectors {
		all["Connector "+connector.Name] = string(qps.AppendRawData(nil, qps.NewResult("", connector)))
	}
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return all
}

// drawFleet draws documents: tags in a hierarchy, keys and profiles that use
// them, each with some of its properties.
func drawFleet(t *rapid.T) string {
	var b strings.Builder
	maybe := func(format string, value any) {
		if rapid.Bool().Draw(t, "said: "+format) {
			fmt.Fprintf(&b, format+"\n", value)
		}
	}
	text := rapid.SampledFrom([]string{"''", "x", `"two\nlines"`, "'<&> \" '' \\'"})
	boolean := rapid.Bool()
	tagNames := []string{"A", "B", "C/D", "E"}
	var paths []string
	for _, name := range tagNames[:rapid.IntRange(0, len(tagNames)).Draw(t, "tags")] {
		fmt.Fprintf(&b, "---\nkind: Tag\nname: %s\n", name)
		path := "/" + strings.ReplaceAll(name, "/", `\/`)
		if len(paths) > 0 && boolean.Draw(t, "below") {
			parent := rapid.SampledFrom(paths).Draw(t, "parent")
			fmt.Fprintf(&b, "parent: '%s'\n", parent)
			path = parent + path
		}
		paths = append(paths, path)
		maybe("color: '%s'", rapid.SampledFrom([]string{"", "#abc", "#123456"}).Draw(t, "color"))
		maybe("criticality: %d", rapid.IntRange(0, 5).Draw(t, "criticality"))
		maybe("description: %s", text.Draw(t, "description"))
		maybe("%s", rapid.SampledFrom([]string{"ruleType: STATIC", "ruleType: OS_REGEX\nrule: ' ^Deb'", "ruleType: OPEN_PORTS\nrule: 80,443", "ruleType: CLOUD_ASSET\nrule: 'aws.ec2.instanceState: STOPPED'\nprovider: EC2"}).Draw(t, "rule"))
	}
	list := func(name string, from []string) string {
		var chosen []string
		for _, item := range from {
			if boolean.Draw(t, name+" has "+item) {
				chosen = append(chosen, "'"+item+"'")
			}
		}
		return name + ": [" + strings.Join(chosen, ", ") + "]"
	}
	for _, title := range []string{"K1", "K2"}[:rapid.IntRange(0, 2).Draw(t, "keys")] {
		fmt.Fprintf(&b, "---\nkind: ActivationKey\ntitle: %s\n", title)
		maybe("maxAgents: %s", rapid.SampledFrom([]string{"none", "1", "250"}).Draw(t, "maximum"))
		maybe("expires: %s", rapid.SampledFrom([]string{"never", "2032-06-30", "2033-01-02T03:04:05Z"}).Draw(t, "expires"))
		maybe("disabled: %t", boolean.Draw(t, "disabled"))
		maybe("%s", list("modules", []string{"VM_LICENSE", "PC_LICENSE", "FIM"}))
		maybe("%s", list("tags", paths))
	}
	count := rapid.IntRange(0, 3).Draw(t, "profiles")
	places := rapid.Permutation([]int{1, 2, 3}).Draw(t, "places")
	first := rapid.IntRange(0, 5).Draw(t, "default")
	for i, name := range []string{"P1", "P2", "P3"}[:count] {
		fmt.Fprintf(&b, "---\nkind: ConfigurationProfile\nname: %s\n", name)
		maybe("description: %s", rapid.SampledFrom([]string{"x", "y"}).Draw(t, "text"))
		maybe("priority: %d", places[i])
		if first == i {
			b.WriteString("default: true\n")
		}
		split := rapid.IntRange(0, len(paths)).Draw(t, "split")
		if boolean.Draw(t, "tagged") {
			fmt.Fprintf(&b, "%s\n%s\n", list("includeTags", paths[:split]), list("excludeTags", paths[split:]))
		}
		maybe("includeAll: %t", boolean.Draw(t, "all included"))
		maybe("excludeAll: %t", boolean.Draw(t, "all excluded"))
		maybe("suspendScanning: %t", boolean.Draw(t, "suspended"))
		maybe("preventAgentUpdate: %t", boolean.Draw(t, "held back"))
		maybe("inMemoryDatabase: %t", boolean.Draw(t, "in memory"))
		maybe("%s", list("blackouts", []string{"mon-fri 8-18", "sun 22-4"}))
		maybe("level: %s", rapid.SampledFrom([]string{"low", "high"}).Draw(t, "level"))
		maybe("performance: {CPU_LIMIT: %d, OTHER: a}", rapid.IntRange(2, 100).Draw(t, "limit"))
	}
	for _, name := range []string{"C1", "C2"}[:rapid.IntRange(0, 2).Draw(t, "connectors")] {
		fmt.Fprintf(&b, "---\nkind: Connector\nname: %s\ndisabled: true\n", name)
		b.WriteString(rapid.SampledFrom([]string{"allRegions: true\n", "allRegions: false\nregions: [us-east-1]\n", "regions: [eu-west-1, eu-central-1]\n"}).Draw(t, "regions"))
		maybe("%s", rapid.SampledFrom([]string{"role: ''\nexternalId: ''", "role: arn:aws:iam::123456789012:role/vedette\nexternalId: x-1"}).Draw(t, "role"))
		maybe("description: %s", text.Draw(t, "description"))
		maybe("runFrequency: %d", rapid.IntRange(60, 1440).Draw(t, "minutes"))
		maybe("%s", list("modules", []string{"VM", "PC"}))
		maybe("%s", list("tags", paths))
	}
	return b.String()
}

func TestAfterAnApplyThereIsNothingToPlan(t *testing.T) {
	t.Parallel()
	client, _ := startPlatform(t)
	// What nobody describes, in the middle of what is.
	others := decode(t, "{kind: Tag, name: Other, parent: none}\n---\n{kind: Tag, name: A, parent: Other}\n---\n"+
		"{kind: ActivationKey, title: Other, tags: [Other/A]}\n---\n{kind: ConfigurationProfile, name: Other, includeTags: [Other]}")
	if _, err := applyTo(client, client, others, plan.Options{}); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := drawFleet(rt)
		documents := decode(rt, text)
		options := plan.Options{Prune: rapid.Bool().Draw(rt, "prune")}
		before := holdings(rt, client)
		made, err := plan.Make(rt.Context(), client, documents, options)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		if _, err := made.Apply(rt.Context(), client, func(plan.Change) {}); err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		again, err := plan.Make(rt.Context(), client, documents, options)
		if err != nil || !again.Empty() {
			rt.Fatalf("the second plan is %+v, %v\n%s", again, err, text)
		}
		after := holdings(rt, client)
		changed := map[string]bool{}
		for _, c := range made.Changes {
			name := c.Name[strings.LastIndex(strings.ReplaceAll(c.Name, `\/`, "  "), "/")+1:]
			changed[string(c.Kind)+" "+strings.ReplaceAll(name, `\/`, "/")] = true
		}
		for object, was := range before {
			kind, name, _ := strings.Cut(object, " ")
			if kind == string(plan.KindTag) {
				_, name, _ = strings.Cut(name, " ")
			}
			if is := after[object]; is != was && !changed[kind+" "+name] && !onlyNoDefault(was, is) {
				rt.Fatalf("%s was not to change:\n%s", object, cmp.Diff(was, is))
			}
		}
	})
}

// onlyNoDefault reports whether a profile has lost nothing but being the default
// one, which another became.
func onlyNoDefault(was, is string) bool {
	return strings.Replace(was, `"isDefault":1`, `"isDefault":0`, 1) == is
}
