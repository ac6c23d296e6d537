package peer

import (
	"fmt"
	"net"
)

// Cred is the process that was at the other end of a socket when it connected,
// or, seen from a client, when the socket began to listen.
type Cred struct {
	// UID is the effective user id then.
	UID int
	// PID is a hint: 0 for a process outside our pid namespace, and a number
	// that may have been given anew since.
	PID int
}

// Of returns who is at the other end of c.
func Of(c *net.UnixConn) (Cred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Cred{}, fmt.Errorf("asking for the socket's peer: %w", err)
	}
	var cred Cred
	var credErr error
	if err := raw.Control(func(fd uintptr) { cred, credErr = ofFD(int(fd)) }); err != nil {
		return Cred{}, fmt.Errorf("asking for the socket's peer: %w", err)
	}
	if credErr != nil {
		return Cred{}, fmt.Errorf("asking for the socket's peer: %w", credErr)
	}
	return cred, nil
}
