// Package operator reads files that a person edits and the daemon obeys.
//
// The invariant: what is returned was the whole of a regular file that nobody
// but root and our own user can have written or put there. The way is looked at
// first, links and the folders behind them too, and then the file that was
// opened, so that nothing can be put in its place between the looks and the read.
// A settled read is, besides, none of a save that is half done.
//
// What it will not do: understand what a file says, remember what it said before,
// or decide what counts when it cannot be read. No error holds what a file holds.
//
// BUG: in a sticky folder that others can write, someone could give another file
// of root's the name of one that is missing, by a hard link, where Linux does not
// forbid that (fs.protected_hardlinks = 0).
package operator
