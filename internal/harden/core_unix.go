//go:build linux || darwin

package harden

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func limitCore(keepHard bool) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("reading the limit on core files: %w", err)
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
