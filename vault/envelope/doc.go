// Package envelope encrypts the values of secrets. Every sealed value has a
// fresh AES-256-GCM key of its own (the DEK), wrapped by a keyset of the vault
// (the KEK, a Tink keyset).
//
// Its invariant: value and wrapped DEK are bound, each under its own label, to
// the [Place] they were sealed for and to the keyset's id, so a sealed value
// that was moved, swapped or changed in any byte does not open. Plaintext
// leaves the package in a [Plaintext] alone, which prints as [REDACTED].
//
// The package does no I/O and decides nothing about who may read.
package envelope
