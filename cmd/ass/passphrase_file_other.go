//go:build !unix

package main

import "io/fs"

// lookAtPassphraseFile leaves it to access lists who can open the file.
func lookAtPassphraseFile(fs.FileInfo, string) (string, error) { return "", nil }
