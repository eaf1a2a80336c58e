package run

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// Fingerprint returns what recognises a secret input later, when the input itself is
// forgotten. It is salted, so that equal inputs do not look alike, and it has to be
// sealed: a short input could be found from it by trying.
func Fingerprint(input string) string {
	salt := rand.Text()
	return salt + "." + fingerprint(salt, input)
}

// Fits reports whether a fingerprint is that of a secret input. How long it takes says
// nothing of how much of it is.
func Fits(of, input string) bool {
	salt, digest, _ := strings.Cut(of, ".")
	return hmac.Equal([]byte(digest), []byte(fingerprint(salt, input)))
}

func fingerprint(salt, input string) string {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte(input))
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

// SameRequest refuses, with fault.Conflict that names what differs, a run that has the
// key of an earlier one of the same user and is another request. changed are the secret
// inputs that have another value; what it says has no values.
func SameRequest(earlier, asked *Run, changed []string) error {
	var differ []string
	for _, part := range []struct {
		name   string
		differ bool
	}{
		{"connection", earlier.ConnectionID != asked.ConnectionID},
		{"command", earlier.Command != asked.Command},
		{"dryRun", earlier.DryRun != asked.DryRun},
		{"force", earlier.Force != asked.Force},
		{"wait", !sameJSON(earlier.Wait, asked.Wait)},
		{"test", earlier.Origin != asked.Origin},
	} {
		if part.differ {
			differ = append(differ, part.name)
		}
	}
	names := map[string]bool{}
	if earlier.Command != asked.Command {
		earlier, asked = &Run{ID: earlier.ID}, &Run{} // inputs of another command say nothing
	}
	for _, inputs := range []map[string]any{earlier.Inputs, asked.Inputs} {
		for name := range inputs {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, had := earlier.Inputs[name]
		now, has := asked.Inputs[name]
		if had != has || !sameJSON(before, now) || slices.Contains(changed, name) {
			differ = append(differ, "inputs."+name)
		}
	}
	if len(differ) == 0 {
		return nil
	}
	return fault.New(fault.Conflict, fmt.Sprintf("Idempotency-Key: it is that of run %d, whose request differs in %s.", earlier.ID, strings.Join(differ, ", ")),
		"Send the same request again, or use a key of its own for this one.")
}

// sameJSON reports whether two values are stored alike.
func sameJSON(a, b any) bool {
	first, err := json.Marshal(a)
	if err != nil {
		return false
	}
	second, err := json.Marshal(b)
	return err == nil && bytes.Equal(first, second)
}
