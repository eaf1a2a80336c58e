package qps

// Limits on what is decoded. They bound memory and time for hostile input and
// lie far above what documented calls need.
const (
	// MaxRequestBytes bounds a request body (4 MiB): an IN list of a
	// quarter of a million ids still fits.
	MaxRequestBytes = 4 << 20

	// MaxResponseBytes bounds an answer a client reads (256 MiB): a page of
	// 1,000 hosts with a thousand packages each takes about 150 MB of XML.
	MaxResponseBytes = 256 << 20

	// MaxDepth bounds the nesting of elements, the envelope included. The
	// deepest documented object, a configuration profile, needs eight.
	MaxDepth = 32

	// MaxNodes bounds the elements of a request, and those of one record of
	// a response. A host with ten thousand packages has about 30,000.
	MaxNodes = 100_000

	// MaxCriteria bounds the criteria of a request; real clients send fewer
	// than ten, and every one becomes a condition of a query.
	MaxCriteria = 100

	// MaxFieldPaths bounds the paths of a fields parameter; a host asset has
	// fewer than 150 distinct elements.
	MaxFieldPaths = 200

	// maxAttributes bounds the attributes of one element; Criteria has two.
	maxAttributes = 16

	// maxEchoBytes bounds how much of a client's value an error repeats.
	maxEchoBytes = 120
)
