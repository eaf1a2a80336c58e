package expression

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// scope is one like that of a step that follows a search.
func scope(t testing.TB) *Scope {
	t.Helper()
	find := Object("Step_find", map[string]Type{
		"state":     Word("Successful", "Failed"),
		"keyFields": Object("KeyFields_find", map[string]Type{"agentIds": List(Integer)}),
		"rawData":   Any,
	})
	s, err := NewScope(map[string]Type{
		"inputs": Object("Inputs", map[string]Type{"days": Integer, "os": Text, "since": DateTime}),
		"steps":  Namespace("Steps", map[string]Type{"find": find}),
	}, map[string]string{"steps.scan": "step scan does not come before this one", "connection": "connections are out of reach of expressions"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func values() Values {
	raw, err := Decode([]byte(`{"ServiceResponse":{"data":{"HostAsset":[
		{"id":9007199254740993,"name":"web","os":"Debian","tags":{"b":1,"a":2}},
		{"id":2,"name":"db","os":"Windows","score":0.5}]}}}`))
	if err != nil {
		panic(err)
	}
	return Values{
		"inputs": map[string]any{"days": int64(7), "os": "Windows", "since": monday.Add(-time.Hour)},
		"steps": map[string]any{"find": map[string]any{
			"state": "Successful", "keyFields": map[string]any{"agentIds": []any{int64(1), int64(2), int64(2)}}, "rawData": raw,
		}},
	}
}

func TestAnExpressionAloneKeepsItsTypeAndWithinATextBecomesText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		give string
		want any
	}{
		{"plain", "plain"},
		{"", ""},
		{"${{ inputs.days }}", int64(7)},
		{"${{inputs.days}} days", "7 days"},
		{"${{ inputs.days * 24 }}h of ${{ inputs.os }}", "168h of Windows"},
		{"${{ steps.find.keyFields.agentIds }}", []any{int64(1), int64(2), int64(2)}},
		{"ids: ${{ steps.find.keyFields.agentIds }}", "ids: [1,2,2]"},
		{"${{ now() - duration(string(inputs.days * 24) + 'h') }}", monday.Add(-7 * 24 * time.Hour)},
		{"at ${{ now() }}", "at 2026-03-02T09:00:00Z"},
		{"${{ now() - inputs.since }}", time.Hour},
		{"after ${{ now() - inputs.since }}", "after 1h0m0s"},
		{"${{ size(steps.find.keyFields.agentIds) > 2 && steps.find.state == 'Successful' }}", true},
		{"${{ {'a': {'b': 1}} }}", map[string]any{"a": map[string]any{"b": int64(1)}}},
		{"${{ '}}' + \"}}\" }}", "}}}}"},
		{"${{ r'\\' + '''it's }}''' }}", `\it's }}`},
		{"${{ '${{' }}", "${{"},
		{"${{ // a comment\n 1 }}", int64(1)},
		{"${{ jsonpath(steps.find.rawData, '$.ServiceResponse.data.HostAsset[*].id') }}", []any{int64(9007199254740993), int64(2)}},
		{"${{ jsonpath(steps.find.rawData, '$..HostAsset[?@.os == \"Windows\"].name')[0] }}", "db"},
		{"${{ jsonpath(steps.find.rawData, '$..tags.*') }}", []any{int64(2), int64(1)}},
		{"${{ steps.find.rawData.ServiceResponse.data.HostAsset.filter(h, has(h.score)).map(h, h.score) }}", []any{0.5}},
		{"${{ has(steps.find.keyFields) }}", true},
		{"${{ steps.find.keyFields.agentIds.distinct() }}", []any{int64(1), int64(2)}},
		{"${{ ['b', 'a'].sort().join(', ') }}", "a, b"},
		{"${{ 'a-b'.split('-').slice(1, 2) }}", []any{"b"}},
		{"${{ ' Web '.trim().lowerAscii().replace('w', 'v') }}", "veb"},
		{"${{ math.greatest(1, 3, 2) }}", int64(3)},
		{"${{ null }}", nil},
		{"x${{ null }}y", "xy"},
	}
	for _, tt := range tests {
		t.Run(tt.give, func(t *testing.T) {
			t.Parallel()
			template, issues := scope(t).Template(tt.give)
			if issues != nil {
				t.Fatal(issues)
			}
			got, err := template.Evaluate(t.Context(), values(), monday)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsWrongIsFoundBeforeARun(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, give, message, hint string }{
		{"unknown variable", "${{ input.days }}", "0:1:2: nothing is called input", "Did you mean inputs?"},
		{"unknown input", "${{ inputs.dayz }}", "0:1:2: inputs has no dayz", "Did you mean days?"},
		{"later step", "${{ steps.scan.state }}", "0:1:2: step scan does not come before this one", ""},
		{"unknown step", "${{ steps.fnd.state }}", "0:1:2: steps has no fnd", "Did you mean find?"},
		{"all steps", "${{ steps }}", "0:1:2: steps is no value by itself: name one of find", ""},
		{"unknown key field", "${{ steps.find.keyFields.ids }}", "0:1:22: there is no field ids", ""},
		{"secrets", "${{ connection.password }}", "0:1:2: connections are out of reach of expressions", ""},
		{"word that never is", "${{ steps.find.state == 'Succeeded' }}", `0:1:22: state is never "Succeeded"; it is one of Successful, Failed`, ""},
		{"word in a list", "${{ steps.find.state in ['Failed', 'failed'] }}", `0:1:33: state is never "failed"; it is one of Successful, Failed`, "Did you mean Failed?"},
		{"wrong types", "${{ inputs.days > 'x' }}", "0:1:14: > does not take (integer, text)", ""},
		{"second expression", "a ${{ 1 }} b ${{ 1 + }}", "1:1:6: mismatched input", ""},
		{"second line", "${{ 1 +\n nope }}", "0:2:2: nothing is called nope", ""},
		{"empty", "${{ }}", "0:1:1: the expression is empty", "Write one between ${{ and }}."},
		{"no end", "${{ 1", "0:1:1: the expression does not end", ""},
		{"path not literal", "${{ jsonpath(steps.find.rawData, inputs.os) }}", "0:1:37: the path of jsonpath must be a literal text", ""},
		{"path not valid", "${{ jsonpath(steps.find.rawData, 'x') }}", `0:1:31: "x" is no JSONPath`, ""},
		{"path that wanders", "${{ jsonpath(steps.find.rawData, '$[?count(@..x) > 1]') }}", "0:1:31: ", ""},
		{"two descents", "${{ jsonpath(steps.find.rawData, '$..a..b') }}", `0:1:31: "$..a..b" is no JSONPath: a path may descend with two dots once`, ""},
		{"shadowed variable", "${{ [1].map(steps, steps) }}", "0:1:9: steps is a variable already", "Choose another name."},
		{"bad duration", "${{ duration('7 days') }}", "0:1:", ""},
		{"bad pattern", "${{ inputs.os.matches('(') }}", "0:1:", ""},
		{"functions that could grow without bound", "${{ lists.range(10) }}", "0:1:", ""},
		{"mistyped function", "${{ inputs.os.trm() }}", "0:1:15: nothing is called trm", "Did you mean trim?"},
		{"too long", strings.Repeat("x", MaxTextBytes+1), "-1:1:1: the text has 65537 bytes; there may be 65536", "Shorten it."},
		{"mistakes without end", "${{ s(0," + strings.Repeat("%", 300) + " >1]0}}", "0:1:", ""},
		{"too deep", "${{ " + strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200) + " }}", "0:", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, issues := scope(t).Template(tt.give)
			if len(issues) == 0 {
				t.Fatal("no issue was found")
			}
			first := issues[0]
			got := strings.Join([]string{itoa(first.Expression), itoa(first.Line), itoa(first.Column)}, ":") + ": " + first.Message
			if !strings.HasPrefix(got, tt.message) {
				t.Errorf("issue %q, want %q", got, tt.message)
			}
			if tt.hint != "" && first.Hint != tt.hint {
				t.Errorf("hint %q, want %q", first.Hint, tt.hint)
			}
		})
	}
}

func itoa(i int) string { text, _ := InText(int64(i)); return text }

func TestEvaluationSaysWhatFailed(t *testing.T) {
	t.Parallel()
	long := "'" + strings.Repeat("x", 20_000) + "'"
	tests := []struct{ name, give, want string }{
		{"missing key", "${{ steps.find.rawData.nope.x }}", "${{ steps.find.rawData.nope.x }}: there is no nope"},
		{"type only known at run time", "${{ steps.find.rawData + 1 }}", "a value of a type it does not take"},
		{"cost", "${{ steps.find.keyFields.agentIds.map(a, " + long + ".split('').map(x, x)).size() }}", "it costs more than 100000"},
		{"cost of paths", "${{ " + long + ".split('').map(x, jsonpath(steps.find.rawData, '$..*')).size() }}", "it costs more than 100000"},
		{"cost of patterns", "${{ " + long + ".split('').all(x, " + long + ".matches('(x+x+)+y') || true) }}", "it costs more than 100000"},
		{"cost of comparisons", "${{ " + long + ".split('').all(x, [steps.find.rawData] == [steps.find.rawData]) }}", "it costs more than 100000"},
		{"replace grows", "${{ " + long + ".replace('x', " + long + ") }}", "replace makes a text of more than 1048576 bytes"},
		{"join grows", "${{ " + long + ".split('').join(" + long + ") }}", "join makes a text of more than 1048576 bytes"},
		{"large result", "${{ " + long + ".split('').map(x, inputs.os + inputs.os + inputs.os + inputs.os + inputs.os + inputs.os + inputs.os) }}", "more than 1"},
		{"bytes", "${{ b'x' }}", "a value of the type bytes has no use in a playbook"},
		{"types", "${{ type(1) }}", "has no use in a playbook"},
		{"no number", "${{ 1.0 / 0.0 }}", "a number that is not finite"},
		{"keys that are no texts", "${{ {1: 2} }}", "the keys of an object must be texts"},
		{"division", "${{ 1 / 0 }}", "division by zero"},
		{"index", "${{ steps.find.keyFields.agentIds[9] }}", "index out of bounds: 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			template, issues := scope(t).Template(tt.give)
			if issues != nil {
				t.Fatal(issues)
			}
			_, err := template.Evaluate(t.Context(), values(), monday)
			var failure *Failure
			if !errors.As(err, &failure) {
				t.Fatalf("error %v, want a *Failure", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestAnExpressionThatIsCancelledEnds(t *testing.T) {
	t.Parallel()
	template, issues := scope(t).Template("${{ 'x x x'.split(' ').map(a, 'y y y'.split(' ').map(b, a + b)).size() }}")
	if issues != nil {
		t.Fatal(issues)
	}
	list := make([]any, 10_000)
	for i := range list {
		list[i] = int64(i)
	}
	long, issues := scope(t).Template("${{ steps.find.keyFields.agentIds.all(a, a >= 0) }}")
	if issues != nil {
		t.Fatal(issues)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := values()
	v["steps"].(map[string]any)["find"].(map[string]any)["keyFields"] = map[string]any{"agentIds": list}
	if _, err := long.Evaluate(ctx, v, monday); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if got, err := template.Evaluate(t.Context(), v, monday); err != nil || got != int64(3) {
		t.Errorf("value %v, error %v after another one was cancelled", got, err)
	}
}

func TestResultsShareNothingWithTheValuesTheyCameFrom(t *testing.T) {
	t.Parallel()
	template, issues := scope(t).Template("${{ steps.find.rawData }}")
	if issues != nil {
		t.Fatal(issues)
	}
	v := values()
	result, err := template.Evaluate(t.Context(), v, monday)
	if err != nil {
		t.Fatal(err)
	}
	result.(map[string]any)["ServiceResponse"].(map[string]any)["data"] = "changed"
	if diff := cmp.Diff(values(), v); diff != "" {
		t.Errorf("the values changed (-before +after):\n%s", diff)
	}
}

func TestReferencesNameWhatIsRead(t *testing.T) {
	t.Parallel()
	template, issues := scope(t).Template("${{ inputs.os + string(size(steps.find.keyFields.agentIds.filter(a, a > inputs.days))) }} ${{ steps.find.state }}")
	if issues != nil {
		t.Fatal(issues)
	}
	want := map[Reference]bool{{"inputs", "os", ""}: true, {"inputs", "days", ""}: true, {"steps", "find", "keyFields"}: true, {"steps", "find", "state"}: true}
	got := map[Reference]bool{}
	for _, r := range template.References() {
		got[r] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "${{ inputs.days }}", "a ${{ '}}' }} b", "${{ {'a': [1, 2.5, null, true]} }}", "${{ steps.find.rawData.x[?0] }}",
		"${{ jsonpath(steps.find.rawData, '$..[?@.id>1]') }}", "${{ ['a'].join('b').replace('a', '') }}", "${{ r'\\' }}", "${{ '''\n''' }}",
		"${{ now() + duration('1h') }}", "${{ [3,1].sort().slice(0, 1) }}", "${{ //}}\n1}}", "${{ {'a': {'b': {}}} }}", "${{ math.least(1, 2) }}",
	} {
		f.Add(seed)
	}
	s := scope(f)
	f.Fuzz(func(t *testing.T, text string) {
		template, issues := s.Template(text)
		if (template == nil) == (len(issues) == 0) {
			t.Fatalf("template %v with issues %v", template, issues)
		}
		for _, i := range issues {
			if i.Line < 1 || i.Column < 1 || i.Message == "" {
				t.Errorf("issue without place or message: %+v", i)
			}
		}
		if template == nil {
			return
		}
		v := values()
		first, err := template.Evaluate(t.Context(), v, monday)
		again, errAgain := template.Evaluate(t.Context(), v, monday)
		if (err == nil) != (errAgain == nil) || !cmp.Equal(first, again) {
			t.Errorf("two evaluations differ: %v (%v), then %v (%v)", first, err, again, errAgain)
		}
		if err == nil {
			if _, err := Encode(first); err != nil {
				t.Errorf("the result cannot be written as JSON: %v", err)
			}
		}
		if diff := cmp.Diff(values(), v); diff != "" {
			t.Errorf("evaluation changed the values:\n%s", diff)
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	template, issues := scope(b).Template("${{ steps.find.state == 'Successful' && size(steps.find.keyFields.agentIds) > 1 }}")
	if issues != nil {
		b.Fatal(issues)
	}
	v := values()
	for b.Loop() {
		if _, err := template.Evaluate(context.Background(), v, monday); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScope(b *testing.B) {
	for b.Loop() {
		scope(b)
	}
}
