package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
)

// impatient ends a call that is not answered soon. Pauses are short.
func impatient() aws.Limits {
	return aws.Limits{Call: 8 * time.Second, Tries: 4, Pause: 20 * time.Millisecond}
}

// hurried repeats without much of a pause, and otherwise has all the time.
func hurried() aws.Limits { return aws.Limits{Tries: 4, Pause: 20 * time.Millisecond} }

// threePages returns an account with five instances in us-gov-west-1 that come on
// three pages.
func threePages(t *testing.T) (*mototest.Cloud, *mototest.Account, []string) {
	t.Helper()
	cloud := mototest.New(t)
	account := cloud.Account(connector.GovCloud)
	var launched []string
	for range 5 {
		launched = append(launched, account.Launch("us-gov-west-1", 1)...)
	}
	slices.Sort(launched)
	cloud.Pages(2)
	return cloud, account, launched
}

func TestAListingSurvivesWhatPasses(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]mototest.Fault{
		"throttled":            mototest.Throttled(0),
		"internal error":       mototest.Refusal(500, "InternalError", "An internal error has occurred"),
		"unavailable":          mototest.Refusal(503, "Unavailable", "The server is overloaded and can't handle the request."),
		"cut off":              mototest.CutOff(),
		"cut off with an end":  truncated,
		"a page of a gateway":  gatewayPage,
		"throttled by a proxy": mototest.Refusal(400, "Throttling", "Rate exceeded"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud, account, launched := threePages(t)
			cloud.Break(mototest.Breakage{Action: "DescribeInstances", After: 1, Times: 3, Fault: fault})
			opened, err := aws.New("", hurried()).Open(t.Context(), connector.GovCloud, account.Keys())
			if err != nil {
				t.Fatal(err)
			}
			found, err := list(t, opened, "us-gov-west-1")
			if err != nil || !slices.Equal(ids(found), launched) {
				t.Errorf("listed %v, %v, want %v, each once", ids(found), err, launched)
			}
			if asked := len(cloud.Requests("DescribeInstances")); asked != 6 {
				t.Errorf("%d requests, want three pages and three repetitions", asked)
			}
		})
	}
}

// truncated is an answer that ends in the middle and says that this was all.
func truncated(w http.ResponseWriter, _ *http.Request, _ mototest.Request, _ http.Handler) {
	_, _ = w.Write([]byte(`<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet><item><instanceId>i-0`))
}

// gatewayPage is what a gateway on the way says when AWS does not answer it.
func gatewayPage(w http.ResponseWriter, _ *http.Request, _ mototest.Request, _ http.Handler) {
	w.WriteHeader(http.StatusBadGateway)
	_, _ = w.Write([]byte("<!doctype html>\n<html lang=en><body><h1>Bad Gateway<p>try later"))
}

