//go:build !unix

package assrc

import "os"

// checkOwner trusts the access list of the profile directory.
func checkOwner(*os.File, string) error { return nil }
