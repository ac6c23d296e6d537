//go:build !unix

package main

import "os"

// isNamedFile reports whether f is a regular file.
func isNamedFile(f *os.File) bool {
	fi, err := f.Stat()
	return err == nil && fi.Mode().IsRegular()
}
