package child

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sysProcAttr lets the program end when we are killed, as it would be itself.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// defaultAction takes a signal from the Go runtime, which would print a trace for
// some and do nothing for others. All zero is SIG_DFL; see sigaction(2).
func defaultAction(sig syscall.Signal) {
	var action [64]byte
	const maskSize = 8
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, maskSize, 0, 0)
}
