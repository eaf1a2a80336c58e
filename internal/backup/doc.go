// Package backup writes and reads the one file that brings a platform back.
//
// A backup is a tar archive, compressed with zstd, of regular files only:
//
//	manifest.json   what follows: names, sizes, SHA-256, and what made it
//	database        a copy of the SQLite database, or pg_dump's custom format
//	data/…          the files of the data folder: keys, certificates, admin.env, releases
//
// It is not encrypted and holds secrets; it is written readable for its owner
// only. The manifest comes first, so that nothing is read that it does not
// announce: a member with another name, size or digest, a link, or anything
// after the last member makes the whole backup refused.
//
// Create and Restore do their work in a folder beside the target whose name ends
// with .partial- and a number, and put it in place by one rename. What ends them
// early, also by kill -9, leaves the target as it was and at most such a folder,
// which may be deleted. The package knows no engine: callers copy the database.
package backup
