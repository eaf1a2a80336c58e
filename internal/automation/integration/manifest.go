package integration

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// loaded reads the manifests once. One that is wrong is a mistake of whoever
// built the program, which a test finds.
var loaded = sync.OnceValue(func() []Integration {
	files, err := fs.Glob(manifests, "manifests/*.yaml")
	if err != nil {
		panic(err)
	}
	var all []Integration
	for _, file := range files {
		text, err := manifests.ReadFile(file)
		if err != nil {
			panic(err)
		}
		i, err := parseManifest(text, operations())
		if err != nil {
			panic(fmt.Errorf("%s: %w", file, err))
		}
		all = append(all, i)
	}
	return all
})

// Form and kind of a manifest.
const (
	manifestVersion = "soar/v1"
	manifestKind    = "Integration"
)

// parseManifest reads a manifest strictly and ties each command to its function.
func parseManifest(text []byte, all map[string]map[string]operation) (Integration, error) {
	var file struct {
		APIVersion  string `yaml:"apiVersion"`
		Kind        string `yaml:"kind"`
		Integration `yaml:",inline"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return Integration{}, fmt.Errorf("read manifest: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Integration{}, errors.New("a manifest holds one document")
	}
	if file.APIVersion != manifestVersion || file.Kind != manifestKind {
		return Integration{}, fmt.Errorf("apiVersion %q and kind %q: use %s and %s", file.APIVersion, file.Kind, manifestVersion, manifestKind)
	}
	i := file.Integration
	known := all[i.Name]
	for n := range i.Commands {
		if err := i.Commands[n].complete(i.Name, known); err != nil {
			return Integration{}, fmt.Errorf("command %q: %w", i.Commands[n].Name, err)
		}
	}
	return i, i.complete(known)
}

var (
	// kebabName is the form of the names of integrations and commands, camelName
	// that of parameters, inputs and key fields, which expressions use.
	kebabName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	camelName = regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)
)

func (i Integration) complete(known map[string]operation) error {
	if !kebabName.MatchString(i.Name) || i.DisplayName == "" || i.Category == "" || i.Version == "" || i.Description == "" {
		return fmt.Errorf("integration %q: name, displayName, category, version and description are needed", i.Name)
	}
	var names []string
	for _, p := range i.Parameters {
		if !camelName.MatchString(p.Name) || p.DisplayName == "" || p.Description == "" || !p.Type.known() {
			return fmt.Errorf("parameter %q: name, displayName, description and a known type are needed", p.Name)
		}
		names = append(names, p.Name, p.DisplayName)
	}
	if twice, ok := repeated(names); ok {
		return fmt.Errorf("parameter %q is there twice", twice)
	}
	names = nil
	for _, c := range i.Commands {
		names = append(names, c.Name)
	}
	if twice, ok := repeated(names); ok {
		return fmt.Errorf("command %q is there twice", twice)
	}
	for name := range known {
		if !slices.Contains(names, name) {
			return fmt.Errorf("command %q has a function and is not in the manifest", name)
		}
	}
	return nil
}

func repeated(names []string) (string, bool) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return name, true
		}
		seen[name] = true
	}
	return "", false
}

// complete fills in what a manifest leaves out, and checks the rest.
func (c *Command) complete(integration string, known map[string]operation) error {
	c.Integration = integration
	if c.run = known[c.Name]; c.run == nil {
		return errors.New("it has no function")
	}
	if !kebabName.MatchString(c.Name) || c.DisplayName == "" || c.Description == "" || c.Permission == "" {
		return errors.New("name, displayName, description and permission are needed")
	}
	if c.Indicator == "" {
		c.Indicator = c.DisplayName + " failed."
	}
	switch {
	case !slices.Contains([]Repeat{Safe, Keyed, Never}, c.Repeat):
		return fmt.Errorf("repeat %q: use %s, %s or %s", c.Repeat, Safe, Keyed, Never)
	case c.ReadOnly && c.Repeat != Safe:
		return fmt.Errorf("repeat %q: what only reads is %s", c.Repeat, Safe)
	case c.ReadOnly && c.Additive:
		return errors.New("additive: what only reads adds nothing")
	}
	if err := c.completeOutputs(); err != nil {
		return err
	}
	var names []string
	for n := range c.Inputs {
		in := &c.Inputs[n]
		if err := in.complete(); err != nil {
			return fmt.Errorf("input %q: %w", in.Name, err)
		}
		names = append(names, in.Name)
		if in.DisplayName != in.Name {
			names = append(names, in.DisplayName)
		}
	}
	if twice, ok := repeated(names); ok {
		return fmt.Errorf("input %q is there twice", twice)
	}
	for _, k := range c.KeyFields {
		if !camelName.MatchString(k.Name) || k.Description == "" {
			return fmt.Errorf("key field %q: name and description are needed", k.Name)
		}
	}
	return nil
}

func (c *Command) completeOutputs() error {
	c.Outputs = outputs()
	for _, name := range c.Without {
		before := len(c.Outputs)
		c.Outputs = slices.DeleteFunc(c.Outputs, func(o Output) bool { return o.Name == name })
		if len(c.Outputs) == before {
			return fmt.Errorf("without %q: there is no such output", name)
		}
	}
	return nil
}

// complete checks an input and gives its default the Go type of its values.
func (in *Input) complete() error {
	switch {
	case !camelName.MatchString(in.Name) || in.DisplayName == "" || in.Description == "" || !in.Type.known():
		return errors.New("name, displayName, description and a known type are needed")
	case (in.Type == Choice) != (len(in.Choices) > 0):
		return errors.New("choices belong to the type choice, which needs some")
	case in.UTC && in.Type != DateTime:
		return errors.New("utc belongs to the type datetime")
	case in.Required && in.Default != nil:
		return errors.New("an input that is required has no default")
	}
	if in.Default == nil {
		return nil
	}
	typed, err := in.Read(in.Default, nil)
	if err != nil {
		return err
	}
	in.Default = typed
	return nil
}
