package signature

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// The headers.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Tolerance is how far the time of a message may be from that of its receiver.
const Tolerance = 5 * time.Minute

const (
	// version begins a symmetric signature.
	version = "v1,"
	// maxID bounds an id in bytes: receivers keep ids.
	maxID = 128
	// maxTimestamp is the digits of seconds until the year 33658.
	maxTimestamp = 12
	// maxSignatures is how many signatures of a header are looked at. A sender has
	// one, and two while it changes its secret.
	maxSignatures = 10
)

// Signed are the values of the headers of one request.
type Signed struct {
	ID        string // tells the message from others; it has no full stop
	Timestamp string // Unix time in seconds
	// Signature is a list of signatures with a space between them; empty where
	// nothing was signed.
	Signature string
}

// Of returns the values that are in headers.
func Of(h http.Header) Signed {
	return Signed{h.Get(HeaderID), h.Get(HeaderTimestamp), h.Get(HeaderSignature)}
}

// Write puts the values that are not empty into headers.
func (s Signed) Write(h http.Header) {
	for name, value := range map[string]string{HeaderID: s.ID, HeaderTimestamp: s.Timestamp, HeaderSignature: s.Signature} {
		if value != "" {
			h.Set(name, value)
		}
	}
}

// Sign returns the headers of a message that is sent at a time; without a
// signature where there is no secret. An id that could be taken for something else
// is fault.Invalid.
func Sign(secret Secret, id string, at time.Time, body []byte) (Signed, error) {
	if err := checkID(id); err != nil {
		return Signed{}, fault.New(fault.Invalid, "The id of a webhook: "+err.Error()+".", "")
	}
	signed := Signed{ID: id, Timestamp: strconv.FormatInt(at.Unix(), 10)}
	if !secret.IsEmpty() {
		signed.Signature = version + base64.StdEncoding.EncodeToString(secret.mac(id, signed.Timestamp, body))
	}
	return signed, nil
}

// Verify refuses, as fault.Unauthenticated, a message that was not signed with one
// of the secrets, within Tolerance of now. Its time tells nothing of the secrets.
// Two are for a while in which a sender changes from one to the other; without any,
// every message is refused.
//
// A message that is verified may have been sent before: the receiver has to keep
// its id for twice the Tolerance.
func Verify(signed Signed, body []byte, now time.Time, secrets ...Secret) error {
	if err := checkID(signed.ID); err != nil {
		return refused(HeaderID + ": " + err.Error())
	}
	at, err := parseTimestamp(signed.Timestamp)
	if err != nil {
		return refused(HeaderTimestamp + ": " + err.Error())
	}
	if off := at.Sub(now).Abs(); off > Tolerance {
		return fault.New(fault.Unauthenticated, fmt.Sprintf("The webhook is refused: %s is %s away from the time of this platform, %s are allowed.", HeaderTimestamp, off.Round(time.Second), Tolerance),
			"Sign each time the message is sent, and check the clock of the sender.")
	}
	given := signatures(signed.Signature)
	if len(given) == 0 {
		return refused(HeaderSignature + ": there is no signature that begins with " + version)
	}
	matches := false
	for _, secret := range secrets {
		if secret.IsEmpty() {
			continue
		}
		want := secret.mac(signed.ID, signed.Timestamp, body)
		for _, mac := range given {
			matches = hmac.Equal(mac, want) || matches
		}
	}
	if !matches {
		return refused(HeaderSignature + ": the signature does not match the message")
	}
	return nil
}

func refused(why string) error {
	return fault.New(fault.Unauthenticated, "The webhook is refused: "+why+".", "Sign id, timestamp and body as Standard Webhooks says, with the secret that was shown when it was made.")
}

// checkID refuses what cannot be told from the rest of what is signed: an id with a
// full stop could take the timestamp's place, with a body that was shortened.
func checkID(id string) error {
	switch {
	case id == "":
		return errors.New("the value is missing")
	case len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' }):
		return fmt.Errorf("it is not 1 to %d visible ASCII characters without a full stop", maxID)
	}
	return nil
}

func parseTimestamp(text string) (time.Time, error) {
	seconds, err := strconv.ParseUint(text, 10, 63) // without a sign
	if err != nil || len(text) > maxTimestamp {
		return time.Time{}, errors.New("it is not a Unix time in seconds")
	}
	return time.Unix(int64(seconds), 0), nil
}

// signatures returns the symmetric signatures of a header. Those of other kinds and
// what is none are left out: a sender may sign in several ways.
func signatures(header string) [][]byte {
	var found [][]byte
	for field := range strings.FieldsSeq(header) {
		encoded, symmetric := strings.CutPrefix(field, version)
		mac, err := base64.StdEncoding.DecodeString(encoded)
		if !symmetric || err != nil {
			continue
		}
		if found = append(found, mac); len(found) == maxSignatures {
			break
		}
	}
	return found
}
