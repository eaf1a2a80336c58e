package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/outbound/mail/mailtest"
)

// TestNoticeScripts runs testdata/notices/*.txt: platforms that are started by the
// command line and tell people, by mail servers and webhook receivers of the script.
func TestNoticeScripts(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/notices",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Values[outsideKey{}] = &outside{mail: map[string]*mailtest.Server{}, hooks: map[string]*receiver{}}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "signin": signIn,
			"mailserver": w.mailServer, "mails": mails, "letter": letter, "hangs": hangs, "release": release, "receiver": w.receiver, "answer": answer, "posts": posts,
		},
	})
}

// world is where the servers of scripts live, until all scripts have ended.
type world struct{ t *testing.T }

// outside are the servers of one script by their names.
type outside struct {
	mail  map[string]*mailtest.Server
	hooks map[string]*receiver
}

type outsideKey struct{}

func outsideOf(ts *testscript.TestScript) *outside { return ts.Value(outsideKey{}).(*outside) }

// mailServer starts a mail server with the account ada, and says where in NAME_HOST
// and NAME_PORT, and whom to trust in NAME.pem: mailserver NAME [hang]
func (w *world) mailServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: mailserver name [hang]")
	}
	options := mailtest.Options{Username: "ada", Password: "pa55-planted"}
	if len(args) > 1 {
		options.HangAt = "data"
	}
	server := mailtest.New(w.t, options)
	outsideOf(ts).mail[args[0]] = server
	ts.Setenv(args[0]+"_HOST", server.Host)
	ts.Setenv(args[0]+"_PORT", strconv.Itoa(server.Port))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), []byte(server.CA), 0o600))
}

// mails waits until a mail server has taken so many mails, and prints recipient,
// subject and Message-ID of all: mails NAME NUMBER
func mails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mails name number")
	}
	server := outsideOf(ts).mail[args[0]]
	waitFor(ts, args[1], func() int { return len(server.Mails()) })
	for _, m := range server.Mails() {
		read, err := mail.ReadMessage(strings.NewReader(m.Content))
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%s %s %s %s encrypted=%t account=%s\n", m.To, read.Header.Get("X-Vedette-Event"), read.Header.Get("Message-Id"), read.Header.Get("Subject"), m.Encrypted, m.Account)
	}
}

// letter prints the text of a mail that a mail server has taken: letter NAME NUMBER
func letter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: letter name number")
	}
	number, err := strconv.Atoi(args[1])
	ts.Check(err)
	read, err := mail.ReadMessage(strings.NewReader(outsideOf(ts).mail[args[0]].Mails()[number-1].Content))
	ts.Check(err)
	text, err := io.ReadAll(quotedprintable.NewReader(read.Body))
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), strings.ReplaceAll(string(text), "\r\n", "\n"))
}

// hangs waits until a mail server that hangs has read so many mails: hangs NAME NUMBER
func hangs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hangs name number")
	}
	waitFor(ts, args[1], outsideOf(ts).mail[args[0]].Hanging)
}

// release has a mail server that hangs go on: release NAME
func release(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: release name")
	}
	outsideOf(ts).mail[args[0]].Release()
}

// waitFor waits until there is a number of something.
func waitFor(ts *testscript.TestScript, number string, count func() int) {
	want, err := strconv.Atoi(number)
	ts.Check(err)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(30 * time.Second)
	for count() < want {
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("there are %d of %d", count(), want)
		}
	}
}

// receiver takes webhooks.
type receiver struct {
	mu     sync.Mutex
	status int
	got    []post
}

type post struct {
	signed signature.Signed
	body   []byte
	at     time.Time
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && r.status < 300 {
		r.got = append(r.got, post{signature.Of(q.Header), body, time.Now()})
	}
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, "planted answer")
}

// receiver starts a receiver of webhooks, which is in NAME_URL and trusted by
// NAME.pem: receiver NAME
func (w *world) receiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: receiver name")
	}
	r := &receiver{status: http.StatusNoContent}
	server := httptest.NewTLSServer(r)
	w.t.Cleanup(server.Close)
	outsideOf(ts).hooks[args[0]] = r
	ts.Setenv(args[0]+"_URL", server.URL+"/hooks/planted-token")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
}

// answer says what a receiver answers from now on: answer NAME STATUS
func answer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answer name status")
	}
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	r := outsideOf(ts).hooks[args[0]]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// posts waits until a receiver has taken so many messages, and prints id and body of
// those that were signed with the secret in a file: posts NAME NUMBER FILE
func posts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: posts name number file")
	}
	r := outsideOf(ts).hooks[args[0]]
	secret, err := signature.ParseSecret(strings.TrimSpace(ts.ReadFile(args[2])))
	ts.Check(err)
	waitFor(ts, args[1], func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.got)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.got {
		if err := signature.Verify(p.signed, p.body, p.at, secret); err != nil {
			fmt.Fprintln(ts.Stdout(), "not verified:", err)
			continue
		}
		fmt.Fprintf(ts.Stdout(), "%s %s\n", p.signed.ID, p.body)
	}
}
