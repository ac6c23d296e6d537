//go:build linux || darwin

package harden

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// before is the limit that this process was started with; it is written once, before
// anything else runs.
var before *unix.Rlimit

func limitCore(keepHard bool) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("reading the limit on core files: %w", err)
	}
	if keepHard && before == nil {
		was := limit
		before = &was
	}
	limit.Cur = 0
	if !keepHard {
		limit.Max = 0
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("turning off core files: %w", err)
	}
	return nil
}

// Lift calls start with the limit on core files that this process was started with,
// for a program to inherit, if [Process] has kept the hard one. On Linux this process
// leaves no core file even then, since it is not dumpable; a program is again.
func Lift(start func() error) error {
	if before == nil {
		return start()
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, before); err != nil {
		return fmt.Errorf("giving back the limit on core files: %w", err)
	}
	defer unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Max: before.Max})
	return start()
}
