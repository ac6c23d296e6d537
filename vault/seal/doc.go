// Package seal owns the root key: the 32 random bytes from which every other
// key of a vault is derived or under which it is wrapped.
//
// Its invariant: the root key is nowhere in the clear but in memory. On disk it
// lies in slots, each of which wraps it under another secret, and a wrapped
// blob of one role, tenant or id does not open as another. What a person must
// approve it wraps for each passphrase and that under the root key, so that the
// root key alone, and whoever holds it, opens none of it.
//
// The package does no I/O but for the key file, runs no program, and never puts
// key material into an error or anything printed.
package seal
