package main

import (
	"bytes"
	"context"
	"errors"
	"regexp"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/automation/plan"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// defineObjectFile defines -f of a command that makes or changes one object.
func defineObjectFile(cmd *cobra.Command, path *string, kind plan.Kind) {
	cmd.Flags().StringVarP(path, "file", "f", "",
		"`file` that says it instead of flags, - for standard input: YAML of the kind "+string(kind)+", or a request of the API in XML or JSON")
}

// excludes refuses flags beside -f that say the same.
func excludes(cmd *cobra.Command, flags ...string) error {
	if !cmd.Flags().Changed("file") {
		return nil
	}
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return usagef("-f and --%s exclude each other: write it in the file", name)
		}
	}
	return nil
}

// objectElements are the elements of the API for each kind.
var objectElements = map[plan.Kind]string{plan.KindTag: "Tag", plan.KindKey: "AgentActKey", plan.KindProfile: "AgentConfig"}

// object is what a file says: a document of ours, or an element of the API.
type object struct {
	document *plan.Document
	element  *qps.Node
}

// apiJSON tells the API's JSON from YAML, which JSON is as well.
var apiJSON = regexp.MustCompile(`^\s*\{\s*"Service(Request|Response)"`)

func isAPI(content []byte) bool {
	content = bytes.TrimPrefix(content, []byte("\xEF\xBB\xBF"))
	return bytes.HasPrefix(bytes.TrimSpace(content), []byte("<")) || apiJSON.Match(content)
}

// readObject reads the one object of a file.
func (a *app) readObject(path string, kind plan.Kind) (object, error) {
	content, err := a.readInput(path, qps.MaxRequestBytes)
	if err != nil {
		return object{}, err
	}
	return parseObject(path, content, kind)
}

func parseObject(path string, content []byte, kind plan.Kind) (object, error) {
	if !isAPI(content) {
		documents, err := plan.Decode(sourceName(path), content)
		if err != nil {
			return object{}, err
		}
		if len(documents) != 1 || documents[0].Kind != kind {
			return object{}, usagef("%s: there must be one document of the kind %s; 'vedette apply -f' takes several", sourceName(path), kind)
		}
		return object{document: &documents[0]}, nil
	}
	req, err := qps.DecodeRequest(bytes.NewReader(content), "")
	if err != nil {
		return object{}, mistakeIn(path, err)
	}
	element := objectElements[kind]
	if req.Data == nil || len(req.Data.Children) != 1 || req.Data.Children[0].Name != element {
		return object{}, usagef("%s: there must be one %s in data", sourceName(path), element)
	}
	return object{element: req.Data.Children[0]}, nil
}

// mistakeIn says of what is wrong with a request where it is, and what is right.
func mistakeIn(path string, err error) error {
	wrong, ok := errors.AsType[*qps.RequestError](err)
	if !ok {
		return err
	}
	return fault.New(fault.Invalid, sourceName(path)+": "+wrong.Message, wrong.Resolution)
}

// tagByName finds tags by name or path. It reads them once, when the first is
// asked for.
func tagByName(ctx context.Context, client *qpsclient.Client) description.FindTag {
	var find description.FindTag
	return func(text string) (qps.TagSimple, error) {
		if find == nil {
			tags, err := client.Tags(ctx)
			if err != nil {
				return qps.TagSimple{}, err
			}
			find = plan.FindIn(tags)
		}
		return find(text)
	}
}
