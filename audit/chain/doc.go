// Package chain is what can be checked of a trail without a vault: the hash chain,
// its signed heads, the lineage of the keys that signed them, and checkpoints. Whoever
// has an export and a public key can do all of it; whoever has the file, as well.
//
// What it guarantees: a [Walker] accepts only what a daemon with those keys wrote, in
// that order, and names the first sequence number that is off and how. It reads no
// file, asks no clock, and holds no private key but for [Sign].
package chain
