package main_test

import (
	"net"
	"runtime"
	"syscall"
)

// detach leaves the terminal that the tests were started from, so that scripts
// have none unless they attach one.
func detach() { syscall.Setsid() }

// listenAs listens on a socket as the user uid, or as ourselves when it is -1.
// It changes the effective uid of one thread, which ends with its goroutine;
// for files the thread stays root.
func listenAs(uid int, path string) (l net.Listener, err error) {
	if uid < 0 {
		return net.Listen("unix", path)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		const keep = ^uintptr(0)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
			err = errno
			return
		}
		syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
		l, err = net.Listen("unix", path)
	}()
	<-done
	return l, err
}
