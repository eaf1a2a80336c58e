package qpsapi

import (
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/xsd"
)

// schemaRoutes serve the schemas that answers name. They need no credentials:
// validators have none, and the schemas are the same on every platform.
func (a *api) schemaRoutes() []server.Route {
	return []server.Route{
		{
			Methods: []string{http.MethodGet}, Path: xsd.Root + "{path...}",
			Handler:      http.HandlerFunc(schema),
			WriteFailure: a.failureWriter(qps.SchemaHostAsset),
		},
		a.failingRoute(strings.TrimSuffix(xsd.Root, "/"), server.NoRoute),
	}
}

func schema(w http.ResponseWriter, r *http.Request) {
	document, err := fs.ReadFile(xsd.Files(), r.PathValue("path"))
	if err != nil { // also for a folder
		server.Fail(w, r, server.NoRoute(r))
		return
	}
	w.Header().Set("Content-Type", qps.XML.ContentType())
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document) // a client that is gone cannot be told
}
