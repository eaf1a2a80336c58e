package integration

import (
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
)

func TestManifestsFitTheirFunctions(t *testing.T) {
	t.Parallel()
	i, ok := Find("qualys-cloud-agent")
	if !ok {
		t.Fatal("there is no integration qualys-cloud-agent")
	}
	functions := operations()[i.Name]
	if len(i.Commands) != len(functions) {
		t.Errorf("the manifest has %d commands, there are %d functions", len(i.Commands), len(functions))
	}
	for _, c := range i.Commands {
		if functions[c.Name] == nil || c.run == nil {
			t.Errorf("command %s has no function", c.Name)
		}
	}
}

// minimal is a manifest with nothing wrong; tests change a line of it.
const minimal = `apiVersion: soar/v1
kind: Integration
name: sample
displayName: Sample
category: Tests
version: "1"
description: A sample.
parameters:
  - {name: serverUrl, displayName: Server, description: Where., type: url, required: true}
commands:
  - name: look
    displayName: Look
    description: Looks.
    permission: Reading
    readOnly: true
    repeat: safe
    inputs:
      - {name: far, displayName: Far, description: How far., type: integer, min: 1, max: 9, default: 3}
`

func TestAManifestThatIsWrongDoesNotLoad(t *testing.T) {
	t.Parallel()
	known := map[string]map[string]operation{"sample": {"look": testConnection}}
	if _, err := parseManifest([]byte(minimal), known); err != nil {
		t.Fatalf("the minimal manifest: %v", err)
	}
	tests := []struct{ name, old, new, want string }{
		{"an unknown field", "version:", "edition: x\nversion:", "edition"},
		{"another kind", "kind: Integration", "kind: Playbook", "kind"},
		{"two documents", "apiVersion: soar/v1\n", "apiVersion: soar/v1\n---\n", "one document"},
		{"a command without a function", "name: look", "name: listen", "no function"},
		{"a command without a permission", "    permission: Reading\n", "", "permission"},
		{"a word for repetitions that is none", "repeat: safe", "repeat: maybe", "maybe"},
		{"a read that is not safe to repeat", "repeat: safe", "repeat: never", "only reads"},
		{"a read that adds", "repeat: safe", "repeat: safe\n    additive: true", "additive"},
		{"an unknown type", "type: integer", "type: number", "known type"},
		{"a default that is out of bounds", "default: 3", "default: 30", "from 1 to 9"},
		{"a default of another type", "default: 3", "default: near", "integer"},
		{"a default of a required input", "default: 3", "default: 3, required: true", "no default"},
		{"choices of an integer", "default: 3", "choices: [a]", "choices"},
		{"a parameter without words", "displayName: Server, ", "", "serverUrl"},
		{"an output that there is not", "    repeat: safe\n", "    repeat: safe\n    without: [echo]\n", "echo"},
	}
	for _, tt := range tests {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(minimal, tt.old, tt.new, 1)
			if text == minimal {
				t.Fatalf("%q is not in the minimal manifest", tt.old)
			}
			_, err := parseManifest([]byte(text), known)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
	t.Run("a-function-without-a-command", func(t *testing.T) {
		t.Parallel()
		_, err := parseManifest([]byte(minimal), map[string]map[string]operation{"sample": {"look": testConnection, "listen": testConnection}})
		if err == nil || !strings.Contains(err.Error(), "listen") {
			t.Errorf("error = %v, want one that names listen", err)
		}
	})
}

// A permission that is misspelled would send people to look for what there is not.
func TestPermissionsAreThoseOfTheCatalogue(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"Manager with full scope": true} // as Qualys documents it for connectors
	for _, m := range access.Modules() {
		for _, g := range m.Groups {
			for _, p := range g.Permissions {
				known[m.Label+" > "+g.Label+" > "+p.Label] = true
			}
		}
	}
	i, _ := Find("qualys-cloud-agent")
	for _, c := range i.Commands {
		if !known[c.Permission] {
			t.Errorf("%s needs %q, which is no permission of the catalogue", c.Name, c.Permission)
		}
	}
}
