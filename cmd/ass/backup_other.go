//go:build !unix

package main

// syncFolder has nothing to do: here a folder cannot be synced.
func syncFolder(string) error { return nil }
