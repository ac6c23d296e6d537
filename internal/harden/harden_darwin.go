package harden

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Process hardens the process that it runs in; to be called before the first
// secret is in memory. The soft limit on core files becomes 0, and the hard
// limit too unless keepHardCore is set: then a program that this one starts
// can be given its limit back. A process that is being traced already ends
// here, with status 45: that is how PT_DENY_ATTACH works, see ptrace(2).
func Process(keepHardCore bool) error {
	if err := unix.PtraceDenyAttach(); err != nil {
		return fmt.Errorf("refusing to be traced: %w", err)
	}
	return limitCore(keepHardCore)
}
