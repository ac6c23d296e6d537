package peer

import (
	"errors"

	"golang.org/x/sys/unix"
)

// noUID is what the kernel reports where no process has connected.
const noUID = ^uint32(0)

func ofFD(fd int) (Cred, error) {
	ucred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Cred{}, err
	}
	if ucred.Uid == noUID {
		return Cred{}, errors.New("nobody is connected")
	}
	return Cred{UID: int(ucred.Uid), PID: int(ucred.Pid)}, nil
}
