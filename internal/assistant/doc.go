// Package assistant offers the automation layer of a platform to AI assistants, as
// tools of the Model Context Protocol (https://modelcontextprotocol.io). Server is the
// main type: Load makes its tools from the manifests of the platform's integrations,
// and Serve answers an assistant over a pair of streams.
//
// It uses the automation API alone, through the Platform interface, which
// qpsclient.Client implements, so an assistant may do what the user may whose
// credentials that client has, and is in the audit log like them. Commands that write
// are offered only where an Allowance says so.
//
// Playbooks are started with an allowance of their own, since their steps run whatever
// the user may. What a run asks people is shown and never answered: an approval is the
// place where a person decides, and an assistant that has started a run, or has read
// what others wrote, must not be able to give it.
//
// What an assistant is told has bounds: Answer says how much was left out, and the
// tool automation_run shows the rest of a run page by page. Whatever others wrote,
// such as host names, tags and messages of platforms, is in the member untrusted of an
// answer and nowhere else, without characters that people would not see.
package assistant
