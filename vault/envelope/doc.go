// Package envelope encrypts the values of secrets. Every sealed value has a
// fresh AES-256-GCM key of its own (the DEK), wrapped by a keyset of the vault
// (the KEK, a Tink keyset): a [Keyring], which seals and opens, or an
// [ApprovalKey], of which the daemon keeps the public half, so that it seals
// values that it opens only when someone's passphrase has brought the private
// half.
//
// Its invariant: value and wrapped DEK are bound, each under its own label, to
// the [Place] they were sealed for and to the keyset's id, so a sealed value
// that was moved, swapped or changed in any byte does not open. A keyring takes over
// what another one has sealed by wrapping the DEK anew, with the id that the value
// stays bound to behind it. Plaintext
// leaves the package in a [Plaintext] alone, which prints as [REDACTED].
//
// What a keyring opens, the vault has sealed. What an approval key opens, anyone
// may have, since the public half is in the file: whoever reads it compares its
// [Digest] with the one in an authenticated record.
//
// The package does no I/O and decides nothing about who may read.
package envelope
