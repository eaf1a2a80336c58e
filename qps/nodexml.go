package qps

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

const schemaInstance = "http://www.w3.org/2001/XMLSchema-instance"

// parseXML feeds b from an XML document. It reads to the end of the input,
// because encoding/xml by itself accepts a second root and trailing garbage.
func parseXML(r io.Reader, b *builder) error {
	dec := xml.NewDecoder(r)
	rootSeen := false
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := addXMLToken(b, token); err != nil {
			return err
		}
		rootSeen = rootSeen || len(b.stack) > 0
	}
	if !rootSeen {
		return fmt.Errorf("there is no %s element", b.root)
	}
	return nil
}

func addXMLToken(b *builder, token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		if err := b.open(t.Name.Local); err != nil {
			return err
		}
		return addAttributes(b.stack[len(b.stack)-1], t.Attr)
	case xml.EndElement:
		return b.close()
	case xml.CharData:
		if len(b.stack) > 0 {
			return b.characters(t)
		}
		if text := bytes.TrimSpace(t); len(text) > 0 {
			return fmt.Errorf("there is text outside of the root element: %q", shorten(string(text)))
		}
	case xml.Directive:
		return errors.New("document types and other declarations are not allowed")
	}
	return nil
}

// addAttributes keeps the attributes that are not about namespaces or schemas.
func addAttributes(n *Node, attrs []xml.Attr) error {
	if len(attrs) > maxAttributes {
		return fmt.Errorf("element %q has more than %d attributes", shorten(n.Name), maxAttributes)
	}
	for _, a := range attrs {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" || a.Name.Space == schemaInstance {
			continue
		}
		for _, other := range n.attributes {
			if other.name == a.Name.Local {
				return fmt.Errorf("element %q has the attribute %q twice", shorten(n.Name), shorten(other.name))
			}
		}
		n.attributes = append(n.attributes, attribute{a.Name.Local, a.Value})
	}
	return nil
}
