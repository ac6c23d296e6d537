package helper

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// inherited is the descriptor that [Start] gives the helper.
const inherited = 3

// Inherited is the socket that this process, as the helper, was started with. Every
// other descriptor that it was started with, beyond the first three, is closed, and
// signals that are meant for the daemon are not obeyed: it ends when the daemon does.
func Inherited() (net.Conn, error) {
	// Caught and not ignored: what is ignored would be so in commands too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	syscall.CloseOnExec(inherited)
	if err := inheritable(inherited, func(fd int) { _ = syscall.Close(fd) }); err != nil {
		return nil, err
	}
	f := os.NewFile(inherited, "daemon")
	defer f.Close() // FileConn has its own
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, errors.New("this is for assd itself to start")
	}
	return conn, nil
}

// inheritable calls each for what another program would inherit, but for standard
// streams and keep: whatever this program
// has opened itself closes by itself there.
func inheritable(keep int, each func(fd int)) error {
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return fmt.Errorf("looking for open files: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("looking for open files: %w", err)
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd < inherited || fd == keep {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			each(fd)
		}
	}
	return nil
}
