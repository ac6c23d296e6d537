//go:build !unix

package main

import "os"

// tryLock has no lock to take: two at the same time may leave the lower checkpoint.
func tryLock(*os.File) (bool, error) { return true, nil }
