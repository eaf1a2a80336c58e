package qps

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AgentActKeyChange is what a request says of an activation key to create or to
// update. A nil field is not said and stays as it is.
type AgentActKeyChange struct {
	ID             *int64 // only needed where the path has none
	Title          *string
	Type           *string
	CountPurchased *int64
	ExpireDate     *time.Time
	IsDisabled     *bool
	Licenses       CollectionChange[string]
	Tags           CollectionChange[TagSimple] // each with an id or a name
	// ApplyOnAgents asks for the change on the agents the key has made, too.
	ApplyOnAgents *bool
}

// OnlyDisables reports whether the change says nothing but isDisabled.
func (c AgentActKeyChange) OnlyDisables() bool {
	return c.Title == nil && c.Type == nil && c.CountPurchased == nil && c.ExpireDate == nil && c.ApplyOnAgents == nil &&
		c.Licenses.empty() && c.Tags.empty()
}

func (c CollectionChange[T]) empty() bool {
	return c.Set == nil && len(c.Add) == 0 && len(c.Remove) == 0
}

// CollectionChange is a change of a collection. Set replaces all of it and is nil
// for none; the API's list means the same.
type CollectionChange[T any] struct {
	Set         []T
	Add, Remove []T
}

const (
	keyElements = "id, title, type, countPurchased, expireDate, isDisabled, modules, tags, applyOnAgents"
	keyModule   = "ActivationKeyModule"
)

// readOnlyKeyElements are in keys as clients read them; those that send a key
// back do not mean to change them. Networks are not part of this API.
var readOnlyKeyElements = []string{"activationKey", "status", "countUsed", "datePurchased", "networkId"}

// ParseAgentActKeyChange reads an AgentActKey element of a request's data. What
// is wrong with its structure comes back as a *RequestError; values of the right
// type are for the server to judge. An empty element says nothing, except that an
// empty title is one, and an empty list empties a collection.
func ParseAgentActKeyChange(n *Node) (AgentActKeyChange, error) {
	var c AgentActKeyChange
	for i, e := range n.Children {
		if slices.ContainsFunc(n.Children[:i], func(o *Node) bool { return o.Name == e.Name }) {
			return c, invalidRequest(fmt.Sprintf("AgentActKey: '%s' is given more than once.", shorten(e.Name)), "Give each element once.")
		}
		if err := c.parse(e); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *AgentActKeyChange) parse(e *Node) (err error) {
	switch e.Name {
	case "modules":
		c.Licenses, err = parseCollection(e, parseLicenses)
		return err
	case "tags":
		c.Tags, err = parseCollection(e, parseTagReference)
		return err
	}
	text := strings.TrimSpace(e.Text)
	if len(e.Children) > 0 && !slices.Contains(readOnlyKeyElements, e.Name) {
		return invalidKeyValue(e.Name, "<"+e.Children[0].Name+">", "a plain value")
	}
	if e.Name == "title" {
		c.Title = &text
		return nil
	}
	if text == "" && slices.Contains(strings.Split(keyElements, ", "), e.Name) {
		return nil
	}
	switch e.Name {
	case "type":
		c.Type = &text
	case "id":
		c.ID, err = parseKeyNumber(e.Name, text)
	case "countPurchased":
		c.CountPurchased, err = parseKeyNumber(e.Name, text)
	case "expireDate":
		var date time.Time
		if date, err = ParseTime(text); err != nil {
			return invalidKeyValue(e.Name, text, "a date as YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ")
		}
		c.ExpireDate = &date
	case "isDisabled":
		c.IsDisabled, err = parseKeyBoolean(e.Name, text)
	case "applyOnAgents":
		c.ApplyOnAgents, err = parseKeyBoolean(e.Name, text)
	default:
		if !slices.Contains(readOnlyKeyElements, e.Name) {
			// Passing over a misspelled element would do half of what was meant.
			return invalidRequest(fmt.Sprintf("AgentActKey: unknown element '%s'.", shorten(e.Name)), "Elements expected: "+keyElements+".")
		}
	}
	return err
}

func invalidKeyValue(name, value, expected string) error {
	return invalidRequest(fmt.Sprintf("AgentActKey: invalid value '%s' for '%s'.", shorten(value), name), "Specify "+expected+".")
}

func parseKeyNumber(name, text string) (*int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, invalidKeyValue(name, text, "an integer")
	}
	return &n, nil
}

func parseKeyBoolean(name, text string) (*bool, error) {
	switch strings.ToLower(text) {
	case "true", "1":
		return new(true), nil
	case "false", "0":
		return new(false), nil
	}
	return nil, invalidKeyValue(name, text, "true or false")
}

