package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	automationrun "vedette.dev/vedette/internal/automation/run"
)

// plantedSecret is written in another way by JSON, XML and URLs.
const plantedSecret = `Planted&"7431<x>é`

// gossip is a platform that repeats the credentials of whoever calls: as what was
// found, in errors, and in answers that are none.
func gossip(t *testing.T) *httptest.Server {
	t.Helper()
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		said := html.EscapeString(password + " " + r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/xml")
		switch {
		case strings.Contains(r.URL.Path, "/count/"):
			fmt.Fprint(w, `<ServiceResponse><responseCode>SUCCESS</responseCode><count>1</count></ServiceResponse>`)
		case strings.Contains(r.URL.Path, "/search/"):
			fmt.Fprintf(w, `<ServiceResponse><responseCode>SUCCESS</responseCode><count>1</count><hasMoreRecords>false</hasMoreRecords><data>
				<HostAsset><id>7</id><name>%s</name><os>%s</os></HostAsset></data></ServiceResponse>`, said, said)
		case strings.Contains(r.URL.Path, "/get/"):
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, password+" "+r.Header.Get("Authorization"))
		default:
			fmt.Fprintf(w, `<ServiceResponse><responseCode>INVALID_REQUEST</responseCode><responseErrorDetails><errorMessage>%s is wrong</errorMessage>
				<errorResolution>Do not use %s</errorResolution></responseErrorDetails></ServiceResponse>`, said, said)
		}
	}))
	t.Cleanup(platform.Close)
	return platform
}

// forms are the ways in which a secret of the account soar may be written.
func forms(t *testing.T, secret string) []string {
	t.Helper()
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		secret, strings.Trim(string(quoted), `"`), html.EscapeString(secret), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte("soar:" + secret)), base64.StdEncoding.EncodeToString([]byte(secret)),
		strings.ReplaceAll(secret, `"`, `\"`),
	}
}

