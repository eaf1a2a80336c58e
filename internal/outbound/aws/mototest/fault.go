package mototest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Breakage says which requests fail and how. Empty fields match every request.
type Breakage struct {
	Action string // DescribeInstances
	Region string // us-gov-west-1
	After  int    // as many of them pass first
	Times  int    // as many fail then; zero: all
	Fault  Fault
}

func (b *breakage) hits(r Request) bool {
	if b.Action != "" && b.Action != r.Action || b.Region != "" && b.Region != r.Region {
		return false
	}
	b.seen++
	return b.seen > b.After && (b.Times == 0 || b.seen <= b.After+b.Times)
}

// Fault answers in place of AWS; moto gives the answer that AWS would have given.
// It may be called concurrently.
type Fault func(w http.ResponseWriter, r *http.Request, asked Request, moto http.Handler)

// Refusal is an error of AWS, in the form of the service that is asked.
func Refusal(status int, code, message string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, asked Request, _ http.Handler) {
		refuse(w, asked, status, code, message)
	}
}

func refuse(w http.ResponseWriter, asked Request, status int, code, message string) {
	const id = "5b1c3f6a-7d27-4f0c-9a52-1f7d0f6a9e11"
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	if asked.Service == "ec2" {
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>`, code, message, id)
		return
	}
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code>`+
		`<Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>`, code, message, id)
}

// Throttled is what AWS says to who asks too often. A retryAfter of a second or
// more is told, too.
func Throttled(retryAfter time.Duration) Fault {
	return func(w http.ResponseWriter, _ *http.Request, asked Request, _ http.Handler) {
		if retryAfter >= time.Second {
			w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		}
		refuse(w, asked, http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded.")
	}
}

// Expired is what AWS says of temporary credentials that are too old.
func Expired() Fault {
	return func(w http.ResponseWriter, _ *http.Request, asked Request, _ http.Handler) {
		if asked.Service == "ec2" {
			refuse(w, asked, http.StatusBadRequest, "RequestExpired", "Request has expired.")
			return
		}
		refuse(w, asked, http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired")
	}
}

// Silence takes a request and never answers.
func Silence() Fault {
	return func(_ http.ResponseWriter, r *http.Request, _ Request, _ http.Handler) {
		<-r.Context().Done() // the client has given up
	}
}

// CutOff sends the first half of the answer and then breaks the connection.
func CutOff() Fault {
	return func(w http.ResponseWriter, r *http.Request, _ Request, moto http.Handler) {
		answer := httptest.NewRecorder()
		moto.ServeHTTP(answer, r)
		whole := answer.Body.Bytes()
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(whole[:len(whole)/2])
		panic(http.ErrAbortHandler)
	}
}
