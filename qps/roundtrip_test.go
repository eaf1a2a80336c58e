package qps

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// hostFiller gives every field of a HostAsset a random value, by reflection, so
// that a field which a writer or a reader forgets fails the property.
type hostFiller struct {
	t    *rapid.T
	text *rapid.Generator[string]
}

var (
	// cleanText holds what XML can carry, among it all that needs escaping.
	cleanText = rapid.StringOf(rapid.OneOf(
		rapid.RuneFrom([]rune("&<>\"'\\/\t\n\r ]x\u007f\u0085\u2028é€\U0001F600")), rapid.Rune().Filter(func(r rune) bool {
			return r >= ' ' && r != 0xFFFE && r != 0xFFFF
		})))
	// hostileText is any sequence of bytes.
	hostileText = rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes"))
	})
)

func (f hostFiller) host() *HostAsset {
	h := &HostAsset{}
	f.fill(reflect.ValueOf(h).Elem(), "HostAsset")
	return h
}

func (f hostFiller) fill(v reflect.Value, label string) {
	switch v.Interface().(type) {
	case time.Time:
		// One of several hosts has no such time at all.
		if rapid.IntRange(0, 3).Draw(f.t, label) > 0 {
			seconds := rapid.Int64Range(-62_000_000_000, 253_402_300_799).Draw(f.t, label)
			v.Set(reflect.ValueOf(time.Unix(seconds, 0).UTC()))
		}
		return
	case []Source:
		v.Set(reflect.ValueOf(f.sources()))
		return
	case []string: // the activated modules
		modules := rapid.SliceOfN(rapid.StringMatching(`AGENT_[A-Za-z]{2,4}`), 0, 4).Draw(f.t, label)
		if len(modules) > 0 {
			v.Set(reflect.ValueOf(modules))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.word(label))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(f.t, label))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(f.t, label))
	case reflect.Pointer:
		if rapid.Bool().Draw(f.t, label) {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), label)
		}
	case reflect.Slice:
		for i := range rapid.IntRange(0, 3).Draw(f.t, label) {
			item := reflect.New(v.Type().Elem()).Elem()
			f.fill(item, fmt.Sprintf("%s[%d]", label, i))
			v.Set(reflect.Append(v, item))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), label+"."+v.Type().Field(i).Name)
		}
	default:
		panic("no generator for " + label + " " + v.Type().String())
	}
}

// word draws the text of a field, observing the two fields whose form is fixed.
func (f hostFiller) word(label string) string {
	switch {
	case strings.Contains(label, "NetworkInterfaces") && strings.HasSuffix(label, "Address") && !strings.HasSuffix(label, "MACAddress"):
		return rapid.SampledFrom([]string{"", "192.0.2.1", "fe80:0:0:0:0:0:0:1", "no address"}).Draw(f.t, label)
	case strings.HasSuffix(label, ".Module"):
		return rapid.StringMatching(`[a-z]{1,4}[0-9]?`).Draw(f.t, label)
	}
	return f.text.Draw(f.t, label)
}

func (f hostFiller) sources() []Source {
	kinds := rapid.SliceOfN(rapid.SampledFrom([]Source{
		&EC2Source{}, &AzureSource{}, &GCPSource{}, &UnknownSource{},
	}), 0, 3).Draw(f.t, "sources")
	var sources []Source
	for i, kind := range kinds {
		label := fmt.Sprintf("Sources[%d]", i)
		if _, ok := kind.(*UnknownSource); ok {
			sources = append(sources, &UnknownSource{&Node{Name: "Other", Children: []*Node{{Name: "type", Text: f.word(label)}}}})
			continue
		}
		source := reflect.New(reflect.TypeOf(kind).Elem())
		f.fill(source.Elem(), label)
		sources = append(sources, source.Interface().(Source))
	}
	return sources
}

func transport(t *rapid.T, form Form, h *HostAsset) *HostAsset {
	body := AppendResponse(nil, form, NewResult(SchemaHostAsset, h), nil)
	if err := checkCharacters(body); err != nil {
		t.Fatalf("%v: %v", form, err)
	}
	resp, err := DecodeResponse(strings.NewReader(string(body)), form)
	if err != nil {
		t.Fatalf("%v: %v\n%s", form, err, body)
	}
	return resp.Records[0].(*HostAsset)
}

func TestAnyHostSurvivesXMLAndJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		host := hostFiller{t, cleanText}.host()
		viaXML := transport(t, XML, host)
		if diff := cmp.Diff(host, viaXML, cmpNodes); diff != "" {
			t.Fatalf("xml (-sent +received):\n%s", diff)
		}
		if diff := cmp.Diff(viaXML, transport(t, JSON, viaXML), cmpNodes); diff != "" {
			t.Fatalf("json after xml (-sent +received):\n%s", diff)
		}
	})
}

func TestHostileTextArrivesAlikeInBothForms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		host := hostFiller{t, hostileText}.host()
		viaXML, viaJSON := transport(t, XML, host), transport(t, JSON, host)
		if diff := cmp.Diff(viaXML, viaJSON, cmpNodes); diff != "" {
			t.Fatalf("(-xml +json):\n%s", diff)
		}
		if diff := cmp.Diff(viaXML, transport(t, JSON, viaXML), cmpNodes); diff != "" {
			t.Fatalf("a second transport changes it:\n%s", diff)
		}
	})
}