// parseCollection reads list, set, add and remove. item reads one element of
// them, which may stand for several values.
func parseCollection[T any](n *Node, item func(collection string, n *Node) ([]T, error)) (CollectionChange[T], error) {
	var c CollectionChange[T]
	for _, part := range n.Children {
		if !slices.Contains([]string{"list", "set", "add", "remove"}, part.Name) {
			return c, invalidRequest(fmt.Sprintf("%s: unknown element '%s'.", n.Name, shorten(part.Name)), "Elements expected: list, set, add, remove.")
		}
		values, err := parsePart(n.Name, part, item)
		if err != nil {
			return c, err
		}
		switch part.Name {
		case "list", "set":
			if c.Set != nil {
				return c, invalidRequest(fmt.Sprintf("%s: list and set are both given.", n.Name), "Give one of them.")
			}
			c.Set = values
		case "add":
			c.Add = values
		case "remove":
			c.Remove = values
		}
	}
	return c, nil
}

// parsePart reads the items of one part; an empty list is one.
func parsePart[T any](collection string, part *Node, item func(collection string, n *Node) ([]T, error)) ([]T, error) {
	if text := strings.TrimSpace(part.Text); text != "" {
		return nil, invalidRequest(fmt.Sprintf("%s: unexpected text '%s' in %s.", collection, shorten(text), part.Name), "Give each item its own element.")
	}
	values := []T{}
	for _, e := range part.Children {
		more, err := item(collection, e)
		if err != nil {
			return nil, err
		}
		values = append(values, more...)
	}
	return values, nil
}

func expectItem(collection, element string, n *Node) error {
	if n.Name == element {
		return nil
	}
	return invalidRequest(fmt.Sprintf("%s: unknown element '%s'.", collection, shorten(n.Name)), "Elements expected: "+element+".")
}

// parseLicenses reads a module; JSON clients put several licenses into one.
func parseLicenses(collection string, n *Node) ([]string, error) {
	if err := expectItem(collection, keyModule, n); err != nil {
		return nil, err
	}
	var words []string
	for _, e := range n.All("license") {
		if word := strings.TrimSpace(e.Text); word != "" {
			words = append(words, word)
		}
	}
	if words == nil {
		return nil, invalidRequest("modules: an "+keyModule+" has no license.", "Specify a license such as VM_LICENSE.")
	}
	return words, nil
}

// parseTagReference reads a tag that is named by its id, its name or both.
func parseTagReference(collection string, n *Node) ([]TagSimple, error) {
	if n.Name != "Tag" && n.Name != tagSimpleElement {
		return nil, invalidRequest(fmt.Sprintf("%s: unknown element '%s'.", collection, shorten(n.Name)), "Elements expected: Tag, "+tagSimpleElement+".")
	}
	tag := TagSimple{Name: n.Trimmed("name")}
	if text := n.Trimmed("id"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return nil, invalidRequest(fmt.Sprintf("%s: invalid value '%s' for the id of a Tag.", collection, shorten(text)), "Specify the id of a tag as Long.")
		}
		tag.ID = id
	}
	if tag == (TagSimple{}) {
		return nil, invalidRequest(collection+": a Tag has neither id nor name.", "Specify one of them.")
	}
	return []TagSimple{tag}, nil
}

// Node returns the AgentActKey element that says the change.
func (c AgentActKeyChange) Node() *Node {
	n := &Node{Name: "AgentActKey"}
	add := func(name, text string) { n.Children = append(n.Children, &Node{Name: name, Text: text}) }
	if c.ID != nil {
		add("id", strconv.FormatInt(*c.ID, 10))
	}
	if c.Title != nil {
		add("title", *c.Title)
	}
	if c.Type != nil {
		add("type", *c.Type)
	}
	if c.CountPurchased != nil {
		add("countPurchased", strconv.FormatInt(*c.CountPurchased, 10))
	}
	if c.ExpireDate != nil {
		add("expireDate", FormatTime(*c.ExpireDate))
	}
	if c.IsDisabled != nil {
		add("isDisabled", strconv.FormatBool(*c.IsDisabled))
	}
	// All documented samples of this object replace with list.
	addCollection(n, "modules", "list", c.Licenses, func(part *Node, licenses []string) {
		for _, license := range licenses {
			part.add(keyModule, "").add("license", license)
		}
	})
	addCollection(n, "tags", "list", c.Tags, func(part *Node, tags []TagSimple) {
		for _, tag := range tags {
			item := part.add("Tag", "")
			if tag.ID != 0 {
				addInteger(item, "id", &tag.ID)
			} else {
				item.add("name", tag.Name)
			}
		}
	})
	if c.ApplyOnAgents != nil {
		add("applyOnAgents", strconv.FormatBool(*c.ApplyOnAgents))
	}
	return n
}

// addCollection writes a collection that changes. replace is what the part that
// replaces all of it is called; items adds those of one part.
func addCollection[T any](n *Node, name, replace string, c CollectionChange[T], items func(part *Node, values []T)) {
	if c.empty() && c.Add == nil && c.Remove == nil {
		return
	}
	collection := n.add(name, "")
	for _, part := range []struct {
		name   string
		values []T
	}{{replace, c.Set}, {"add", c.Add}, {"remove", c.Remove}} {
		if part.values != nil {
			items(collection.add(part.name, ""), part.values)
		}
	}
}
