package run_test

import (
	"strings"
	"testing"

	"vedette.dev/vedette/internal/automation/run"
)

func TestAFingerprintFitsItsInputAlone(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"", "4711", "correct-horse-7431"} {
		first, second := run.Fingerprint(input), run.Fingerprint(input)
		if !run.Fits(first, input) || !run.Fits(second, input) {
			t.Errorf("%q is not recognised by %s and %s", input, first, second)
		}
		if first == second {
			t.Errorf("two fingerprints of %q are alike", input)
		}
		if input != "" && strings.Contains(first, input) {
			t.Errorf("%s shows the input", first)
		}
		for _, other := range []string{input + "x", "4712"} {
			if run.Fits(first, other) {
				t.Errorf("%q is taken for %q", other, input)
			}
		}
	}
	if run.Fits("", "") || run.Fits("salt.", "") {
		t.Error("no fingerprint is one of the empty input")
	}
}
