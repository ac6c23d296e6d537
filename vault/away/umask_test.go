package away_test

import "syscall"

// Folders that the tests make must be such as are taken, whatever the umask of
// whoever runs them.
func init() { syscall.Umask(0o022) }
