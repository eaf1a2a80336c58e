package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fleet"
)

// tagBody is a request about one tag.
func tagBody(elements string) string {
	return "<ServiceRequest><data><Tag>" + elements + "</Tag></data></ServiceRequest>"
}

func TestATagIsNotTakenFromBelowATagOfOthers(t *testing.T) {
	t.Parallel()
	f := newScopedFleet(t, platformConfig{})
	f.addScopedUser(t, false, []string{"Bench", "Office"})
	bench := fmt.Sprintf("/qps/rest/2.0/update/am/tag/%d", f.tags["Bench"])
	office := fmt.Sprintf("/qps/rest/2.0/update/am/tag/%d", f.tags["Office"])
	for name, attempt := range map[string]struct{ path, body string }{
		"to the top":           {bench, tagBody("<parentTagId>0</parentTagId>")},
		"below another":        {bench, tagBody(fmt.Sprintf("<parentTagId>%d</parentTagId>", f.tags["Office"]))},
		"as another's child":   {office, tagBody(fmt.Sprintf("<children><add><TagSimple><id>%d</id></TagSimple></add></children>", f.tags["Bench"]))},
		"as a new tag's child": {"/qps/rest/2.0/create/am/tag", tagBody(fmt.Sprintf("<name>New</name><children><set><TagSimple><id>%d</id></TagSimple></set></children>", f.tags["Bench"]))},
	} {
		if status, answer := f.call(t, scoped, http.MethodPost, attempt.path, attempt.body); status != http.StatusUnauthorized || !strings.Contains(answer, fmt.Sprintf("tag %d is outside your scope", f.tags["Lab"])) {
			t.Errorf("moving Bench %s is answered %d:\n%.400s", name, status, answer)
		}
	}
	all, err := f.store.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range all {
		if tag.Name == "Bench" && tag.ParentID != f.tags["Lab"] {
			t.Errorf("Bench is below tag %d", tag.ParentID)
		}
	}
}

func TestARuleNeedsItsPermissionWhereverItIsGivenOrTaken(t *testing.T) {
	t.Parallel()
	f := newScopedFleet(t, platformConfig{})
	f.addUser(t, hashOf(t, operatorPassword), caller{
		name: "editor", permissions: []access.Permission{access.APIAccess, access.CreateUserTag, access.EditUserTag},
	}, access.Scope{All: true})
	f.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	const rule = "<ruleType>NAME_CONTAINS</ruleType><ruleText>-</ruleText>"
	if _, answer := f.call(t, "boss", http.MethodPost, "/qps/rest/2.0/create/am/tag", tagBody("<name>Ruled</name>"+rule)); !strings.Contains(answer, ">SUCCESS<") {
		t.Fatal(answer)
	}
	for name, attempt := range map[string]struct{ call, body string }{
		"in a child":         {"create/am/tag", tagBody("<name>Outer</name><children><set><TagSimple><name>Inner</name>" + rule + "</TagSimple></set></children>")},
		"in an added child":  {fmt.Sprintf("update/am/tag/%d", f.tags["Lab"]), tagBody("<children><add><TagSimple><name>Inner</name>" + rule + "</TagSimple></add></children>")},
		"that is taken":      {"update/am/tag", requestXML("<data><Tag><ruleType>STATIC</ruleType></Tag></data>", "name EQUALS: Ruled")},
		"that is emptied":    {"update/am/tag", requestXML("<data><Tag><ruleType></ruleType></Tag></data>", "name EQUALS: Ruled")},
		"with another's end": {"update/am/tag", requestXML("<data><Tag><ruleType>STATIC</ruleType></Tag></data>", "name IN: Lab,Ruled")},
	} {
		if status, answer := f.call(t, "editor", http.MethodPost, "/qps/rest/2.0/"+attempt.call, attempt.body); status != http.StatusUnauthorized || !strings.Contains(answer, "Modify Dynamic Tag Rules") {
			t.Errorf("a rule %s is answered %d:\n%.400s", name, status, answer)
		}
	}
	if status, answer := f.call(t, "editor", http.MethodPost, "/qps/rest/2.0/update/am/tag", requestXML("<data><Tag><color>#123456</color></Tag></data>", "name EQUALS: Ruled")); status != http.StatusOK || !strings.Contains(answer, ">SUCCESS<") {
		t.Errorf("the color of a tag with a rule is answered %d:\n%.400s", status, answer)
	}
	all, err := f.store.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range all {
		if tag.Name == "Inner" || tag.Name == "Outer" || tag.Name == "Ruled" && tag.RuleType != fleet.RuleNameContains {
			t.Errorf("there is %+v", tag)
		}
	}
}
