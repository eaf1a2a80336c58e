// Package store keeps everything the platform knows in a SQL database. Store is
// the main type; it implements the storage interfaces of the domain packages
// over database/sql and is opened by package sqlite or postgres, which bring the
// schema and a Dialect each. Everything else is written once for both engines.
//
// # Schema
//
// hosts holds what searches look at, host_details what they do not, as single
// values and as JSON lists. Text that few values share is in dictionaries
// (operating_systems, software): a search resolves the text there first and then
// compares ids. heartbeats, written at every check-in, is narrow and alone in
// indexing the time of the last one. host_tags, host_ports and host_software
// hold a host's tags, sockets and packages; a delta touches the rows it changes,
// and no list of a host grows beyond agentwire.MaxEntries. Packages that no host
// has any more stay in the dictionary until SweepSoftware comes past; a commit of
// more than 500 packages adds the new ones in transactions of their own before it,
// so that no other writer waits for them all.
// activation_key_pushes holds updates of keys that their agents have yet to get, a
// few agents per transaction.
// A tag is on a host by hand or by the rule of the tag, never both: the rules are
// evaluated in the transaction that changes the host, and for all hosts, a few at
// a time, after a rule changed (tags.evaluated_to).
// user_details, a view, is a user with roles, permissions and the reach of their
// scope in one row. audit is written and pruned, and never changed: triggers see
// to that.
// cloud_instances holds the instance of a cloud that a host is, with an agent or
// without one; cloud_claims, which one its agent says it is, which counts where
// nobody else has it. Both are written under the lock of changes.
// secrets holds what is sealed, a row for each field of an object, and secret_keyset,
// in its one row, the keys it is sealed with, sealed by a key that is not in the
// database (see package secret).
// agents, heartbeats and snapshots hold what is specific to agents. changes is
// read by every replica in commit order. Times are Unix microseconds in UTC; what
// a host asset shows is cut to the second when it is written, so that searches
// compare what clients read.
//
// # Searches
//
// Each criterion becomes a predicate with parameters; no text of a user becomes
// part of a statement. A search first looks at some thousand hosts: what many
// match fills a page with them. Then the indexes say in which blocks of 8,192 ids
// there is a host at all, and those that seem to name few are asked for all of
// them: if one names few, only those are looked at. Otherwise the index that names
// the fewest in a block says which hosts to look at, and where all name many,
// hosts are looked at in order of id until the page is full. Indexes of texts
// cannot be asked by block and are asked last. Every predicate is checked on every
// host, so an index may name too many and must not name too few.
//
// For that, indexes of values that are compared by size begin with the block of
// the host (id >> 13), and in the others the id follows the value. Texts that
// hosts are searched for parts of are in tables of their own, which are written
// when the text changes and not with the rest of the host. Texts of one and two
// characters have an index as longer ones do. tallies, which triggers keep, holds
// how many hosts there are in each block, how many of them have a tag, and how
// many listen on a port.
//
// Limits: a search whose criteria each match many hosts of every block, but no
// host all of them, passes over all hosts (one to two seconds per million). So
// does a large startFromOffset with several criteria or with a range of values.
// NOT EQUALS of a package that nearly all hosts have counts its hosts. Where a
// text is part of more than 5,000 installed packages, and these are on more than
// 5,000 hosts or installed more than 50,000 times, the packages of each host are
// compared by name: up to a tenth of a millisecond per host. A count with several
// criteria passes over all hosts of the blocks unless an index names few. As many
// searches and counts run at once as there are reading connections, less two for
// check-ins and logins; the others wait. Searches give up after 30 seconds, their
// wait included. Searched text is at most 1,000 bytes long, other text 4,096; NUL
// characters and broken UTF-8 are refused, because PostgreSQL cannot store them.
package store
