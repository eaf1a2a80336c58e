package signature_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

// The message that the libraries of Standard Webhooks are tested with.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

var vectorTime = time.Unix(1614265330, 0)

func secret(t *testing.T, text string) signature.Secret {
	t.Helper()
	s, err := signature.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t *testing.T) signature.Signed {
	t.Helper()
	s, err := signature.Sign(secret(t, vectorSecret), vectorID, vectorTime, []byte(vectorBody))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAMessageIsSignedAsTheStandardSays(t *testing.T) {
	t.Parallel()
	if got := signed(t); got != (signature.Signed{ID: vectorID, Timestamp: "1614265330", Signature: vectorSignature}) {
		t.Errorf("%+v", got)
	}
}

func TestASignedMessageGoesThroughHeaders(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	signed(t).Write(h)
	if h.Get("webhook-id") != vectorID || h.Get("webhook-timestamp") != "1614265330" || h.Get("webhook-signature") != vectorSignature {
		t.Errorf("headers %v", h)
	}
	if err := signature.Verify(signature.Of(h), []byte(vectorBody), vectorTime, secret(t, vectorSecret)); err != nil {
		t.Error(err)
	}
}

func TestASignatureIsForOneMessageAndOneTime(t *testing.T) {
	t.Parallel()
	right := secret(t, vectorSecret)
	for name, spoil := range map[string]func(s *signature.Signed, body *string, now *time.Time, secrets *[]signature.Secret){
		"another body": func(_ *signature.Signed, body *string, _ *time.Time, _ *[]signature.Secret) { *body += " " },
		"another id":   func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) { s.ID += "x" },
		"another time": func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) { s.Timestamp = "1614265331" },
		"another secret": func(_ *signature.Signed, _ *string, _ *time.Time, secrets *[]signature.Secret) {
			*secrets = []signature.Secret{signature.NewSecret()}
		},
		"no secret": func(_ *signature.Signed, _ *string, _ *time.Time, secrets *[]signature.Secret) { *secrets = nil },
		"an empty secret": func(_ *signature.Signed, _ *string, _ *time.Time, secrets *[]signature.Secret) {
			*secrets = []signature.Secret{{}}
		},
		"late": func(_ *signature.Signed, _ *string, now *time.Time, _ *[]signature.Secret) {
			*now = now.Add(signature.Tolerance + time.Second)
		},
		"early": func(_ *signature.Signed, _ *string, now *time.Time, _ *[]signature.Secret) {
			*now = now.Add(-signature.Tolerance - time.Second)
		},
		"no id":              func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) { s.ID = "" },
		"no time":            func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) { s.Timestamp = "" },
		"a time with a sign": func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) { s.Timestamp = "+1614265330" },
		"a time beyond all": func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) {
			s.Timestamp = "9223372036854775807"
		},
		"no signature": func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) { s.Signature = "" },
		"a signature of another kind": func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) {
			s.Signature = strings.Replace(s.Signature, "v1,", "v1a,", 1)
		},
		"a part of the signature": func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) { s.Signature = "v1,g0hM" },
		"an empty signature":      func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) { s.Signature = "v1," },
		"a signature that is the eleventh": func(s *signature.Signed, _ *string, _ *time.Time, _ *[]signature.Secret) {
			s.Signature = strings.Repeat("v1,g0hM ", 10) + s.Signature
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s, body, now, secrets := signed(t), vectorBody, vectorTime, []signature.Secret{right}
			spoil(&s, &body, &now, &secrets)
			err := signature.Verify(s, []byte(body), now, secrets...)
			if !fault.Is(err, fault.Unauthenticated) || strings.Contains(fmt.Sprintf("%+v", err), vectorSecret) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAMessageIsNotCutAnewBetweenIDTimeAndBody takes what was signed for one message
// for another that has the same bytes in other places.
func TestAMessageIsNotCutAnewBetweenIDTimeAndBody(t *testing.T) {
	t.Parallel()
	shared := signature.NewSecret()
	body := fmt.Sprintf("%d.{}", vectorTime.Unix())
	s, err := signature.Sign(shared, "msg", vectorTime, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	s.ID += "." + s.Timestamp
	if err := signature.Verify(s, []byte("{}"), vectorTime, shared); err == nil {
		t.Error("a message was verified that nobody signed")
	}
	for _, id := range []string{"", "a.b", "a b", "a\r\nb", "ä", strings.Repeat("a", 129)} {
		if s, err := signature.Sign(shared, id, vectorTime, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("id %q: %+v, %v", id, s, err)
		}
	}
}

func TestASenderMayChangeItsSecret(t *testing.T) {
	t.Parallel()
	older, newer := secret(t, vectorSecret), signature.NewSecret()
	s := signed(t)
	if err := signature.Verify(s, []byte(vectorBody), vectorTime, newer, older); err != nil {
		t.Errorf("with both secrets at the receiver: %v", err)
	}
	both, err := signature.Sign(newer, vectorID, vectorTime, []byte(vectorBody))
	if err != nil {
		t.Fatal(err)
	}
	both.Signature = "v1a,c29tZXRoaW5n nonsense " + both.Signature + " " + s.Signature
	for _, one := range []signature.Secret{older, newer} {
		if err := signature.Verify(both, []byte(vectorBody), vectorTime, one); err != nil {
			t.Errorf("with both signatures of the sender: %v", err)
		}
	}
	for _, skew := range []time.Duration{signature.Tolerance, -signature.Tolerance} {
		if err := signature.Verify(s, []byte(vectorBody), vectorTime.Add(skew), older); err != nil {
			t.Errorf("a clock that is off by %s: %v", skew, err)
		}
	}
}

func TestWithoutASecretAMessageIsSentUnsigned(t *testing.T) {
	t.Parallel()
	s, err := signature.Sign(signature.Secret{}, vectorID, vectorTime, []byte(vectorBody))
	if err != nil || s.Signature != "" || s.ID != vectorID || s.Timestamp == "" {
		t.Fatalf("%+v, %v", s, err)
	}
	h := http.Header{}
	s.Write(h)
	if _, has := h["Webhook-Signature"]; has {
		t.Errorf("headers %v", h)
	}
	if err := signature.Verify(s, []byte(vectorBody), vectorTime, signature.Secret{}); err == nil {
		t.Error("an unsigned message was verified")
	}
}

func TestASecretHasTheFormOfTheStandardAndShowsItselfToNobody(t *testing.T) {
	t.Parallel()
	made := signature.NewSecret()
	again, err := signature.ParseSecret(made.Reveal())
	if err != nil || again.Reveal() != made.Reveal() || made.Reveal() == signature.NewSecret().Reveal() || made.IsEmpty() {
		t.Errorf("a secret that was made: %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %+v", made, made, made, &made); strings.Contains(shown, made.Reveal()[10:]) {
		t.Errorf("shown: %s", shown)
	}
	short, long := strings.Repeat("AAAA", 7)+"AA==", strings.Repeat("AAAA", 22)
	for _, text := range []string{
		"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + short, "whsec_" + long, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "whsec_MfKQ9r8GKYqrTwjU\nPD8ILPZIo2LaLaSw",
	} {
		s, err := signature.ParseSecret(text)
		if !fault.Is(err, fault.Invalid) || !s.IsEmpty() {
			t.Errorf("%q: %v", text, err)
		}
		if body := strings.TrimPrefix(text, "whsec_"); body != "" && strings.Contains(fmt.Sprintf("%+v", err), body) {
			t.Errorf("the error repeats %q", text)
		}
	}
}