// TestASecretThatWasPlantedAppearsNowhere looks for the password of a connection in
// every answer of the API, in the log with everything, and in every file of the
// platform.
func TestASecretThatWasPlantedAppearsNowhere(t *testing.T) {
	t.Parallel()
	log := &lockedBuffer{}
	p := startLoggedPlatform(t, platformConfig{}, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	p.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	var answers []string
	call := func(method, path, body string, want int) string {
		t.Helper()
		status, answer := p.call(t, "boss", method, "/automation/v1"+path, body)
		if status != want {
			t.Fatalf("%s %s: status %d: %s", method, path, status, answer)
		}
		answers = append(answers, method+" "+path+"\n"+answer)
		return answer
	}
	parameters, err := json.Marshal(map[string]string{"serverUrl": gossip(t).URL, "allowHttp": "true", "username": "soar", "password": plantedSecret})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"integration":"qualys-cloud-agent","name":"gossip","parameters":` + string(parameters) + `}`
	call("POST", "/connections/test", body, 200)
	call("POST", "/connections", body, 201)
	call("POST", "/connections", body, 409)
	call("PATCH", "/connections/1", `{"parameters":{"serverUrl":"elsewhere.example.net"}}`, 400)
	call("POST", "/connections/1/test", "", 202)
	for _, run := range []struct{ command, inputs string }{
		{"search-cloud-agents", `{}`}, {"launch-on-demand-scans", `{"cloudAgentIds":[7]}`}, {"get-cloud-agent", `{"cloudAgentId":7}`},
		{"list-activation-keys", `{}`}, {"launch-on-demand-scans", `{"cloudAgentIds":[7],"scanType":"SCA Scan"}`},
	} {
		call("POST", "/connections/1/commands/"+run.command, `{"inputs":`+run.inputs+`}`, 202)
	}
	told := 0
	for id := 1; id <= 6; id++ {
		answer := call("GET", fmt.Sprintf("/runs/%d?wait=50", id), "", 200)
		if strings.Contains(answer, `"state":"queued"`) || strings.Contains(answer, `"state":"running"`) {
			t.Errorf("run %d has not ended: %s", id, answer)
		}
		told += strings.Count(answer, "********")
	}
	if told < 4 {
		t.Errorf("the platform of the connection told its password, and only %d places have asterisks", told)
	}
	for _, path := range []string{"/connections", "/connections/1", "/runs", "/audit", "/integrations/qualys-cloud-agent"} {
		call("GET", path, "", 200)
	}
	answers = append(answers, "a plan\n"+exported(t, p), "a playbook\n"+played(t, p), "what is stored of outcomes\n"+outcomes(t, p))
	hidden := forms(t, plantedSecret)
	search := func(where, text string) {
		for _, form := range hidden {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s has the secret as %q: …%q…", where, form, text[max(0, at-80):min(len(text), at+120)])
			}
		}
	}
	for _, answer := range answers {
		where, _, _ := strings.Cut(answer, "\n")
		search(where, answer)
	}
	if !strings.Contains(log.String(), "/automation/v1/runs") {
		t.Error("the log has nothing of it")
	}
	search("the log", log.String())
	err = filepath.WalkDir(p.folder.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		search(path, string(content))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// gossiping is a playbook that hands on whatever its platform says.
const gossiping = `kind: Playbook
name: gossiping
defaults: {connection: gossip}
steps:
  - {id: find, uses: qualys-cloud-agent/search-cloud-agents}
  - {id: scan, uses: qualys-cloud-agent/launch-on-demand-scans, with: {cloudAgentIds: [7], scanType: SWCA Scan}, onError: continue}
  - {id: gate, approval: {to: ["user:boss"], message: "${{ steps.scan.errors[0].message }}", due: 1h}, if: "${{ false }}"}
  - {id: told, uses: core/webhook, with: {url: "http://localhost:1/", body: "${{ steps.find.rawData }}"}, onError: continue, retry: {max: 0}}
outputs:
  raw: ${{ steps.find.rawData }}
  errors: ${{ steps.scan.errors }}
`

// played is everything that is stored of a run of gossiping.
func played(t *testing.T, p *operatorPlatform) string {
	t.Helper()
	ctx := t.Context()
	boss, err := p.store.UserByName(ctx, "boss")
	if err != nil {
		t.Fatal(err)
	}
	sites, err := p.store.Sites(ctx)
	if err != nil {
		t.Fatal(err)
	}
	made, err := p.store.CreatePlaybook(ctx, library.Playbook{SiteID: sites[0].ID, Name: "gossiping"}, library.Version{Source: gossiping, Author: "boss", Created: boss.Created})
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := p.automation.playbooks.desk.Start(ctx, access.NewPrincipal(boss), conductor.Request{PlaybookID: made.ID, Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	awaitRuns(t, p.platform)
	if r, err = p.store.PlaybookRun(ctx, r.ID); err != nil {
		t.Fatal(err)
	}
	if r.State != conductor.Partial || !strings.Contains(string(r.Outputs), "********") {
		t.Errorf("the run is %s and left %s (%+v)", r.State, r.Outputs, r.Error)
	}
	doc, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc) + string(r.Outputs) + string(r.Progress)
}

// outcomes is what every run of a command has left, which files hold compressed.
func outcomes(t *testing.T, p *operatorPlatform) string {
	t.Helper()
	all, err := p.store.Runs(t.Context(), automationrun.Filter{Limit: 100})
	if err != nil || len(all) < 9 {
		t.Fatalf("%d runs: %v", len(all), err)
	}
	var text strings.Builder
	for _, head := range all {
		r, err := p.store.Run(t.Context(), head.ID)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(doc)
	}
	return text.String()
}

// exported is what a manager reads of the platform's files: an export, a plan that
// sends the password elsewhere, and the refusal of a file that has it.
func exported(t *testing.T, p *operatorPlatform) string {
	t.Helper()
	folder := t.TempDir()
	for name, parameters := range map[string]map[string]string{"moved.yaml": {"serverUrl": "https://elsewhere.example.net"}, "secret.yaml": {"password": plantedSecret}} {
		document, err := json.Marshal(map[string]any{"kind": "Connection", "name": "gossip", "site": "Main", "parameters": parameters})
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), document, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var said strings.Builder
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"plan", "export", "-"}, exitDone, "name: gossip"},
		{[]string{"plan", "-f", filepath.Join(folder, "moved.yaml")}, exitDone, "parameters.password: ******** -> missing"},
		{[]string{"plan", "-f", filepath.Join(folder, "moved.yaml"), "-o", "json"}, exitDone, `"missing"`},
		{[]string{"apply", "-f", filepath.Join(folder, "secret.yaml"), "--yes"}, exitUsage, "no file has secrets"},
	} {
		term := newTerminal(t, map[string]string{"VEDETTE_URL": p.url, "VEDETTE_USERNAME": "boss", "VEDETTE_PASSWORD": operatorPassword, "VEDETTE_CA_FILE": p.admin.caFile})
		code := term.run(t.Context(), step.args)
		text := term.out.String() + term.err.String()
		if code != step.code || !strings.Contains(text, step.want) {
			t.Errorf("vedette %s: exit code %d\n%s", step.args, code, text)
		}
		said.WriteString(text)
	}
	return said.String()
}
