// Package away takes a checkpoint of the trail to one place outside the vault: a file,
// a webhook, or a system log; and a backup to a folder.
//
// What it guarantees: an attempt ends when its context does, and within [Timeout]
// (but that of a backup), even where a disk or a name server hangs. A file is appended to,
// never changed; what others could have put in its place is not written to; and one note
// can be told from the next, also where a full disk or a power cut has left half of one.
//
// What it will not do: try again, know when to send, or keep what was sent.
//
// BUG: an attempt that hangs in the system is left behind until the system gives it
// up; the place takes no other one meanwhile.
package away
