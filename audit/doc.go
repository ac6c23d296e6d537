// Package audit owns the trail: events, the hash chain over them, the records
// bound to them, and the signed heads.
//
// What it guarantees:
//
//   - A record is written only together with the event that explains it, in one
//     transaction: [Log.Append] is the only way to write either.
//   - hash(n) covers the very bytes stored, event n names every record it wrote,
//     and every commit signs the head it ends with. So from the file alone, and
//     without a key, [Verify] finds an event changed, removed, reordered or
//     inserted, and a record that is not the one the last event about it wrote.
//   - The chain goes on from the head the daemon remembers, never from what the
//     file says: a file rewritten under a running daemon does not get a signature.
//
// What it cannot see: a file put back whole to a head that was once signed. That
// takes a head kept elsewhere, see [HeadFile].
//
// Crash points: events, records and head are one bbolt transaction, so after a
// crash there are all or none. The head file is written after the commit; after
// a crash it may be one commit behind, which is a prefix and therefore fine.
package audit
