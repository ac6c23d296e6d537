// Package wipe reads what may be a secret into memory that its caller can wipe.
//
// The invariant: of what was read there is no copy but the one that is returned,
// nothing at all beside an error. What the reader itself keeps is its own affair.
package wipe
