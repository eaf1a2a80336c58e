// Package access knows who may use the platform: users, their roles, their
// passwords and tokens, and the audit log of what they did. Authenticator proves
// who somebody is, and Directory manages users, roles and tokens. Both are safe
// for concurrent use.
package access
