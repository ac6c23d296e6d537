//go:build crashpoints && unix

package crashpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// env says where to end: a name, a colon, and how many times it is come to.
const env = "ASSD_CRASH_AT"

var (
	target string
	left   atomic.Int64
)

func init() {
	name, times, ok := strings.Cut(os.Getenv(env), ":")
	n, err := strconv.ParseInt(times, 10, 64)
	if ok && err == nil {
		target = name
		left.Store(n)
	}
}

// At ends the process if this is the place, and the time.
func At(name string) {
	if name == target && left.Add(-1) == 0 {
		syscall.Kill(syscall.Getpid(), syscall.SIGKILL) //nolint:errcheck // there is no after
		select {}
	}
}
