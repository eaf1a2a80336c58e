package aws

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// answering is an HTTP client that has an answer.
type answering string

func (a answering) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func TestAnAnswerLargerThanTheLimitIsAnError(t *testing.T) {
	t.Parallel()
	for text, fits := range map[string]bool{"": true, "12345678": true, "123456789": false} {
		answer, err := sizeLimited{answering(text), 8}.Do(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(answer.Body)
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge == fits {
			t.Errorf("answer of %d bytes: error %v", len(text), err)
		}
	}
}
