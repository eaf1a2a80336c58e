// Package jobs is the job engine behind a small seam: work that has to survive a
// restart and to run once among several replicas. Engine is the main type. It
// stands on River, which keeps its jobs in the platform's own database.
//
// # Rows are the truth
//
// A job carries a kind and the id of a row, nothing else. The row says what is to
// be done, how far it is and what became of it; a Handler reads it, does one step
// or all of them, and writes it. A job is enqueued in the transaction that makes
// its row due, so that neither exists without the other. Where that was not
// possible, or a job was lost, the sweeper asks for the rows that are due
// (Kind.Due) and enqueues what has no job. That is also how schedules come due.
//
// # What is promised
//
// At most one job of a kind and an id is pending or runs, on all replicas of one
// database. A job that was enqueued runs at least once: a replica that dies loses
// its lease, and the job runs again, so every step that writes must bear to be
// done twice. Enqueuing what is pending or runs already does nothing; a run that
// began before the row changed may not see the change, but then its row is still
// due when it ends, and the sweeper comes past within SweepEvery.
//
// A running job holds a lease that the engine renews for as long as its handler
// runs. When it cannot be renewed, or another replica has taken the job over, the
// context of the handler ends, and nothing is said of the job any more. A replica
// that stands still for longer than the lease, and then goes on, may write before
// it notices: handlers that this could harm compare the row before they write.
//
// A job that fails is tried again, see attempts, with growing pauses. Then the
// engine gives up (Kind.GaveUp) and leaves the row alone until it is due again.
//
// Replicas of one database need not do the same kinds: one leaves the jobs of kinds
// it does not do to those that do, whichever of them looks after the jobs of replicas
// that died. It has to be told their names for that (Options.Elsewhere).
//
// # Limits
//
// No job is started by a notification: it waits for the next poll, see
// pollEvery. Pauses that are longer than five seconds may last five seconds more.
// The clocks of replicas may differ by some seconds, not by half a lease. On SQLite
// all jobs are written over the store's one writing connection, a few hundred per
// second, and a job must be enqueued in the open transaction and never beside it;
// who enqueues many does so in several transactions.
package jobs
