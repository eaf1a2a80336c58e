package qps

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TagChange is what a request says about a tag to create or to change. A nil
// field is not said and stays as it is; an empty one is emptied.
type TagChange struct {
	ID               *int64 // only needed where the path has none, and to name an existing child
	Name             *string
	ParentTagID      *int64 // zero makes it a root tag
	Color            *string
	RuleType         *string
	RuleText         *string
	CriticalityScore *int64
	Description      *string
	Provider         *string
	Children         *TagChildren
}

// HasRule reports whether the change names a rule, other than that of static
// tags, for the tag or for one below it.
func (c TagChange) HasRule() bool {
	return c.RuleType != nil && *c.RuleType != "" && *c.RuleType != "STATIC" || c.RuleText != nil && *c.RuleText != "" ||
		c.Children != nil && slices.ContainsFunc(c.Children.Add, TagChange.HasRule)
}

// TagChildren changes the tags below a tag. A child with an ID is an existing
// tag that moves here; one without is created, with the children of its own that
// it brings.
type TagChildren struct {
	Replace bool        // the children shall be Add and no others: the API's set
	Add     []TagChange // of set, or of add
	Remove  []int64     // ids of children that shall be no longer
}

// readOnlyTagElements are in tags as clients read them; those that send a tag
// back do not mean to change them.
var readOnlyTagElements = []string{
	"created", "modified", "srcAssetGroupId", "srcBusinessUnitId", "srcOperatingSystemName", "reservedType", "createdBy", "reEvalStatus",
	"reEvalStatusProgress",
}

const tagElements = "id, name, parentTagId, color, ruleType, ruleText, criticalityScore, description, provider, children"

