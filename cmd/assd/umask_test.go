package main

import "syscall"

// Files that the tests make must be such as are taken, whatever the umask of
// whoever runs them: folders that a group can write are not.
func init() { syscall.Umask(0o022) }
