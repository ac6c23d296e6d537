// Package certs owns the certificate that the daemon shows on TLS: made once in
// the data dir, or the operator's; and the CA that clients must come from.
//
// The invariant: what is served is a certificate with its own key, both whole, in
// which nobody but root and the daemon's user has a say: the operator's files, the
// folders that lead to them and the symbolic links between belong to those two and
// can be written by nobody else, or the files are refused, as is a key that others
// can read. A changed pair takes the place of the one in use when all of it is
// good, for new connections alone; what is broken, half written, mismatched,
// expired or within another's reach leaves the old one serving and is logged with
// its reason. No error and no log line holds what a file holds.
//
// A pair is made key first, then the certificate, each written beside its name,
// synced and renamed. Killed before the key has its name: the next start begins
// anew. Killed between the two: it makes a certificate for the key that is there.
//
// What it will not do: renew. A certificate that ends soon, or lacks a name, is
// warned of, at the start and when it comes to that; replacing it changes what
// clients trust, and is for a person.
package certs
