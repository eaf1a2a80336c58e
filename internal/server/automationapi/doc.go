// Package automationapi serves what the QPS protocol has no words for, such as
// the state of an on-demand scan. openapi.yaml describes it and is served beside
// it; models and request binding in api.gen.go are generated from that file.
//
// Routes is the entry point. Failures are a server.Problem in JSON with the HTTP
// status that fits.
package automationapi

//go:generate go tool -modfile=../../../tools/oapi-codegen/go.mod oapi-codegen -config oapi-codegen.yaml openapi.yaml
