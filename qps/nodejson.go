package qps

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// jsonParser feeds a builder from a JSON document.
type jsonParser struct {
	dec *json.Decoder
	b   *builder
}

// parseJSON feeds b from a JSON document. A document that is a bare string,
// number, boolean or null is accepted and builds nothing.
func parseJSON(r io.Reader, b *builder) error {
	p := jsonParser{json.NewDecoder(r), b}
	p.dec.UseNumber()
	token, err := p.next()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		if err := p.members(); err != nil {
			return err
		}
	case json.Delim('['):
		return fmt.Errorf("an array stands where an object with %s is expected", b.root)
	}
	_, err = p.dec.Token()
	switch {
	case err == nil:
		return errors.New("there is more after the first value")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// next returns a token of a document that must not end here.
func (p *jsonParser) next() (json.Token, error) {
	token, err := p.dec.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	return token, err
}

// members reads an object's members up to and including its closing brace.
func (p *jsonParser) members() error {
	for p.dec.More() {
		token, err := p.next()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return fmt.Errorf("%v stands where a name is expected", token)
		}
		if err := p.member(name); err != nil {
			return err
		}
	}
	_, err := p.next()
	return err
}

func (p *jsonParser) member(name string) error {
	token, err := p.next()
	if err != nil {
		return err
	}
	if token != json.Delim('[') {
		return p.element(name, token)
	}
	if isCollection(name) {
		return p.collection(name)
	}
	return p.repetition(name)
}

// isCollection tells the names whose array is one element that holds the
// members of all its objects.
func isCollection(name string) bool {
	switch name {
	case dataElement, "filters", "list", "set", "add", "remove", "update":
		return true
	}
	return false
}

// collection reads an array of objects into one element.
func (p *jsonParser) collection(name string) error {
	if err := p.b.open(name); err != nil {
		return err
	}
	for p.dec.More() {
		token, err := p.next()
		if err != nil {
			return err
		}
		if token != json.Delim('{') {
			return fmt.Errorf("%s holds something that is not an object", name)
		}
		if err := p.members(); err != nil {
			return err
		}
	}
	if _, err := p.next(); err != nil {
		return err
	}
	return p.b.close()
}

// repetition reads an array as one element per value.
func (p *jsonParser) repetition(name string) error {
	for p.dec.More() {
		token, err := p.next()
		if err != nil {
			return err
		}
		if token == json.Delim('[') {
			return fmt.Errorf("%q holds an array inside an array", shorten(name))
		}
		if err := p.element(name, token); err != nil {
			return err
		}
	}
	_, err := p.next()
	return err
}

// element adds an element whose value begins with token.
func (p *jsonParser) element(name string, token json.Token) error {
	if err := p.b.open(name); err != nil {
		return err
	}
	var err error
	switch t := token.(type) {
	case json.Delim:
		err = p.members()
	case string:
		err = p.b.characters([]byte(t))
	case json.Number:
		err = p.b.characters([]byte(t))
	case bool:
		err = p.b.characters(strconv.AppendBool(nil, t))
	}
	if err != nil {
		return err
	}
	return p.b.close()
}
