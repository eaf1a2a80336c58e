// Package vault fetches passwords from OpenBao and HashiCorp Vault, with the
// client of OpenBao: the key-value engine version 2, proven by a token or by
// AppRole. Source is its main type.
//
// What was fetched is kept in memory for some minutes, and the token of a login
// until shortly before its end; neither is written anywhere. Values are
// hidden.Text, and errors are a *vault.Failure of the domain, which has none.
//
// Limits: answers of 1 MiB; 256 paths are kept, each of at most 64 KiB; redirects
// are not followed, so Address is that of a load balancer or of a node that
// forwards; no proxy is used.
package vault
