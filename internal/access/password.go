package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of new password hashes: OWASP's second choice for argon2id, about 60 ms
// of one core and 19 MiB for each verification that is not cached.
const (
	argonTime      = 2
	argonMemoryKiB = 19 << 10
	argonThreads   = 1
	argonKeyBytes  = 32
	argonSaltBytes = 16
)

// Bounds on the cost a stored hash may ask for, so that an edited row cannot
// make the platform spend gigabytes on a sign-in.
const (
	maxArgonTime      = 16
	maxArgonMemoryKiB = 256 << 10
)

// MaxPasswordBytes bounds a password; longer ones are refused, not cut.
const MaxPasswordBytes = 1024

var errHashForm = errors.New("password hash is not in PHC form of argon2id")

// HashPassword returns the PHC string of the password under a fresh salt.
func HashPassword(password string) (string, error) {
	if password == "" || len(password) > MaxPasswordBytes {
		return "", fmt.Errorf("password is %d bytes long, 1 to %d are allowed", len(password), MaxPasswordBytes)
	}
	salt := make([]byte, argonSaltBytes)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemoryKiB, argonThreads, argonKeyBytes)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, argonMemoryKiB, argonTime, argonThreads, encode(salt), encode(key)), nil
}

// verifyPassword reports whether password belongs to the PHC string, in time
// that does not depend on where they differ.
func verifyPassword(phc, password string) (bool, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, errHashForm
	}
	var version int
	var memory, time uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, errHashForm
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &threads); err != nil ||
		memory == 0 || memory > maxArgonMemoryKiB || time == 0 || time > maxArgonTime || threads == 0 {
		return false, errHashForm
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, errHashForm
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) != argonKeyBytes {
		return false, errHashForm
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, threads, argonKeyBytes)
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
