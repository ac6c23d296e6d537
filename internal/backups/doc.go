// Package backups knows the files that backups taken on schedule become in a folder: how
// they are called, which is the newest, and which go when there are too many.
//
// The invariant: whatever else is in the folder, another vault's backups and those that a
// person has named, is neither looked at nor removed.
package backups
