// Package generate makes new values: random text, identifiers, private keys.
//
// The invariant: every value comes from crypto/rand alone, each of those that a
// recipe allows as likely as any other, and is UTF-8. A recipe that was parsed can
// always make one.
//
// What it will not do: store a value, or say whether it is strong enough for what
// it is used for.
package generate
