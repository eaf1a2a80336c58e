package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawLayer draws documents of an automation layer, each with some of its
// properties, in any order.
func drawLayer(t *rapid.T) string {
	boolean, text := rapid.Bool(), rapid.SampledFrom([]string{"''", "x", `"two\nlines"`, "'<&> \" '' \\'", "'- : #'", "'null'", "'007'"})
	var documents []string
	var b strings.Builder
	begin := func(format string, args ...any) { b.Reset(); fmt.Fprintf(&b, format+"\n", args...) }
	maybe := func(format string, args ...any) {
		if boolean.Draw(t, "said: "+format) {
			fmt.Fprintf(&b, format+"\n", args...)
		}
	}
	end := func() { documents = append(documents, b.String()) }
	sites := []string{"Main", "Acme", "A/B"}[:rapid.IntRange(1, 3).Draw(t, "sites")]
	site := rapid.SampledFrom(sites)
	for _, name := range sites {
		begin("kind: Site\nname: %s", name)
		maybe("description: %s", text.Draw(t, "description"))
		maybe("members: [%s]", rapid.SampledFrom([]string{"", "ana", "ana, bob"}).Draw(t, "members"))
		end()
	}
	relays := []string{"none", "plant", "mill"}[:rapid.IntRange(1, 3).Draw(t, "relays")]
	for _, name := range relays[1:] {
		begin("kind: Relay\nname: %s", name)
		maybe("site: %s", site.Draw(t, "site"))
		end()
	}
	var names []string
	escape := strings.NewReplacer("/", `\/`)
	for _, name := range []string{"bao", "prod", "a/b", "lab"}[:rapid.IntRange(0, 4).Draw(t, "connections")] {
		in := site.Draw(t, "site")
		begin("kind: Connection\nname: %s\nsite: %s", name, in)
		maybe("description: %s", text.Draw(t, "description"))
		maybe("active: %t", boolean.Draw(t, "active"))
		maybe("shareToInternalSites: %t", boolean.Draw(t, "shared"))
		maybe("userPermissions: [%s]", rapid.SampledFrom([]string{"", "user:ana=own", "role:Analyst=use, user:bob=edit"}).Draw(t, "permissions"))
		maybe("limits: {requestsPerMinute: %d, concurrency: %d}", rapid.IntRange(0, 100).Draw(t, "requests"), rapid.IntRange(1, 50).Draw(t, "runs"))
		maybe("healthCheck: {enabled: %t, intervalMinutes: %d, mailAfter: 3, mailTo: [soc@example.net]}", boolean.Draw(t, "checked"), rapid.IntRange(1, 100).Draw(t, "minutes"))
		if name == "bao" {
			b.WriteString("integration: openbao\nparameters: {serverUrl: bao.example.net, auth: approle, roleId: r}\n")
		} else {
			b.WriteString("integration: qualys-cloud-agent\nparameters: {serverUrl: HOST.example.net, username: '1234'}\n")
			maybe("relay: %s", rapid.SampledFrom(relays).Draw(t, "relay"))
			maybe("passwordVault: {connection: '%s', items: {password: {path: a/b, field: c}}}", names[0])
		}
		names = append(names, escape.Replace(in)+"/"+escape.Replace(name))
		end()
	}
	for _, name := range []string{"p1", "p2"}[:rapid.IntRange(0, 2).Draw(t, "playbooks")] {
		script := func(label string) string {
			called := rapid.SampledFrom([]string{"", "\n  - {id: b, uses: playbook/p2}"}).Draw(t, "called "+label)
			if name == "p2" {
				called = ""
			}
			quoted, _ := json.Marshal("kind: Playbook\nname: " + name + "\ndescription: " + rapid.SampledFrom([]string{"x", "y  # z"}).Draw(t, label) + "\nsteps:\n  - {id: a, wait: {for: 1s}}" + called + "\n")
			return string(quoted)
		}
		begin("kind: Playbook\nname: %s\nsite: Main\ntext: %s", name, script("text"))
		live := rapid.SampledFrom([]string{"", "live: true\n", "live: false\n", "live: true\nliveText: " + script("live") + "\n"}).Draw(t, "live")
		b.WriteString(live)
		end()
		if strings.Contains(live, "true") && boolean.Draw(t, "scheduled "+name) {
			begin("kind: Schedule\nname: of %s\nsite: Main\nplaybook: %s\nevery: 6h", name, name)
			maybe("inputs: {}")
			end()
		}
	}
	if len(names) > 1 {
		for _, name := range []string{"s1", "s 2"}[:rapid.IntRange(0, 2).Draw(t, "schedules")] {
			begin("kind: Schedule\nname: %s\nsite: %s\nconnection: '%s'", name, site.Draw(t, "site"), rapid.SampledFrom(names[1:]).Draw(t, "connection"))
			b.WriteString(rapid.SampledFrom([]string{
				"command: test-connection", "command: search-cloud-agents\ninputs: {os: '7', Last Checked In Time To: 2031-04-01T06:00:00Z}",
				"command: launch-on-demand-scans\ninputs: {cloudAgentIds: [9007199254740993, '12'], overrideCpuThrottleLimits: true}",
			}).Draw(t, "command") + "\n")
			b.WriteString(rapid.SampledFrom([]string{"every: 90m", "cron: '0 6 * * 1-5'\ntimeZone: Europe/Berlin", "every: 1d\nstart: 2031-04-01T06:00:00Z\nend: 2032-01-01T00:00:00+02:00"}).Draw(t, "rule") + "\n")
			maybe("catchUp: one")
			maybe("overlap: %s", rapid.SampledFrom([]string{"skip", "queue", "cancel_previous"}).Draw(t, "overlap"))
			maybe("pauseAfterFailures: %d", rapid.IntRange(0, 9).Draw(t, "failures"))
			maybe("active: %t", boolean.Draw(t, "on"))
			end()
		}
	}
	if boolean.Draw(t, "mail") {
		begin("kind: MailSettings\nhost: %s\nfrom: %s", rapid.SampledFrom([]string{"smtp.example.org", "127.0.0.1"}).Draw(t, "host"), rapid.SampledFrom([]string{"a@example.org", "Ünï <a@example.org>"}).Draw(t, "from"))
		maybe("security: %s", rapid.SampledFrom([]string{"tls", "none", "starttls"}).Draw(t, "security"))
		maybe("playbookDomains: [%s]", rapid.SampledFrom([]string{"", "'*'", "example.org, example.net"}).Draw(t, "domains"))
		maybe("port: %d", rapid.IntRange(1, 65535).Draw(t, "port"))
		end()
	}
	if boolean.Draw(t, "webhook") {
		begin("kind: Webhook\nurl: %s", rapid.SampledFrom([]string{"https://soc.example.org", "https://soc.example.org/", "http://localhost:8080"}).Draw(t, "url"))
		end()
	}
	return strings.Join(rapid.Permutation(documents).Draw(t, "order"), "---\n")
}

