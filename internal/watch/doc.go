// Package watch tells when files that somebody edits are to be looked at again.
//
// The invariant: no change stays unseen for longer than until the next poll,
// however the file was replaced: written in place, renamed over, reached through
// a swapped link, in a folder made anew, or on a file system that tells nothing.
// Changes close together are one look.
//
// It opens no file and says nothing of what is in one: whether there is anything
// new, and whether it is whole, is for the look, as package operator does it.
package watch