func TestAListingThatStaysBrokenEndsWithTheReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault mototest.Fault
		want  string
	}{
		{"throttled", mototest.Throttled(0), "ec2:DescribeInstances in us-gov-west-1: RequestLimitExceeded: Request limit exceeded. (tried 4 times)"},
		{"cut off", mototest.CutOff(), "ec2:DescribeInstances in us-gov-west-1: the answer cannot be read: "},
		{"page of a gateway", gatewayPage, "ec2:DescribeInstances in us-gov-west-1: HTTP 502: AWS gave no reason (tried 4 times)"},
		{"silence", mototest.Silence(), "ec2:DescribeInstances in us-gov-west-1: no answer within 8s"},
		{"the same page again", samePage, "ec2:DescribeInstances in us-gov-west-1: AWS gave the same page twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cloud, account, _ := threePages(t)
			opened, err := aws.New("", impatient()).Open(t.Context(), connector.GovCloud, account.Keys())
			if err != nil {
				t.Fatal(err)
			}
			cloud.Break(mototest.Breakage{Action: "DescribeInstances", After: 1, Region: "us-gov-west-1", Fault: tt.fault})
			_, err = list(t, opened, "us-gov-west-1")
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if _, ok := errors.AsType[*connector.AccessError](err); ok {
				t.Errorf("%v is no refusal", err)
			}
			// The other region is none the worse.
			if _, err := list(t, opened, "us-gov-east-1"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestACallThatEndsInItsPausesSaysWhyAWSWasNotReached(t *testing.T) {
	t.Parallel()
	cloud, account, _ := threePages(t)
	cloud.Break(mototest.Breakage{Fault: func(http.ResponseWriter, *http.Request, mototest.Request, http.Handler) { panic(http.ErrAbortHandler) }})
	_, err := aws.New("", aws.Limits{Call: 300 * time.Millisecond, Tries: 100}).Open(t.Context(), connector.GovCloud, account.Keys())
	const want = "sts:GetCallerIdentity in us-gov-west-1: no answer within 300ms: "
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "EOF") {
		t.Errorf("error %v, want %s… EOF", err, want)
	}
}

func samePage(w http.ResponseWriter, _ *http.Request, _ mototest.Request, _ http.Handler) {
	_, _ = w.Write([]byte(`<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet/><nextToken>again</nextToken></DescribeInstancesResponse>`))
}

func TestAPauseThatAWSAsksForIsKeptUpToTheLongest(t *testing.T) {
	t.Parallel()
	cloud, account, launched := threePages(t)
	opened, err := aws.New("", aws.Limits{Pause: 1500 * time.Millisecond}).Open(t.Context(), connector.GovCloud, account.Keys())
	if err != nil {
		t.Fatal(err)
	}
	cloud.Break(mototest.Breakage{Action: "DescribeInstances", Times: 1, Fault: mototest.Throttled(time.Hour)})
	began := time.Now()
	found, err := list(t, opened, "us-gov-west-1")
	if err != nil || !slices.Equal(ids(found), launched) {
		t.Errorf("listed %v, %v", ids(found), err)
	}
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("the listing took %s, want the pause of 1.5 s and more", took)
	}
}

func TestARegionThatIsGivenUpByTheCallerIsNoFailureOfAWS(t *testing.T) {
	t.Parallel()
	cloud, account, _ := threePages(t)
	opened, err := aws.New("", hurried()).Open(t.Context(), connector.GovCloud, account.Keys())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cloud.Break(mototest.Breakage{Action: "DescribeInstances", Fault: func(_ http.ResponseWriter, r *http.Request, _ mototest.Request, _ http.Handler) {
		cancel()
		<-r.Context().Done()
	}})
	err = opened.Instances(ctx, "us-gov-west-1", func([]connector.Instance) error { return nil })
	if !errors.Is(err, context.Canceled) || err.Error() != context.Canceled.Error() {
		t.Errorf("error %v, want that of the caller", err)
	}
}

func TestCredentialsOfARoleThatExpireInTheMiddleAreRenewed(t *testing.T) {
	t.Parallel()
	cloud, account, launched := threePages(t)
	keys := account.Keys()
	keys.RoleARN = fmt.Sprintf("arn:aws-us-gov:iam::%s:role/listing", account.ID)
	opened, err := aws.New("", hurried()).Open(t.Context(), connector.GovCloud, keys)
	if err != nil {
		t.Fatal(err)
	}
	cloud.Break(mototest.Breakage{Action: "DescribeInstances", After: 1, Times: 1, Fault: mototest.Expired()})
	found, err := list(t, opened, "us-gov-west-1")
	if err != nil || !slices.Equal(ids(found), launched) {
		t.Errorf("listed %v, %v, want %v, each once", ids(found), err, launched)
	}
	if assumed := len(cloud.Requests("AssumeRole")); assumed != 2 {
		t.Errorf("the role was assumed %d times, want twice", assumed)
	}
	used := map[string]bool{}
	for _, r := range cloud.Requests("DescribeInstances") {
		used[r.AccessKey] = true
	}
	if len(used) != 2 {
		t.Errorf("pages were asked for with %d keys, want the first and the renewed", len(used))
	}
}

func TestCredentialsThatStayExpiredAreReported(t *testing.T) {
	t.Parallel()
	for _, role := range []bool{false, true} {
		t.Run(fmt.Sprintf("role=%t", role), func(t *testing.T) {
			t.Parallel()
			cloud, account, _ := threePages(t)
			keys, want := account.Keys(), 2
			if role {
				keys.RoleARN, want = fmt.Sprintf("arn:aws-us-gov:iam::%s:role/listing", account.ID), 3
			}
			opened, err := aws.New("", hurried()).Open(t.Context(), connector.GovCloud, keys)
			if err != nil {
				t.Fatal(err)
			}
			cloud.Break(mototest.Breakage{Action: "DescribeInstances", After: 1, Fault: mototest.Expired()})
			_, err = list(t, opened, "us-gov-west-1")
			if refusal := accessError(t, err); refusal.Code != "RequestExpired" || refusal.Message != "Request has expired." {
				t.Errorf("refusal %v", refusal)
			}
			if asked := len(cloud.Requests("DescribeInstances")); asked != want {
				t.Errorf("%d requests, want %d", asked, want)
			}
		})
	}
}

func TestARefusalIsToldInItsFirstSentences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, action, code, message, want string
	}{
		{
			"refused signature, with the request", "GetCallerIdentity", "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:a-session-token'",
			"The request signature we calculated does not match the signature you provided.",
		},
		{
			"missing right, with its encoded reasons", "DescribeInstances", "UnauthorizedOperation",
			"You are not authorized to perform this operation. Encoded authorization failure message: " + strings.Repeat("q83v", 300),
			"You are not authorized to perform this operation.",
		},
		{"endless message", "DescribeInstances", "Blocked", strings.Repeat("ä", 600), strings.Repeat("ä", 500) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cloud := mototest.New(t)
			account := cloud.Account(connector.GovCloud)
			cloud.Break(mototest.Breakage{Action: tt.action, Fault: mototest.Refusal(403, tt.code, tt.message)})
			opened, err := aws.New("", hurried()).Open(t.Context(), connector.GovCloud, account.Keys())
			if err == nil {
				_, err = list(t, opened, "us-gov-west-1")
			}
			if refusal := accessError(t, err); refusal.Code != tt.code || refusal.Message != tt.want {
				t.Errorf("refusal %q with message %q, want %q", refusal.Code, refusal.Message, tt.want)
			}
		})
	}
}
