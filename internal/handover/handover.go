//go:build unix

package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// variable is what the new image is told by. It holds no secret.
const variable = "ASSD_HANDOVER"

// maxSockets is how many are handed over at most.
const maxSockets = 8

// note is the text of the variable.
type note struct {
	PID     int             `json:"pid"`
	Sockets map[string]int  `json:"sockets"` // descriptors, by name
	State   json.RawMessage `json:"state"`
}

// Program is the file of the program that runs, as [Exec] executes it: one that was
// replaced on disk meanwhile is still the one that runs.
func Program() (string, error) {
	const self = "/proc/self/exe" // Linux
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	return os.Executable()
}

// Exec executes this program anew and hands over these sockets, and state as JSON. It
// returns only where it fails.
func Exec(state any, sockets map[string]syscall.Conn) error {
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("executing %s anew: %w", os.Args[0], err)
	}
	program, err := Program()
	if err != nil {
		return fmt.Errorf("executing %s anew: %w", os.Args[0], err)
	}
	// Nothing else that is started meanwhile inherits them.
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	n := note{PID: os.Getpid(), Sockets: map[string]int{}, State: text}
	for name, s := range sockets {
		if n.Sockets[name], err = inherit(s); err != nil {
			return fmt.Errorf("handing over the %s: %w", name, err)
		}
	}
	told, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("executing %s anew: %w", os.Args[0], err)
	}
	env := append(environment(), variable+"="+string(told))
	return fmt.Errorf("executing %s anew: %w", os.Args[0], syscall.Exec(program, os.Args, env))
}

// inherit keeps a socket open across the exec.
func inherit(s syscall.Conn) (fd int, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Control(func(d uintptr) {
		fd = int(d)
		_, failed = unix.FcntlInt(d, unix.F_SETFD, 0)
	})
	return fd, errors.Join(err, failed)
}

// environment is ours without the variable.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, variable+"=") {
			env = append(env, e)
		}
	}
	return env
}

// Taken is what the image before has handed over.
type Taken struct {
	sockets map[string]*os.File
	state   json.RawMessage
	ends    chan os.Signal
}

// Take takes what was handed over, once; nil where nothing was. It is to be called before
// anything is opened or started.
func Take() (*Taken, error) {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return nil, nil
	}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT) // at once: until then they end it without a word
	if err := os.Unsetenv(variable); err != nil {
		return nil, err
	}
	var n note
	if err := json.Unmarshal([]byte(text), &n); err != nil || n.PID != os.Getpid() || len(n.Sockets) > maxSockets {
		return nil, fmt.Errorf("%s is set, and not by assd itself: unset it", variable)
	}
	t := &Taken{sockets: map[string]*os.File{}, state: n.State, ends: ends}
	seen := map[int]bool{}
	for name, fd := range n.Sockets {
		var st unix.Stat_t
		if fd <= 2 || seen[fd] || unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
			return nil, fmt.Errorf("%s names a descriptor that is no socket: unset it", variable)
		}
		seen[fd] = true
		syscall.CloseOnExec(fd)
		t.sockets[name] = os.NewFile(uintptr(fd), name)
	}
	return t, nil
}

// Ended reports whether this process was asked to stop since it began. From now on
// somebody else has to have asked to be told.
func (t *Taken) Ended() bool {
	signal.Stop(t.ends)
	return len(t.ends) > 0
}

// State reads what the image before has told.
func (t *Taken) State(into any) error {
	if err := json.Unmarshal(t.state, into); err != nil {
		return fmt.Errorf("taking over: %w", err)
	}
	return nil
}

// Socket is the one of that name, to be closed by the caller; nil where there is none.
func (t *Taken) Socket(name string) *os.File {
	f := t.sockets[name]
	delete(t.sockets, name)
	return f
}
