package aws_test

import (
	"testing"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
)

// TestThePlatformKnowsWhoseItsOwnCredentialsAre looks for the account without
// credentials, with them, and when AWS does not answer any more: it is remembered
// for an hour, and that there is none for a minute. Not parallel: the environment belongs to the process.
func TestThePlatformKnowsWhoseItsOwnCredentialsAre(t *testing.T) {
	cloud := mototest.New(t)
	account := cloud.Account(connector.GovCloud)
	keys := account.Keys()
	now := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	own := aws.NewOwnAccounts(aws.New("", aws.Limits{}), func() time.Time { return now })
	want := func(when, id string) {
		t.Helper()
		if got := own.OwnAccount(t.Context(), connector.GovCloud); got != id {
			t.Errorf("%s: account %q, want %q", when, got, id)
		}
	}
	want("without credentials", "")
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretKey)
	want("within a minute", "")
	now = now.Add(time.Minute)
	want("a minute later", account.ID)
	asked := len(cloud.Requests("GetCallerIdentity"))
	now = now.Add(59 * time.Minute)
	want("within an hour", account.ID)
	if again := len(cloud.Requests("GetCallerIdentity")); again != asked {
		t.Errorf("AWS was asked %d times more within the hour", again-asked)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	now = now.Add(time.Minute)
	want("when the credentials are gone", "")
}
