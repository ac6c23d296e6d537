package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lookEnv makes this test's binary the process that looks at others.
const lookEnv = "CANARY_LOOK"

// init is before TestMain, which would build the binaries.
func init() {
	if os.Getenv(lookEnv) != "" {
		os.Exit(lookAround())
	}
}

// view is what the one who looks is told, on its standard input.
type view struct {
	Closed   []int    // processes that must be closed to it
	Open     int      // one of the same user that is not, so that there is something to see
	Canaries canaries // looked for in what every process shows
	Decoy    string   // stands in Open's arguments
}

// lookAround prints a line for each thing that it sees and should not.
func lookAround() int {
	var v view
	if err := json.NewDecoder(os.Stdin).Decode(&v); err != nil {
		fmt.Println("what to look at:", err)
		return 1
	}
	if os.Geteuid() == 0 {
		fmt.Println("this looks as root, to whom everything is open")
		return 1
	}
	for _, pid := range v.Closed {
		for _, seen := range open(pid) {
			fmt.Printf("process %d (%s): %s is open to its own user\n", pid, comm(pid), seen)
		}
	}
	if _, err := os.ReadFile(inProc(v.Open, "environ")); err != nil {
		fmt.Println("what is not protected is closed too, so this sees nothing:", err)
	}
	v.listing()
	return 0
}

// listing looks at what ps shows of all processes.
func (v view) listing() {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(all) == 0 {
		fmt.Println("there are no processes to be seen:", err)
	}
	decoy := false
	for _, dir := range all {
		for _, name := range []string{"cmdline", "comm", "stat", "status", "wchan"} {
			b, _ := os.ReadFile(filepath.Join(dir, name)) // it may have ended
			for canary, form := range v.Canaries.names(b) {
				fmt.Printf("%s/%s shows the %s (%s)\n", dir, name, canary, form)
			}
			decoy = decoy || bytes.Contains(b, []byte(v.Decoy))
		}
	}
	if !decoy {
		fmt.Println("not even what stands in an argument list is seen")
	}
}

func inProc(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

func comm(pid int) string {
	b, _ := os.ReadFile(inProc(pid, "comm"))
	return strings.TrimSpace(string(b))
}

// open are the ways into a process that are open. One that is refused is refused by
// its permissions: anything else would be a look at something that is not there.
func open(pid int) (seen []string) {
	if err := syscall.Kill(pid, 0); err != nil {
		return []string{"not it: no process of this user is there (" + err.Error() + "), it"}
	}
	for _, name := range []string{"environ", "mem", "maps", "smaps", "auxv", "pagemap", "syscall", "io"} {
		f, err := os.Open(inProc(pid, name))
		if err == nil {
			_, err = f.Read(make([]byte, 1))
			f.Close()
		}
		seen = appendOpen(seen, name, err)
	}
	for _, name := range []string{"exe", "cwd", "root"} {
		_, err := os.Readlink(inProc(pid, name))
		seen = appendOpen(seen, name, err)
	}
	for _, name := range []string{"fd", "fdinfo", "map_files"} {
		_, err := os.ReadDir(inProc(pid, name))
		seen = appendOpen(seen, name, err)
	}
	return append(seen, grasp(pid)...)
}

// grasp is open for what is no file.
func grasp(pid int) (seen []string) {
	buf := make([]byte, 8)
	local := []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}}
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&buf[0])), Len: len(buf)}}
	_, err := unix.ProcessVMReadv(pid, local, remote, 0)
	if errors.Is(err, unix.EFAULT) { // allowed, and there is nothing there
		err = nil
	}
	seen = appendOpen(seen, "process_vm_readv", err)
	if err = unix.PtraceAttach(pid); err == nil {
		unix.Wait4(pid, nil, unix.WALL, nil)
		unix.PtraceDetach(pid)
	}
	seen = appendOpen(seen, "ptrace", err)
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return append(seen, "pidfd_open fails ("+err.Error()+"), so pidfd_getfd")
	}
	defer unix.Close(fd)
	stolen, err := unix.PidfdGetfd(fd, 2, 0)
	if err == nil {
		unix.Close(stolen)
	}
	return appendOpen(seen, "pidfd_getfd", err)
}

func appendOpen(seen []string, what string, err error) []string {
	switch {
	case errors.Is(err, os.ErrPermission), errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENOSYS):
		return seen // not there, or not on this system
	case err == nil, errors.Is(err, io.EOF):
		return append(seen, what)
	}
	return append(seen, what+" ("+err.Error()+")")
}
