//go:build !unix

package durable

// SyncDir has nothing to do: here a folder cannot be synced.
func SyncDir(string) error { return nil }

// TrySyncDir has nothing to do either.
func TrySyncDir(string) error { return nil }
