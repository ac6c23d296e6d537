package peer

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxStat = 4096                  // bytes of /proc/PID/stat, which has some 350
	tick    = 10 * time.Millisecond // the unit of times in it, on every processor we build for
)

// system is the one we run on.
type system struct{ booted time.Time }

// newSystem asks the clock that processes' starts are given on when it began,
// which spares a walk through /proc/stat and its line for each interrupt.
func newSystem() system {
	var since unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &since); err != nil {
		return system{}
	}
	return system{time.Now().Add(-time.Duration(since.Nano()))}
}

// look opens the folder of the process once: a process that comes to have its id
// has another.
func (s system) look(pid int) (seen, bool) {
	dir, err := os.OpenRoot(filepath.Join("/proc", strconv.Itoa(pid)))
	if err != nil {
		return seen{}, false
	}
	defer dir.Close()
	f, err := dir.Open("stat")
	if err != nil {
		return seen{}, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxStat))
	if err != nil {
		return seen{}, false
	}
	p, ok := parseStat(b)
	if !ok {
		return seen{}, false
	}
	p.PID = pid
	if !s.booted.IsZero() {
		p.Started = s.booted.Add(time.Duration(p.since) * tick)
	}
	p.Exe, _ = dir.Readlink("exe") // "" of a kernel thread, or of what is not ours to see
	return p, true
}

// parseStat reads "PID (NAME) STATE PPID …", with the start as the 22nd field. A
// name may hold anything, so it ends at the last bracket. See proc_pid_stat(5).
func parseStat(b []byte) (seen, bool) {
	from, to := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if from < 0 || to < from {
		return seen{}, false
	}
	rest := bytes.Fields(b[to+1:]) // from the third on
	if len(rest) < 20 {
		return seen{}, false
	}
	parent, err := strconv.Atoi(string(rest[1]))
	if err != nil {
		return seen{}, false
	}
	since, err := strconv.ParseUint(string(rest[19]), 10, 39) // as many as a Duration holds
	if err != nil {
		return seen{}, false
	}
	return seen{Process: Process{Name: string(b[from+1 : to])}, parent: parent, since: since}, true
}
