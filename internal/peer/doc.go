// Package peer tells who is at the other end of a Unix socket, what is known of
// that process and its parents, and whose a path is.
//
// The invariant: what it reports comes from the kernel about the object
// itself, never from what the other side says; where the system cannot tell,
// the answer is an error and never a default. It decides nothing: who may
// connect is for the caller. Of a process only the uid is a fact; its id may
// be another's by the time it is looked at, and what [Ancestry] finds are hints
// for a person to read, which may be missing.
//
// On Windows everything here is an error that wraps [errors.ErrUnsupported], and
// no process has an ancestry.
package peer
