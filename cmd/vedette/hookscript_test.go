package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vedette.dev/vedette/internal/automation/signature"
)

// hook posts a message that is signed with the secret in a file to a webhook of a
// playbook, wants a status, and prints the answer: hook STATUS ID/hooks/N MESSAGE BODY FILE
func hook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: hook status path message body file")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	secret, err := signature.ParseSecret(strings.TrimSpace(ts.ReadFile(args[4])))
	ts.Check(err)
	body := []byte(args[3])
	signed, err := signature.Sign(secret, args[2], time.Now(), body)
	ts.Check(err)
	r, err := http.NewRequest(http.MethodPost, ts.Getenv("VEDETTE_URL")+"/automation/v1/playbooks/"+args[1], bytes.NewReader(body))
	ts.Check(err)
	signed.Write(r.Header)
	r.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the platform of this script
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(r)
	ts.Check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(answer)
	ts.Check(err)
	if response.StatusCode != want {
		ts.Fatalf("status %d, want %d: %s", response.StatusCode, want, answer)
	}
}
