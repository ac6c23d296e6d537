package harden

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Process hardens the process that it runs in; to be called before the first
// secret is in memory. The soft limit on core files becomes 0, and the hard
// limit too unless keepHardCore is set: then a program that this one starts
// can be given its limit back.
func Process(keepHardCore bool) error {
	// A process that is not dumpable belongs to root in /proc and cannot be
	// attached to, see prctl(2) and ptrace(2).
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process non-dumpable: %w", err)
	}
	return limitCore(keepHardCore)
}
