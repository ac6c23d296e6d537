// Package store keeps the vault's one file: a bbolt database with fixed
// buckets, one writer at a time, and snapshots for those who read.
//
// What it guarantees: an Update that returned nil is on the disk (fsynced); an
// Update that returned an error has changed nothing, except that after
// ErrStopped nobody knows until the file is opened anew. Operations that queue
// while a commit runs share the next one (group commit, no timer), and one that
// fails or panics in their midst is undone alone.
//
// What happens at each point of a crash:
//
//   - While the file is being created: it is built under a temporary name
//     (vault.db.new-*) and linked to its own name when complete and fsynced, so
//     the name either has a whole vault or does not exist. A temporary file
//     left behind may be removed.
//   - During a commit: bbolt writes new pages beside the old ones, fsyncs, and
//     then one of two checksummed meta pages, so the next Open sees the state
//     before or the state after, whole. Nobody was told of success.
//   - While a copy is made or the file is compacted: the copy is built under a name of
//     its own (ending in .assd-part or .compact), and takes its name when it is complete
//     and fsynced. What is left behind under the other name is replaced by the next one.
//     A compacted file holds what the old one holds, so it does not matter which of
//     them a crash leaves at the name.
//   - After the commit, before the answer: the change stands, its caller does
//     not know.
//
// A commit that fails for want of space is rolled back and answered with
// ErrFull, and the store works on when there is space. Any other failed commit
// leaves the disk in an unknown state: the store stops for good (ErrStopped),
// and the next Open finds out what is there the way every Open does.
//
// What it does not do: it knows nothing of what the records mean, authenticates
// nothing, encrypts nothing. bbolt does not erase what it frees: deleted bytes
// stay in the file until their page is used again, or until Compact. The package does not log.
package store
