package integration

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the reference in docs/commands.md")

const (
	documentFile = "../../../docs/commands.md"
	refBegin     = "<!-- reference: written by go test ./internal/automation/integration -update -->\n"
	refEnd       = "<!-- end of reference -->\n"
)

func TestTheReferenceOfTheDocumentationIsThatOfTheManifest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), refBegin)
	written, after, ends := strings.Cut(rest, refEnd)
	if !begins || !ends {
		t.Fatalf("%s has no place for the reference", documentFile)
	}
	want := reference(qualys(t))
	if *update {
		if err := os.WriteFile(documentFile, []byte(before+refBegin+want+refEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, written); diff != "" {
		t.Errorf("reference (-want +got), write it with -update:\n%s", diff)
	}
}

// reference describes the commands of an integration for people.
func reference(i Integration) string {
	var b strings.Builder
	for _, c := range i.Commands {
		fmt.Fprintf(&b, "\n### %s\n\n`%s/%s`: %s\n\nPermission: %s. Repetition: %s.", c.DisplayName, i.Name, c.Name, c.Description, c.Permission, c.Repeat)
		if c.Waits {
			b.WriteString(" It can wait until it is finished.")
		}
		b.WriteString("\n")
		if len(c.Inputs) > 0 {
			b.WriteString("\n| input | name | type | | example |\n|---|---|---|---|---|\n")
		}
		for _, in := range c.Inputs {
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", in.DisplayName, in.Name, in.Type, inputText(in), code(in.Example))
		}
		if len(c.KeyFields) > 0 {
			b.WriteString("\nKey fields:")
			for n, k := range c.KeyFields {
				if n > 0 {
					b.WriteString(";")
				}
				fmt.Fprintf(&b, " `%s`, %s", k.Name, strings.TrimSuffix(strings.ToLower(k.Description[:1])+k.Description[1:], "."))
			}
			b.WriteString(".\n")
		}
	}
	b.WriteString("\n")
	return b.String()
}

func inputText(in Input) string {
	text := in.Description
	if in.Required {
		text = "**Required.** " + text
	}
	if len(in.Choices) > 0 {
		text += " One of: " + strings.Join(in.Choices, ", ") + "."
	}
	if in.Default != nil {
		text += fmt.Sprintf(" Default: %s.", strings.ToUpper(fmt.Sprint(in.Default)[:1])+fmt.Sprint(in.Default)[1:])
	}
	return text
}

func code(example string) string {
	if example == "" {
		return ""
	}
	return "`" + example + "`"
}
