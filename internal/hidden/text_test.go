package hidden_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/hidden"
)

// account has the text where a caller would have it: in a field that others see,
// and in one that package fmt reads on its own.
type account struct {
	User     string
	Password hidden.Text
	password hidden.Text
	Nested   []hidden.Text `xml:"nested"`
}

func TestNothingButRevealShowsTheText(t *testing.T) {
	t.Parallel()
	const planted = "s3cret-planted"
	given := account{"ada", hidden.New(planted), hidden.New(planted), []hidden.Text{hidden.New(planted)}}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%e", "%p", "%U", "%T", "%08.3v"} {
		fmt.Fprintf(&shown, verb+" "+verb+" "+verb+"\n", given, &given, given.Password)
		fmt.Fprintf(&shown, verb+"\n", &given.Password)
	}
	fmt.Fprintln(&shown, given, errors.New(given.Password.String()), fmt.Errorf("%v: %w", given, fmt.Errorf("%v", given.Password)))
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&shown, nil)), slog.New(slog.NewJSONHandler(&shown, nil))} {
		logger.Info("log", "account", given, "password", given.Password, "pointer", &given)
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal, xml.Marshal} {
		text, err := marshal(given)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(text)
	}
	hex := fmt.Sprintf("%x", planted)
	if text := shown.String(); strings.Contains(text, planted) || strings.Contains(strings.ToLower(text), hex) || !strings.Contains(text, hidden.Mask) {
		t.Errorf("shown:\n%s", text)
	}
	if given.Password.Reveal() != planted || given.password.Reveal() != planted {
		t.Error("Reveal does not return what was hidden")
	}
}

func TestTheEmptyTextIsShownAsEmpty(t *testing.T) {
	t.Parallel()
	var none hidden.Text
	if !none.IsEmpty() || !hidden.New("").IsEmpty() || none.Reveal() != "" || fmt.Sprint(none) != "" || !none.Equal(hidden.New("")) {
		t.Errorf("the zero value is not empty: %v", none)
	}
	if a := hidden.New("a"); a.IsEmpty() || a.Equal(none) || a.Equal(hidden.New("b")) || !a.Equal(hidden.New("a")) {
		t.Error("texts do not compare by what they are")
	}
}

func TestADocumentGivesTheText(t *testing.T) {
	t.Parallel()
	var read account
	if err := json.Unmarshal([]byte(`{"User":"ada","Password":"pass word"}`), &read); err != nil || read.Password.Reveal() != "pass word" {
		t.Errorf("read %q, %v", read.Password.Reveal(), err)
	}
}
