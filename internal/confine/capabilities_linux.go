package confine

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// capabilities that root keeps: those to pass the modes of files, without which a
// folder on the way to its own may be shut to it. Folders bound what they open.
const capabilities = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH

// shedCapabilities gives up all other capabilities, in all threads. With some of
// them root would pass the limits: CAP_PERFMON reads the environment of every
// process in spite of Landlock.
func shedCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("looking for capabilities: %w", err)
	}
	data[0].Permitted &= capabilities
	data[0].Effective &= capabilities
	data[0].Inheritable = 0
	data[1] = unix.CapUserData{}
	header.Pid = 0 // each thread's own
	var pin runtime.Pinner
	pin.Pin(&header)
	pin.Pin(&data)
	defer pin.Unpin()
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	if errno != 0 {
		return fmt.Errorf("giving up capabilities: %w", errno)
	}
	return nil
}
