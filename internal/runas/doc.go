// Package runas makes a process that root has started one of another user.
//
// The invariant: from [Begin] on this process does everything as that user, with
// that user's groups and no other, but for what is handed to [User.AsRoot]; and
// after [User.Drop] has returned nil there is no way back to root, for any thread.
// Its files are looked at as that user sees them, and what it makes is that user's.
//
// It does nothing for a process that is not root.
package runas
