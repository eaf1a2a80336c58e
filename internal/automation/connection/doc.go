// Package connection holds the connections of the automation layer: a platform,
// the account that is used there, who may use it, how often it is checked.
// Connection is the main type, Directory who makes, changes and finds them.
//
// # Sites
//
// A Site is the boundary between tenants. A connection belongs to one site: only
// users of that site see it. One that is shared to internal sites is open to users
// of every internal site as well, and still belongs to one, its recipient site.
//
// # Rights
//
// Three things decide together: a role with the permission, a site of the user that
// sees the connection, and a Grant of the connection to the user or to one of the
// user's roles. Managers need none of them. Who lacks the site or the grant is
// answered as if the connection did not exist, so that nothing can be guessed; the
// refusal is in the audit log.
//
// # Secrets
//
// Passwords go in and never come out: storage seals them, and only a run gets them
// back. Whoever changes where they are sent to has to give them anew: the right to
// edit a connection is not the right to read its password.
//
// Objects and words follow the connection form of the published integration
// "Qualys Cloud Agent" for D3 SOAR (22 January 2025). All types are safe for
// concurrent use as far as their storage is.
package connection
