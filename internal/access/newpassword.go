package access

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/fault"
)

// MinPasswordLength is the least number of characters of a new password.
const MinPasswordLength = 12

func checkNewPassword(field, password string) error {
	resolution := fmt.Sprintf("Use %d characters or more, at most %d bytes, without control characters.", MinPasswordLength, MaxPasswordBytes)
	switch {
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return fault.New(fault.Invalid, field+": the password contains a control character, or is not UTF-8.", resolution)
	case utf8.RuneCountInString(password) < MinPasswordLength:
		return fault.New(fault.Invalid, field+": the password is too short.", resolution)
	case len(password) > MaxPasswordBytes:
		return fault.New(fault.Invalid, field+": the password is too long.", resolution)
	}
	return nil
}

// newPassword returns the password to set: the given one, checked, or a new one,
// which is then also what to show to the person once.
func newPassword(given string) (password, generated string, err error) {
	if given == "" {
		generated = rand.Text()
		return generated, generated, nil
	}
	return given, "", checkNewPassword("password", given)
}

// hash returns the PHC string of a password, one at a time: hashing takes much
// memory.
func (d *Directory) hash(ctx context.Context, password string) (string, error) {
	release, err := d.turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return HashPassword(password)
}

// matches reports whether the password belongs to the PHC string, one at a time
// as well.
func (d *Directory) matches(ctx context.Context, phc, password string) (bool, error) {
	release, err := d.turn(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	return verifyPassword(phc, password)
}

func (d *Directory) turn(ctx context.Context) (release func(), err error) {
	select {
	case d.hashing <- struct{}{}:
		return func() { <-d.hashing }, nil
	case <-ctx.Done():
		return nil, fault.New(fault.Busy, "Too many passwords are being changed at once.", "Repeat the request in a few seconds.")
	}
}
