// Package xsd holds the XML schemas (XSD 1.0) of the answers that package qps
// writes, for integrators who validate them or generate code from them.
//
// There is one schema per object, which describes a whole ServiceResponse. The
// schemas include response.xsd, which holds what all answers share, and each
// other by relative paths, so a copy of Files works from any folder. They
// describe answers only: requests have many accepted spellings, and no source
// says how the Qualys schemas describe them.
//
// The schemas are as strict as the answers are: element names, types and fixed
// vocabularies are checked, every element of an object occurs at most once. The
// envelope is ordered, objects are not, because the Qualys platform does not
// promise an order of their elements. Elements that the fields parameter can
// drop are optional.
package xsd

import (
	"embed"
	"io/fs"
)

// Root is the path that the platform serves the schemas below. Schema paths of
// package qps, such as qps.SchemaHostAsset, begin with it.
const Root = "/qps/xsd/"

//go:embed *.xsd 1.0 2.0 3.0
var files embed.FS

// Files returns the schemas; their names are their paths below Root, such as
// 2.0/am/hostasset.xsd. It is safe for concurrent use.
func Files() fs.FS { return files }
