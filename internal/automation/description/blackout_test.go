package description

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestBlackoutsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		window, _ := ParseBlackout(fmt.Sprintf("never %d-%d", rapid.IntRange(0, 23).Draw(t, "start"), rapid.IntRange(0, 24).Draw(t, "end")))
		for day := range window.Days {
			window.Days[day] = rapid.Bool().Draw(t, dayNames[day])
		}
		again, err := ParseBlackout(BlackoutText(window))
		if err != nil || again != window {
			t.Fatalf("%v becomes %q, %v (%v)", window, BlackoutText(window), again, err)
		}
	})
}
