//go:build unix

package main

import (
	"os"
	"syscall"
)

// isNamedFile reports whether f is a regular file with a name. Shells make
// here-strings from files that they have unlinked.
func isNamedFile(f *os.File) bool {
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return !ok || st.Nlink > 0
}
