// Package qps is the wire vocabulary of the QPS API, the XML and JSON protocol
// of the Qualys Cloud Agent and Asset Management APIs under /qps/rest. The same
// package serves both ends: a server decodes a [Request] and appends a
// [Response], a client encodes a Request and decodes a Response.
//
// Output has one writer per resource. A [Record] describes itself once to a
// sink, and there is an XML sink and a JSON sink, so the two forms cannot
// differ in names, order or presence of an element. Characters that XML 1.0
// does not allow, and invalid UTF-8, are written as U+FFFD in both forms.
// Package qps/xsd holds the schemas of the XML form.
//
// Input has one reader per resource. Both forms are decoded into a bounded tree
// of [Node] values in which the many spellings clients use for a collection
// (one item or several, list, set, add, remove, array or object) look alike.
//
// What a request says of an object to create or to change is a change type, such
// as [AwsAssetDataConnectorChange], that tells what is not said from what is
// empty. Elements that only answers have are passed over, so that an object can
// be sent back as it was read; unknown ones are refused. Values of the right type
// are for the server to judge.
//
// Limits. Requests are bounded by [MaxRequestBytes], [MaxDepth], [MaxNodes] and
// [MaxCriteria], responses by [MaxResponseBytes] and [MaxDepth]; document types
// and entities other than the five predefined ones are refused. Criteria are
// split into field, operator and value but not judged: which fields an object
// has, and of which type, is the server's knowledge. Attributes other than
// those of Criteria have no meaning in this protocol and are not written.
//
// The functions of this package are safe for concurrent use; its values are
// safe for concurrent reading.
package qps
