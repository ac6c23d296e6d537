package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/shell"
)

// SocketConfig says how the Unix socket is made. With a Group the socket is for
// a system service: its folder is 0750 and its mode 0660, for that group. Without
// one it is for one user: 0700 and 0600, and peers of another uid are refused.
type SocketConfig struct {
	Path  string
	Group string
}

// maxSocketPath is the least that systems allow for the path of a socket.
const maxSocketPath = 103

// ErrInUse says that something already listens on the socket.
var ErrInUse = errors.New("in use by another daemon")

// ListenUnix makes the socket's folder private first, then the socket in it. A
// socket that nothing listens on is replaced; anything else in its place is left
// alone.
func ListenUnix(cfg SocketConfig) (net.Listener, error) {
	if len(cfg.Path) > maxSocketPath {
		return nil, fmt.Errorf("socket path %q is longer than %d bytes; choose a shorter one with --socket", cfg.Path, maxSocketPath)
	}
	gid, err := cfg.gid()
	if err != nil {
		return nil, err
	}
	if err := cfg.makeDir(gid); err != nil {
		return nil, err
	}
	if err := removeStale(cfg.Path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("listening on socket: %w; choose another path with --socket", err)
	}
	if err := cfg.secure(gid); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return newLocalListener(l.(*net.UnixListener), cfg.Group == ""), nil
}

// gid is the id of the group, or -1 for none.
func (cfg SocketConfig) gid() (int, error) {
	if cfg.Group == "" {
		return -1, nil
	}
	g, err := user.LookupGroup(cfg.Group)
	if _, unknown := errors.AsType[user.UnknownGroupError](err); unknown {
		return 0, fmt.Errorf("there is no group %q on this machine: add it, or choose another with --socket-group", cfg.Group)
	}
	if err != nil {
		return 0, fmt.Errorf("looking for socket group %q: %w", cfg.Group, err)
	}
	return strconv.Atoi(g.Gid)
}

func (cfg SocketConfig) makeDir(gid int) error {
	dir := filepath.Dir(cfg.Path)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return cannotMake(err)
	}
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil && gid >= 0:
		return errors.Join(os.Chown(dir, -1, gid), os.Chmod(dir, 0o750))
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrExist):
		return cannotMake(err)
	case gid >= 0:
		return checkShared(dir)
	}
	if err := peer.CheckPrivate(dir, true); err != nil {
		return fmt.Errorf("%w; or choose a path in another folder with --socket", err)
	}
	return nil
}

func cannotMake(err error) error {
	return fmt.Errorf("making socket folder: %w; choose a path in a folder of your own with --socket", err)
}

// checkShared refuses a system service's socket folder that others could
// replace the socket in.
func checkShared(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("looking at socket folder: %w", err)
	}
	if mode := info.Mode().Perm(); !info.IsDir() || mode&0o027 != 0 || mode&0o010 == 0 {
		return fmt.Errorf("socket folder %q must be open to its group and closed to others: chmod 750 %s", dir, shell.Quote(dir))
	}
	return peer.CheckParents(filepath.Join(dir, "socket"), os.Geteuid())
}

// secure sets the mode of the new socket. Its folder has kept others out so far.
func (cfg SocketConfig) secure(gid int) error {
	if gid < 0 {
		return os.Chmod(cfg.Path, 0o600)
	}
	return errors.Join(os.Chown(cfg.Path, -1, gid), os.Chmod(cfg.Path, 0o660))
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%q exists and is no socket; move it away or choose another path with --socket", path)
	}
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("socket %q is %w%s", path, ErrInUse, inUseHint), c.Close())
	}
	// Anything else may be a daemon that is too busy to accept.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("socket %q is %w (%w)%s", path, ErrInUse, err, inUseHint)
	}
	return os.Remove(path)
}

// inUseHint: the default socket may be one for all data dirs.
const inUseHint = ": stop that one, or choose another path with --socket PATH; each vault, with its own --data-dir, needs its own socket"

// localListener accepts local peers: with a bound on how many at once, each with
// its credentials, and in user mode none of another uid.
type localListener struct {
	*net.UnixListener
	sameUID bool
	slots   *slots
	mu      sync.Mutex
	perUID  map[int]int // connections
}

// localConn is a connection whose peer is known.
type localConn struct {
	*net.UnixConn
	cred peer.Cred
	once sync.Once
	done func()
}

func newLocalListener(l *net.UnixListener, sameUID bool) *localListener {
	local, _ := room()
	return &localListener{UnixListener: l, sameUID: sameUID, slots: newSlots(local), perUID: map[int]int{}}
}

func (l *localListener) Accept() (net.Conn, error) {
	for {
		if err := l.slots.take(func() {}); err != nil {
			return nil, err
		}
		c, err := l.AcceptUnix()
		if err != nil {
			l.slots.giveBack()
			return nil, err
		}
		cred, err := peer.Of(c)
		if err == nil && (!l.sameUID || cred.UID == os.Geteuid()) && l.count(cred.UID, 1) {
			return &localConn{UnixConn: c, cred: cred, done: func() { l.count(cred.UID, -1); l.slots.giveBack() }}, nil
		}
		c.Close()
		l.slots.giveBack()
	}
}

// pause stops accepting, and leaves the socket as it is, with who waits in it.
func (l *localListener) pause() error {
	l.slots.close()
	return l.SetDeadline(longAgo)
}

// Close stops accepting.
func (l *localListener) Close() error {
	l.slots.close()
	return l.UnixListener.Close()
}

// count counts the connections of a user; it reports whether there may be one
// more, so that one user does not keep the others out.
func (l *localListener) count(uid, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.perUID[uid]+n > maxPerUID && !l.sameUID {
		return false
	}
	if l.perUID[uid] += n; l.perUID[uid] <= 0 {
		delete(l.perUID, uid)
	}
	return true
}

// Close closes the connection and makes room for another.
func (c *localConn) Close() error {
	c.once.Do(c.done)
	return c.UnixConn.Close()
}

// Announce makes our uid, as it is now, the one that clients see at the other end of
// the socket: the system keeps that of whoever began to listen, and by then it may
// have been root.
func Announce(l net.Listener) error {
	u, ok := l.(syscall.Conn)
	if !ok {
		return errors.New("the socket is none of the system's")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return fmt.Errorf("announcing who listens: %w", err)
	}
	var listening error
	if err := raw.Control(func(fd uintptr) { listening = syscall.Listen(int(fd), maxBacklog) }); err != nil {
		return fmt.Errorf("announcing who listens: %w", err)
	}
	if listening != nil {
		return fmt.Errorf("announcing who listens: %w", listening)
	}
	return nil
}

// maxBacklog is how many connections may wait to be accepted; the system takes it
// for the most that it allows, as Go does for a listener.
const maxBacklog = 1<<16 - 1

// Adopt serves on a Unix socket that was made by someone else, systemd for
// example, who answers for its mode.
func Adopt(l net.Listener, cfg SocketConfig) (net.Listener, error) {
	u, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.New("the socket handed over is no Unix stream socket")
	}
	return newLocalListener(u, cfg.Group == ""), nil
}
