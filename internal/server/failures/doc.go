// Package failures makes a platform fail on demand, so that people can test what
// their integration does then. A failure is asked for by the request itself, with
// the header field X-Vedette-Failure, or by the rules of a script.
//
// An [Injector] is put inside the routes of operators. It acts on requests that
// authentication, permissions and limits have let through, so strangers cannot
// make a platform wait; agents never meet it. Delays are bounded in length and in
// number, scripts in size and in rules.
package failures
