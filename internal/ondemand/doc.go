// Package ondemand holds on-demand scan requests and their life: launched by a
// user, delivered to the agent at its next contact, which a wake-up brings about
// at once, run, uploaded and complete. Launcher is the main type.
//
// A request repeated while one of its type is pending joins it. Requests that an
// agent does not fetch within ExpireAfter expire.
package ondemand
