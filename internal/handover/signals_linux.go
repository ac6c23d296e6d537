package handover

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Hold has these signals wait from now on, in all threads, so that none of them is lost
// with this image: the next one gets them once it asks for them.
func Hold(signals ...os.Signal) error {
	var set uint64
	for _, s := range signals {
		if n, ok := s.(syscall.Signal); ok {
			set |= bits.RotateLeft64(1, int(n)-1)
		}
	}
	var pin runtime.Pinner
	pin.Pin(&set)
	defer pin.Unpin()
	_, _, errno := psx.Syscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, uintptr(unsafe.Pointer(&set)), 0, unsafe.Sizeof(set), 0, 0)
	if errno != 0 {
		return fmt.Errorf("holding signals back: %w", errno)
	}
	return nil
}
