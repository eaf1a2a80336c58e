// Package secret seals what must not be read where it is stored: access keys,
// passwords, tokens.
//
// A Keyset seals and opens values. It is stored beside them, itself sealed by an
// Envelope, whose keys are kept elsewhere: who has only the database has only
// ciphertext. The cryptography is Tink's (AEAD, AES-256-GCM). Every value is bound
// to its Label, so that it opens in the place it was sealed for and nowhere else.
//
// All types are safe for concurrent use; none changes.
package secret
