// Package description has what people say about tags, activation keys and
// configuration profiles: in files that are planned, in flags of the command line and
// in inputs of commands. What is nil is not said and stays as it is.
//
// The Change methods turn what is said into requests of the API. Nothing here calls a
// platform, and everything is safe for concurrent use.
package description
