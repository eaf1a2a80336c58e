package assistant

import (
	"context"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// tool is something that an assistant can call.
type tool struct {
	definition mcp.Tool
	indicator  string // how its errors begin: "Search Cloud Agents failed."
	writes     bool
	// withheld is why it is not offered, empty where it is; remedy is how it would be.
	withheld, remedy string
	// call does what the tool is for. Its arguments are known ones, and it looks for
	// mistakes in them before it asks anything of the platform.
	call func(ctx context.Context, c call) (builder, error)
}

func (t *tool) schema() *jsonschema.Schema {
	schema, _ := t.definition.InputSchema.(*jsonschema.Schema) // always one
	return schema
}

// call is one call of a tool.
type call struct {
	*arguments
	// tell says how far the call is after some time.
	tell func(message string, spent time.Duration)
}

// Offer is a tool as it is listed for people.
type Offer struct {
	Tool     mcp.Tool `json:"tool"`
	Writes   bool     `json:"writes"`
	Offered  bool     `json:"offered"`
	Withheld string   `json:"withheld,omitempty"` // why it is not offered
}

// Offers lists all tools, those that are withheld too, in the order in which they are
// made: first what every platform has, then its commands.
func (s *Server) Offers() []Offer {
	offers := make([]Offer, len(s.tools))
	for i, t := range s.tools {
		offers[i] = Offer{Tool: t.definition, Writes: t.writes, Offered: t.withheld == "", Withheld: t.withheld}
	}
	return offers
}

// reader makes a tool that only reads what the platform itself has.
func reader(name, title, description string, schema *jsonschema.Schema, run func(context.Context, call) (builder, error)) tool {
	return tool{
		definition: mcp.Tool{
			Name: name, Title: title, Description: description, InputSchema: schema,
			Annotations: &mcp.ToolAnnotations{Title: title, ReadOnlyHint: true, IdempotentHint: true, DestructiveHint: new(false), OpenWorldHint: new(false)},
		},
		indicator: title + " failed.", call: run,
	}
}