// ParseTagChange reads a Tag or TagSimple element of a request's data. What is
// wrong with it comes back as a *RequestError; values are for the server to
// judge.
func ParseTagChange(n *Node) (TagChange, error) {
	var c TagChange
	texts := map[string]**string{
		"name": &c.Name, "color": &c.Color, "ruleType": &c.RuleType, "ruleText": &c.RuleText, "description": &c.Description, "provider": &c.Provider,
	}
	numbers := map[string]**int64{"id": &c.ID, "parentTagId": &c.ParentTagID, "criticalityScore": &c.CriticalityScore}
	seen := make(map[string]bool, len(n.Children))
	for _, e := range n.Children {
		if seen[e.Name] {
			return c, invalidRequest(fmt.Sprintf("%s: '%s' is given more than once.", n.Name, shorten(e.Name)), "Give each element once.")
		}
		seen[e.Name] = true
		var err error
		if text, ok := texts[e.Name]; ok {
			value := e.Text
			if e.Name != "ruleText" { // a rule may begin or end with a blank
				value = strings.TrimSpace(value)
			}
			*text = &value
		} else if number, ok := numbers[e.Name]; ok {
			*number, err = parseTagNumber(n.Name, e)
		} else if e.Name == "children" {
			c.Children, err = parseTagChildren(e)
		} else if !slices.Contains(readOnlyTagElements, e.Name) {
			// Passing over a misspelled element would do half of what was meant.
			err = invalidRequest(fmt.Sprintf("%s: unknown element '%s'.", n.Name, shorten(e.Name)), "Elements expected: "+tagElements+".")
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// parseTagNumber reads a number; an empty element is zero.
func parseTagNumber(parent string, e *Node) (*int64, error) {
	var value int64
	if text := strings.TrimSpace(e.Text); text != "" || len(e.Children) > 0 {
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, invalidRequest(fmt.Sprintf("%s: invalid value '%s' for '%s'.", parent, shorten(text), e.Name), "Specify "+e.Name+" as Long.")
		}
		value = v
	}
	return &value, nil
}

func parseTagChildren(n *Node) (*TagChildren, error) {
	c := &TagChildren{}
	replaced := false
	for _, action := range n.Children {
		switch action.Name {
		case "set", "list", "add":
			if replaced || (len(c.Add) > 0 && action.Name != "add") {
				return nil, invalidRequest("children: set and another of set, list, add are given.", "Use one of them in a request.")
			}
			if action.Name != "add" {
				replaced, c.Replace = true, true
			}
			for _, item := range action.Children {
				child, err := parseTagItem(action.Name, item)
				if err != nil {
					return nil, err
				}
				c.Add = append(c.Add, child)
			}
		case "remove":
			ids, err := parseTagIDs("children", action)
			if err != nil {
				return nil, err
			}
			c.Remove = append(c.Remove, ids...)
		default:
			return nil, invalidRequest(fmt.Sprintf("children: unknown element '%s'.", shorten(action.Name)), "Elements expected: set, add, remove.")
		}
	}
	if c.Replace && len(c.Remove) > 0 {
		return nil, invalidRequest("children: set and remove are given together.", "Use set alone, or add and remove.")
	}
	return c, nil
}

func parseTagItem(action string, item *Node) (TagChange, error) {
	if item.Name != "TagSimple" && item.Name != "Tag" {
		return TagChange{}, invalidRequest(fmt.Sprintf("%s: unknown element '%s'.", action, shorten(item.Name)), "Elements expected: TagSimple, Tag.")
	}
	return ParseTagChange(item)
}

// parseTagIDs reads a list of tags of which each must have an id.
func parseTagIDs(what string, action *Node) ([]int64, error) {
	var ids []int64
	for _, item := range action.Children {
		tag, err := parseTagItem(action.Name, item)
		if err != nil {
			return nil, err
		}
		if tag.ID == nil || *tag.ID <= 0 {
			return nil, invalidRequest(fmt.Sprintf("%s: a tag in '%s' has no id.", what, action.Name), "Name each tag as TagSimple with its id.")
		}
		ids = append(ids, *tag.ID)
	}
	return ids, nil
}

// Node returns the change as a Tag element of a request's data.
func (c TagChange) Node() *Node { return c.node("Tag") }

func (c TagChange) node(name string) *Node {
	n := &Node{Name: name}
	text := func(name string, value *string) {
		if value != nil {
			n.Children = append(n.Children, &Node{Name: name, Text: *value})
		}
	}
	number := func(name string, value *int64) {
		if value != nil {
			n.Children = append(n.Children, &Node{Name: name, Text: strconv.FormatInt(*value, 10)})
		}
	}
	number("id", c.ID)
	text("name", c.Name)
	number("parentTagId", c.ParentTagID)
	text("color", c.Color)
	text("ruleType", c.RuleType)
	text("ruleText", c.RuleText)
	number("criticalityScore", c.CriticalityScore)
	text("description", c.Description)
	text("provider", c.Provider)
	if c.Children != nil {
		n.Children = append(n.Children, c.Children.node())
	}
	return n
}

func (c *TagChildren) node() *Node {
	n := &Node{Name: "children"}
	if c.Replace || len(c.Add) > 0 {
		action := &Node{Name: "add"}
		if c.Replace {
			action.Name = "set"
		}
		for _, child := range c.Add {
			action.Children = append(action.Children, child.node("TagSimple"))
		}
		n.Children = append(n.Children, action)
	}
	if len(c.Remove) > 0 {
		n.Children = append(n.Children, tagIDs("remove", c.Remove))
	}
	return n
}

func tagIDs(action string, ids []int64) *Node {
	n := &Node{Name: action}
	for _, id := range ids {
		n.Children = append(n.Children, &Node{Name: "TagSimple", Children: []*Node{{Name: "id", Text: strconv.FormatInt(id, 10)}}})
	}
	return n
}

// TagAssignment changes the tags of assets.
type TagAssignment struct {
	Replace bool    // the static tags shall be Add and no others: the API's set
	Add     []int64 // tag ids of set, or of add
	Remove  []int64
}

// ParseTagAssignment reads the HostAsset or Asset element of a request that
// updates assets. What is wrong with it comes back as a *RequestError.
func ParseTagAssignment(n *Node) (TagAssignment, error) {
	var a TagAssignment
	for _, e := range n.Children {
		switch e.Name {
		case "tags":
		case "id": // of the asset, as clients send it back; the path or the filters select
			continue
		default:
			return a, invalidRequest(fmt.Sprintf("%s: '%s' cannot be changed.", n.Name, shorten(e.Name)), "Elements expected: tags.")
		}
		for _, action := range e.Children {
			ids, err := parseTagIDs("tags", action)
			if err != nil {
				return a, err
			}
			switch action.Name {
			case "set", "list":
				a.Replace, a.Add = true, append(a.Add, ids...)
			case "add":
				a.Add = append(a.Add, ids...)
			case "remove":
				a.Remove = append(a.Remove, ids...)
			default:
				return a, invalidRequest(fmt.Sprintf("tags: unknown element '%s'.", shorten(action.Name)), "Elements expected: add, remove, set.")
			}
		}
		if a.Replace && len(e.Children) > 1 {
			return a, invalidRequest("tags: set is given together with another element.", "Use set alone, or add and remove.")
		}
	}
	if !a.Replace && len(a.Add) == 0 && len(a.Remove) == 0 {
		return a, invalidRequest(fmt.Sprintf("%s: there is nothing to change.", n.Name), "Name the tags as tags/add, tags/remove or tags/set.")
	}
	return a, nil
}

// Node returns the assignment as a HostAsset element of a request's data.
func (a TagAssignment) Node() *Node {
	tags := &Node{Name: "tags"}
	switch {
	case a.Replace:
		tags.Children = append(tags.Children, tagIDs("set", a.Add))
	case len(a.Add) > 0:
		tags.Children = append(tags.Children, tagIDs("add", a.Add))
	}
	if len(a.Remove) > 0 {
		tags.Children = append(tags.Children, tagIDs("remove", a.Remove))
	}
	return &Node{Name: "HostAsset", Children: []*Node{tags}}
}
