package relay

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

// Directory registers relays and issues their tokens. Who may do so is for its
// caller to see: managers alone. It is safe for concurrent use.
type Directory struct {
	Relays Relays
	Now    func() time.Time
	// Ended is called after a token of the relay has ended, so that its channels
	// end at once, those of this replica; nil for nobody. It must not block.
	Ended func(relayID int64)
}

// namePattern keeps names safe in messages, logs and shells.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// reservedName is where relays open their channels, beside the relays themselves.
const reservedName = "channel"

// Register makes a relay and returns it with its token, which is not kept. site, a
// name or an id, keeps it to the connections of that site; empty for none.
func (d *Directory) Register(ctx context.Context, name, description, site string) (r Relay, token string, err error) {
	if err := checkName(name); err != nil {
		return Relay{}, "", err
	}
	if err := checkDescription(description); err != nil {
		return Relay{}, "", err
	}
	token = access.NewTokenSecret(TokenPrefix)
	now := d.Now().UTC()
	r, err = d.Relays.CreateRelay(ctx, Relay{Name: name, Description: description, Created: now, TokenChanged: now}, site, access.TokenDigest(token))
	if err != nil {
		return Relay{}, "", err
	}
	return r, token, nil
}

// List returns all relays in ascending order of name.
func (d *Directory) List(ctx context.Context) ([]Relay, error) { return d.Relays.Relays(ctx) }

// Find returns the relay that a reference means: its id, or its name.
func (d *Directory) Find(ctx context.Context, reference string) (Relay, error) {
	if id, err := strconv.ParseInt(reference, 10, 64); err == nil {
		return d.Relays.Relay(ctx, id)
	}
	all, err := d.Relays.Relays(ctx)
	if err != nil {
		return Relay{}, err
	}
	names := make([]string, len(all))
	for i, r := range all {
		if r.Name == reference {
			return r, nil
		}
		names[i] = r.Name
	}
	return Relay{}, fault.New(fault.NotFound, fmt.Sprintf("There is no relay '%s'.", echo(reference)), "The relays are: "+listed(names)+".")
}

// Rotate issues another token to a relay and returns it; the one before, if there
// was one, ends at once, and with it every channel.
func (d *Directory) Rotate(ctx context.Context, reference string) (r Relay, token string, err error) {
	if r, err = d.Find(ctx, reference); err != nil {
		return Relay{}, "", err
	}
	token = access.NewTokenSecret(TokenPrefix)
	if r, err = d.Relays.SetRelayToken(ctx, r.ID, access.TokenDigest(token), d.Now().UTC()); err != nil {
		return Relay{}, "", err
	}
	d.ended(r.ID)
	return r, token, nil
}

// Revoke ends the token of a relay, and with it every channel. The relay stays,
// and can be given another token.
func (d *Directory) Revoke(ctx context.Context, reference string) (Relay, error) {
	r, err := d.Find(ctx, reference)
	if err != nil {
		return Relay{}, err
	}
	if r, err = d.Relays.SetRelayToken(ctx, r.ID, nil, d.Now().UTC()); err != nil {
		return Relay{}, err
	}
	d.ended(r.ID)
	return r, nil
}

// Delete removes a relay with its token.
func (d *Directory) Delete(ctx context.Context, reference string) (Relay, error) {
	r, err := d.Find(ctx, reference)
	if err != nil {
		return Relay{}, err
	}
	if err := d.Relays.DeleteRelay(ctx, r.ID); err != nil {
		return Relay{}, err
	}
	d.ended(r.ID)
	return r, nil
}

func (d *Directory) ended(id int64) {
	if d.Ended != nil {
		d.Ended(id)
	}
}

// Admit returns the relay that a token belongs to. Whatever is no token of a
// relay is fault.Unauthenticated, and nothing is said of why.
func (d *Directory) Admit(ctx context.Context, token string) (Relay, error) {
	if !strings.HasPrefix(token, TokenPrefix) || len(token) > maxTokenBytes {
		return Relay{}, refusedToken()
	}
	r, err := d.Relays.RelayOfToken(ctx, access.TokenDigest(token))
	if fault.Is(err, fault.NotFound) {
		return Relay{}, refusedToken()
	}
	if err != nil {
		return Relay{}, fmt.Errorf("look up the token of a relay: %w", err)
	}
	return r, nil
}

// maxTokenBytes bounds a token before anything looks at it.
const maxTokenBytes = 128

func refusedToken() error {
	return fault.New(fault.Unauthenticated, "The token is not one of a relay, or has been revoked.", "Issue another one with 'vedette relays rotate' and give it to the relay.")
}

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fault.New(fault.Invalid, "name: invalid value '"+echo(name)+"'.", "Use 1 to 63 letters, digits and . _ -, beginning with a letter or a digit.")
	}
	if name == reservedName {
		return fault.New(fault.Invalid, "name: '"+name+"' stands for something else in paths of the API.", "Choose another name.")
	}
	if strings.Trim(name, "0123456789") == "" {
		return fault.New(fault.Invalid, "name: '"+name+"' would be taken for the id of a relay.", "Use at least one character that is no digit.")
	}
	return nil
}

func checkDescription(text string) error {
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text):
		return fault.New(fault.Invalid, "description: the value is not valid UTF-8.", "Send text in UTF-8.")
	case n > MaxDescriptionLength:
		return fault.New(fault.Invalid, fmt.Sprintf("description: the value has %d characters.", n), fmt.Sprintf("Use at most %d.", MaxDescriptionLength))
	case strings.ContainsFunc(text, unicode.IsControl):
		return fault.New(fault.Invalid, "description: the value contains a control character.", "Use one line of text.")
	}
	return nil
}

// maxEchoBytes bounds how much of an input a message repeats.
const maxEchoBytes = 80

func echo(s string) string {
	if len(s) > maxEchoBytes {
		s = strings.ToValidUTF8(s[:maxEchoBytes], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// maxListed bounds how many names a message lists.
const maxListed = 20

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	if len(names) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}
