// Package access knows who may use the platform: users, their roles and their
// passwords. Authenticator is the main type; it is safe for concurrent use.
package access
