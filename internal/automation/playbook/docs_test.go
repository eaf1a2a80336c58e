package playbook

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/playbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheExampleOfTheDocumentationIsRight(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(documentation(t), -1)
	if len(blocks) != 1 {
		t.Fatalf("there are %d examples", len(blocks))
	}
	d, problems := Parse([]byte(blocks[0][1]))
	if problems != nil {
		t.Fatalf("problems:\n%v", problems)
	}
	if _, problems, err := Check(d, product{}); err != nil || problems != nil {
		t.Errorf("error %v, problems:\n%v", err, problems)
	}

	// And so are the problems that it shows.
	wrong := strings.NewReplacer("lastCheckedInTo", "lastCheckedinTo", "size(steps.find.keyFields.cloudAgentIds) > 100", "size(steps.fnd.keyFields.cloudAgentIds) > 100")
	d, problems = Parse([]byte(wrong.Replace(blocks[0][1])))
	if problems != nil {
		t.Fatal(problems)
	}
	if _, problems, _ = Check(d, product{}); !strings.Contains(documentation(t), "\n"+problems.Error()+"\n") {
		t.Errorf("the documentation does not show these problems:\n%v", problems)
	}
}

func TestTheDocumentationNamesEveryKeyTypeTriggerAndState(t *testing.T) {
	t.Parallel()
	text := documentation(t)
	words := append(stepKeys(), inputTypes()...)
	for _, kind := range eventKinds() {
		words = append(words, string(kind))
		words = append(words, kind.Data().Fields()...)
	}
	for _, word := range words {
		if !strings.Contains(text, "`"+word) {
			t.Errorf("the documentation does not mention %s", word)
		}
	}
	for _, state := range States() {
		if !strings.Contains(text, state) {
			t.Errorf("the documentation does not mention the state %s", state)
		}
	}
}
