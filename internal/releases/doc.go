// Package releases keeps the releases that agents upgrade to: packages, and the
// metadata of The Update Framework that says which of them to trust
// (https://theupdateframework.github.io/specification/latest/). Publisher signs
// releases, with keys that operators hold; Shelf offers them to agents.
//
// Both work on one folder:
//
//	metadata/N.root.json      which keys sign what; signed by the root key that agents pin
//	metadata/N.targets.json   the packages with size and SHA-256; signed by the release key
//	metadata/N.snapshot.json  which targets are current; signed by the release key
//	metadata/timestamp.json   which snapshot is current; signed by the platform, every day
//	packages/SHA256.NAME      the packages
//
// N counts roots. For the others it is the time they were signed, in Unix seconds,
// or one more than the last: it rises also after a restore of an older folder.
//
// The key in the platform signs the timestamp and nothing else: who takes it can
// keep agents from hearing of a release for as long as the release key's
// signatures last, and cannot make them run anything else.
//
// Files are written whole, packages before the targets that name them and the
// snapshot last: it is the snapshot with the highest number that counts. The
// folder may be copied to other machines while nobody publishes.
package releases
