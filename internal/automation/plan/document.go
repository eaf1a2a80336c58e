package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/fault"
)

// Kind says what a document describes.
type Kind string

// The kinds, in the order in which they are made.
const (
	KindTag        Kind = "Tag"
	KindKey        Kind = "ActivationKey"
	KindProfile    Kind = "ConfigurationProfile"
	KindConnector  Kind = "Connector"
	KindSite       Kind = "Site"
	KindRelay      Kind = "Relay"
	KindConnection Kind = "Connection"
	KindPlaybook   Kind = "Playbook"
	KindSchedule   Kind = "Schedule"
	KindMail       Kind = "MailSettings"
	KindWebhook    Kind = "Webhook"
)

// Kinds returns every kind, those first that others refer to.
func Kinds() []Kind {
	return []Kind{KindTag, KindKey, KindProfile, KindConnector, KindSite, KindRelay, KindConnection, KindPlaybook, KindSchedule, KindMail, KindWebhook}
}

// phrases are the kinds within a sentence.
var phrases = map[Kind]string{
	KindTag: "tag", KindKey: "activation key", KindProfile: "configuration profile", KindConnector: "connector",
	KindSite: "site", KindRelay: "relay", KindConnection: "connection", KindPlaybook: "playbook", KindSchedule: "schedule",
	KindMail: "mail settings", KindWebhook: "webhook",
}

// phrase is the kind within a sentence.
func (k Kind) phrase() string { return phrases[k] }

// inLayer reports whether objects of the kind are of the automation layer of a
// Vedette platform, which other platforms do not have.
func (k Kind) inLayer() bool { return slices.Contains(layerKinds(), k) }

func layerKinds() []Kind {
	return []Kind{KindSite, KindRelay, KindConnection, KindPlaybook, KindSchedule, KindMail, KindWebhook}
}

// ofSite reports whether an object of the kind belongs to a site.
func (k Kind) ofSite() bool { return k == KindConnection || k == KindPlaybook || k == KindSchedule }

// Document describes one object. Kind says which of them it holds.
type Document struct {
	Kind         Kind
	Source       string // where it is written, such as edge.yaml:12; for people
	Tag          *description.Tag
	Key          *description.ActivationKey
	Profile      *description.ConfigurationProfile
	Connector    *Connector
	Site         *Site
	Relay        *Relay
	Connection   *Connection
	Playbook     *Playbook
	Schedule     *Schedule
	MailSettings *MailSettings
	Webhook      *Webhook

	// places are where its values are written, by their keys: edge.yaml:12:9 for site,
	// parameters.serverUrl or members[1].
	places map[string]string
}

// refuseAt returns the error that a value of the document causes.
func (d *Document) refuseAt(key, resolution, format string, args ...any) error {
	at, known := d.places[key]
	if !known {
		at = d.Source
	}
	return fault.New(fault.Invalid, at+": "+key+": "+fmt.Sprintf(format, args...)+".", resolution)
}

// mark notes where a value is written.
func (d *Document) mark(source, key string, n *yaml.Node) {
	if d == nil {
		return
	}
	if d.places == nil {
		d.places = map[string]string{}
	}
	d.places[key] = fmt.Sprintf("%s:%d:%d", source, n.Line, n.Column)
}

// refuse returns the error that the document causes.
func (d Document) refuse(resolution, format string, args ...any) error {
	return fault.New(fault.Invalid, d.Source+": "+fmt.Sprintf(format, args...)+".", resolution)
}

// maxEcho bounds how much of an input a message repeats, in bytes.
const maxEcho = 80

// quote quotes a text of somebody's, shortened and printable.
func quote(s string) string {
	if len(s) > maxEcho {
		s = strings.ToValidUTF8(s[:maxEcho], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// carried reports whether the API carries the text as it is: XML has no other
// control characters than these three.
func carried(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < ' ' && r != '\n' && r != '\t' && r != '\r') || r == '\uFFFE' || r == '\uFFFF'
	})
}

func asFault(err error) (*fault.Error, bool) { return errors.AsType[*fault.Error](err) }

// asInvalid makes a mistake in a file of what was not found.
func asInvalid(err error) error {
	if f, ok := asFault(err); ok && f.Code == fault.NotFound {
		return fault.New(fault.Invalid, f.Message, f.Resolution)
	}
	return err
}
