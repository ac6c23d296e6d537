package child

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sysProcAttr lets the program end when we are killed, as it would be itself.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// action is the kernel's struct sigaction, and more; all zero is SIG_DFL.
type action [64]byte

// setAction sets what a signal does, and gives what it did; see sigaction(2). The
// Go runtime does not do this: signal.Reset lets it print a trace for some signals,
// and do nothing for others.
func setAction(sig syscall.Signal, to action) (was action) {
	const maskSize = 8
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&to)), uintptr(unsafe.Pointer(&was)), maskSize, 0, 0)
	return was
}

// stopAs stops this process by a signal, until it is continued.
func stopAs(sig syscall.Signal) {
	caught := setAction(sig, action{})
	syscall.Kill(os.Getpid(), sig)
	pause()
	setAction(sig, caught)
}

// dieAs ends this process by a signal.
func dieAs(sig syscall.Signal) {
	setAction(sig, action{})
	syscall.Kill(os.Getpid(), sig)
	pause()
}