// described is everything of an office as files say it.
func described(t *rapid.T, o *office) string {
	d, err := Describe(context.Background(), shelf{office: o}, Selection{})
	if err != nil || len(d.KeptOut) > 0 {
		t.Fatalf("%v, left out: %v", err, d.KeptOut)
	}
	var contents [][]byte
	for _, f := range d.Files {
		contents = append(contents, f.Content)
	}
	return string(bytes.Join(contents, []byte("---\n")))
}

// apply makes an office what a text says, with the line breaking again and again.
func (o *office) apply(t *rapid.T, text string) {
	documents, err := Decode("f", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for attempt := 0; ; attempt++ {
		p, err := Make(context.Background(), shelf{office: o}, documents, Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		o.breaks = len(o.did) + rapid.IntRange(1, 6).Draw(t, "writes")
		progress, err := p.Apply(context.Background(), layerOnly{LayerWriter: o}, func(Change) {})
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "the line is broken") || attempt > 30 {
			t.Fatalf("%v after %v\n%s", err, progress.Done, text)
		}
	}
}

func TestWhatIsDescribedMakesTheSameElsewhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first, second := newOffice(), newOffice()
		text := drawLayer(t)
		first.apply(t, text)
		written := described(t, first)
		second.apply(t, written)
		if diff := cmp.Diff(written, described(t, second)); diff != "" {
			t.Fatalf("elsewhere (-want +got):\n%s\nfrom\n%s", diff, text)
		}
		for name, o := range map[string]*office{"first": first, "second": second} {
			for _, said := range []string{text, written} {
				documents, err := Decode("f", []byte(said))
				if err != nil {
					t.Fatal(err)
				}
				p, err := Make(context.Background(), shelf{office: o}, documents, Options{Prune: said == written})
				if err != nil || !p.Empty() {
					t.Fatalf("the %s office has left to do: %v (%v)\n%s", name, lines(p), err, said)
				}
			}
		}
	})
}
