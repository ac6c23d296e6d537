//go:build unix && !linux

package child

import "syscall"

func sysProcAttr() *syscall.SysProcAttr { return nil }

// defaultAction: what the Go runtime does with the signal has to do.
func defaultAction(syscall.Signal) {}
