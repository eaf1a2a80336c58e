package qpsapi_test

import (
	"bytes"
	"encoding/xml"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// document is an answer to validate. Names are distinct file names.
type document struct {
	name string
	body []byte
}

// verdict is what xmllint says of a document.
type verdict struct {
	valid    bool
	problems string // what else it says
}

func wantValid(t *testing.T, answers []document) {
	t.Helper()
	verdicts := validate(t, answers)
	for _, a := range answers {
		if v := verdicts[a.name]; !v.valid {
			t.Errorf("%s is not valid:\n%s\n%.2000s", a.name, v.problems, a.body)
		}
	}
}

// validate judges each document by the schema it names, which it gets from the
// platform as a client would. xmllint runs once for each schema.
func validate(t *testing.T, answers []document) map[string]verdict {
	t.Helper()
	s := newSchemas(t)
	bySchema := make(map[string][]string)
	for _, a := range answers {
		if err := os.WriteFile(filepath.Join(s.folder, a.name), a.body, 0o600); err != nil {
			t.Fatal(err)
		}
		file := s.fetch(location(t, a.body))
		bySchema[file] = append(bySchema[file], a.name)
	}
	verdicts := make(map[string]verdict, len(answers))
	for schema, names := range bySchema {
		maps.Copy(verdicts, s.xmllint(schema, names))
	}
	return verdicts
}

// location returns the path of the schema that a document names.
func location(t *testing.T, body []byte) string {
	t.Helper()
	var root struct {
		Location string `xml:"http://www.w3.org/2001/XMLSchema-instance noNamespaceSchemaLocation,attr"`
	}
	if err := xml.Unmarshal(body, &root); err != nil {
		t.Fatalf("%v\n%.2000s", err, body)
	}
	path, ok := strings.CutPrefix(root.Location, base)
	if !ok {
		t.Fatalf("schema location %q is not on %s:\n%.2000s", root.Location, base, body)
	}
	return path
}

// schemas are those a client has fetched, in a folder as they lie on the
// platform.
type schemas struct {
	t        *testing.T
	platform *platform
	folder   string
	fetched  map[string]bool
}

func newSchemas(t *testing.T) *schemas {
	t.Helper()
	return &schemas{t: t, platform: newPlatform(), folder: t.TempDir(), fetched: make(map[string]bool)}
}

// fetch gets a schema with all it includes and returns its file, relative to the
// folder.
func (s *schemas) fetch(location string) string {
	s.t.Helper()
	file := strings.TrimPrefix(location, "/")
	if s.fetched[location] {
		return file
	}
	s.fetched[location] = true
	w := s.platform.do(s.t, request{path: location, user: "-"})
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != "application/xml" {
		s.t.Fatalf("GET %s: status %d with %s", location, w.Code, got)
	}
	var schema struct {
		XMLName  xml.Name `xml:"http://www.w3.org/2001/XMLSchema schema"`
		Includes []struct {
			Location string `xml:"schemaLocation,attr"`
		} `xml:"http://www.w3.org/2001/XMLSchema include"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &schema); err != nil {
		s.t.Fatalf("GET %s: %v", location, err)
	}
	name := filepath.Join(s.folder, file)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, w.Body.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	for _, include := range schema.Includes {
		s.fetch(path.Join(path.Dir(location), include.Location))
	}
	return file
}

// xmllint validates files of the folder. A file of which it says neither that it
// validates nor that it fails to is not valid.
func (s *schemas) xmllint(schema string, names []string) map[string]verdict {
	s.t.Helper()
	program, err := exec.LookPath("xmllint")
	if err != nil {
		s.t.Fatalf("%v: run tools/prerequisites, or install libxml2-utils", err)
	}
	cmd := exec.CommandContext(s.t.Context(), program, append([]string{"--noout", "--nonet", "--schema", schema}, names...)...)
	cmd.Dir = s.folder
	var said bytes.Buffer
	cmd.Stderr = &said
	failed := cmd.Run()
	verdicts := make(map[string]verdict, len(names))
	valid := 0
	for line := range strings.Lines(said.String()) {
		line = strings.TrimSuffix(line, "\n")
		name, _, _ := strings.Cut(line, ":")
		switch {
		case strings.HasSuffix(line, " validates"):
			verdicts[strings.TrimSuffix(line, " validates")] = verdict{valid: true}
			valid++
		case slices.Contains(names, name):
			verdicts[name] = verdict{problems: verdicts[name].problems + line + "\n"}
		}
	}
	if (failed == nil) != (valid == len(names)) {
		s.t.Fatalf("xmllint: %v, but %d of %d documents are valid:\n%s", failed, valid, len(names), said.String())
	}
	return verdicts
}

// constants returns the values of package qps's exported constants whose name
// begins like that.
func constants(t *testing.T, prefix string) []string {
	t.Helper()
	files, err := filepath.Glob("../../../qps/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, prefix) {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is no literal", spec.Names[0].Name)
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatalf("%s: %v", spec.Names[0].Name, err)
			}
			values = append(values, value)
			return false
		})
	}
	if len(values) == 0 {
		t.Fatalf("package qps has no constant %s…", prefix)
	}
	return values
}
