//go:build !unix

package client

import "os"

// checkOurs trusts the access lists of the folders that a person names.
func checkOurs(*os.File, string, bool) error { return nil }
