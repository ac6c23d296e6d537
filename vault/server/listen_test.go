//go:build unix

package server_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/vault/server"
)

// listen makes the socket and closes it with the test.
func listen(t *testing.T, cfg server.SocketConfig) net.Listener {
	t.Helper()
	l, err := server.ListenUnix(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// TestSocketIsPrivate: whatever the umask, nobody else gets at the socket.
func TestSocketIsPrivate(t *testing.T) {
	for _, mask := range []int{0o000, 0o022, 0o077} {
		path := filepath.Join(socketDir(t), "new", "run", "s")
		old := syscall.Umask(mask)
		l, err := server.ListenUnix(server.SocketConfig{Path: path})
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		if dir, s := mode(t, filepath.Dir(path)).Perm(), mode(t, path).Perm(); dir != 0o700 || s != 0o600 {
			t.Errorf("umask %03o: folder %04o, socket %04o; want 0700, 0600", mask, dir, s)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a closed socket stays: %v", err)
		}
	}
}

// TestOpenSocketFolder: one that others get into is refused, and left alone.
func TestOpenSocketFolder(t *testing.T) {
	for _, perm := range []fs.FileMode{0o755, 0o750, 0o701, 0o777, 0o777 | fs.ModeSticky} {
		dir := filepath.Join(socketDir(t), "run")
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, perm)); err != nil {
			t.Fatal(err)
		}
		_, err := server.ListenUnix(server.SocketConfig{Path: filepath.Join(dir, "s")})
		if err == nil || !strings.Contains(err.Error(), "chmod 700") || !strings.Contains(err.Error(), "--socket") {
			t.Errorf("folder %04o: %v", perm, err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 || mode(t, dir)&^fs.ModeDir != perm {
			t.Errorf("folder %04o was changed: %v, %v", perm, mode(t, dir), left)
		}
	}
	dir := socketDir(t)
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ListenUnix(server.SocketConfig{Path: filepath.Join(link, "s")}); err == nil {
		t.Error("a folder that is a symbolic link was taken")
	}
}

// TestStaleSocket: one that nobody listens on is replaced.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(socketDir(t), "run", "s")
	old := listen(t, server.SocketConfig{Path: path})
	raw := old.(interface{ SetUnlinkOnClose(bool) })
	raw.SetUnlinkOnClose(false) // as after kill -9
	old.Close()
	if mode(t, path).Type() != fs.ModeSocket {
		t.Fatal("the stale socket is gone")
	}
	listen(t, server.SocketConfig{Path: path})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestLiveSocket: one that somebody listens on is in use, and goes on working.
func TestLiveSocket(t *testing.T) {
	d := start(t)
	if _, err := server.ListenUnix(server.SocketConfig{Path: d.socket}); !errors.Is(err, server.ErrInUse) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "stop that one, or choose another path with --socket") || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("got %v; want ErrInUse and what to do", err)
	}
	d.want(d.call("GET", "/v1/health", "", ""), "")
}

// TestBusySocket: one whose listener is too busy to accept is in use too.
func TestBusySocket(t *testing.T) {
	dir := filepath.Join(socketDir(t), "run")
	path := filepath.Join(dir, "s")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	for full := false; !full; { // until the queue of connections is full
		c, err := net.Dial("unix", path)
		if full = err != nil; !full {
			defer c.Close()
		}
	}
	before, _ := os.Lstat(path)
	if _, err := server.ListenUnix(server.SocketConfig{Path: path}); !errors.Is(err, server.ErrInUse) || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("the socket of a busy daemon: %v", err)
	}
	if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the socket of a busy daemon is gone: %v", err)
	}
}

// TestOccupied: what is no socket is neither replaced nor followed.
func TestOccupied(t *testing.T) {
	dir := filepath.Join(socketDir(t), "run")
	file, link, sub := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "sub")
	target := filepath.Join(dir, "target")
	if err := errors.Join(
		os.Mkdir(dir, 0o700), os.WriteFile(file, []byte("precious"), 0o600), os.Mkdir(sub, 0o700),
		os.Symlink(target, link), syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "link", "sub", "fifo"} {
		path := filepath.Join(dir, name)
		before := mode(t, path)
		_, err := server.ListenUnix(server.SocketConfig{Path: path})
		if err == nil || !strings.Contains(err.Error(), "--socket") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if after := mode(t, path); after != before {
			t.Errorf("%s was %v and is %v", name, before, after)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	// A link to a live socket is not followed either.
	d := start(t)
	if err := errors.Join(os.Remove(link), os.Symlink(d.socket, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ListenUnix(server.SocketConfig{Path: link}); err == nil {
		t.Error("a link to a socket was taken")
	}
	if got, _ := os.Readlink(link); got != d.socket {
		t.Error("the link was changed")
	}
}

// TestLongSocketPath: the bound is told, with the way out.
func TestLongSocketPath(t *testing.T) {
	dir := filepath.Join(socketDir(t), "run")
	longest := filepath.Join(dir, strings.Repeat("s", 103-len(dir)-1))
	listen(t, server.SocketConfig{Path: longest})
	_, err := server.ListenUnix(server.SocketConfig{Path: longest + "s"})
	if err == nil || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("got %v", err)
	}
}

// TestSocketGroup: for a system service the group gets in, and nobody else.
func TestSocketGroup(t *testing.T) {
	group, gid := anotherGroup(t)
	path := filepath.Join(socketDir(t), "run", "s")
	listen(t, server.SocketConfig{Path: path, Group: group})
	for at, want := range map[string]fs.FileMode{filepath.Dir(path): 0o750, path: 0o660} {
		info, err := os.Lstat(at)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Gid; info.Mode().Perm() != want || int(got) != gid {
			t.Errorf("%s: mode %04o of group %d; want %04o of %d", at, info.Mode().Perm(), got, want, gid)
		}
	}
	dir := filepath.Join(socketDir(t), "run")
	if err := errors.Join(os.Mkdir(dir, 0o770), os.Chmod(dir, 0o770)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ListenUnix(server.SocketConfig{Path: filepath.Join(dir, "s"), Group: group}); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("a folder that the group can write: %v", err)
	}
	const nobody = "no-such-group-here"
	if _, err := server.ListenUnix(server.SocketConfig{Path: path + "2", Group: nobody}); err == nil || !strings.Contains(err.Error(), `no group "`+nobody+`" on this machine`) || !strings.Contains(err.Error(), "--socket-group") {
		t.Errorf("a group that does not exist: %v", err)
	}
}

// TestNoSocketFolder: where none can be made, the way out is told.
func TestNoSocketFolder(t *testing.T) {
	file := filepath.Join(socketDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(file, "s"), filepath.Join(file, "run", "s"), "/proc/self/s/s"} {
		_, err := server.ListenUnix(server.SocketConfig{Path: path})
		if err == nil || !strings.Contains(err.Error(), "--socket") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// anotherGroup is a group that we may give files to: as root one that is not
// ours, else our own.
func anotherGroup(t *testing.T) (string, int) {
	t.Helper()
	gid := os.Getegid()
	if os.Geteuid() == 0 {
		gid = 1
	}
	g, err := user.LookupGroupId(strconv.Itoa(gid))
	if err != nil {
		t.Fatal(err)
	}
	return g.Name, gid
}

// TestAdopt: a socket handed over is served as well, one of another kind not.
func TestAdopt(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if _, err := server.Adopt(tcp, server.SocketConfig{}); err == nil {
		t.Error("a TCP socket was taken for a Unix socket")
	}
}
