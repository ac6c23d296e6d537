package vault_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault"
)

// steps are the calls by which a thread makes files durable and gives them names, as the
// kernel is asked for them, and what becomes of one of them.
type steps struct {
	t        *testing.T
	listener int
	seen     []string // "sync vault.db", "rename head.new-1 head"
	fail     int      // which one fails, from 0; less: none
	happens  bool     // and does what it says all the same
}

// watched are the calls that are looked at: where their paths stand in their arguments,
// two each; -1 is none.
var watched = map[uint32]struct {
	name  string
	paths [2]int
}{
	unix.SYS_FSYNC:     {"sync", [2]int{-1, -1}},
	unix.SYS_FDATASYNC: {"sync", [2]int{-1, -1}},
	unix.SYS_RENAMEAT:  {"rename", [2]int{1, 3}},
	unix.SYS_RENAMEAT2: {"rename", [2]int{1, 3}},
	unix.SYS_LINKAT:    {"link", [2]int{1, 3}},
	unix.SYS_UNLINKAT:  {"remove", [2]int{1, -1}},
}

// run runs fn on a thread of its own, whose calls are looked at. The thread ends with it.
func (s *steps) run(fn func()) {
	s.t.Helper()
	ready, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		fd, err := listen()
		s.listener = fd
		ready <- err
		if err == nil {
			fn()
		}
	}()
	if err := <-ready; err != nil {
		testenv.Skip(s.t, "system calls cannot be looked at here: "+err.Error())
	}
	defer unix.Close(s.listener)
	for {
		select {
		case <-done:
			return
		default:
			s.answer()
		}
	}
}

// listen has the kernel ask about the watched calls of this thread.
func listen() (fd int, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	prog := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for nr := range watched {
		prog = append(prog, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	prog = append(prog, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	filter := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	// A signal of the runtime's must not begin a call anew that is being looked at; before
	// Linux 5.19 it may.
	const listener = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	for _, flags := range []uintptr{listener | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, listener} {
		got, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&filter)))
		if errno == 0 {
			return int(got), nil
		}
		err = errno
	}
	return 0, err
}

// answer answers one call, if one comes soon.
func (s *steps) answer() {
	s.t.Helper()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.listener), Events: unix.POLLIN}}, 5); n < 1 || err != nil {
		return
	}
	var call [80]byte // struct seccomp_notif: id 8, pid 4, flags 4, nr 4, arch 4, ip 8, args 6*8
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s.listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&call))); errno != 0 {
		return
	}
	var reply [24]byte // struct seccomp_notif_resp: id 8, val 8, error 4, flags 4
	copy(reply[:8], call[:8])
	if s.decide(binary.NativeEndian.Uint32(call[16:]), call[32:]) {
		binary.NativeEndian.PutUint32(reply[20:], unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE)
	} else {
		no := -int32(syscall.EIO)
		binary.NativeEndian.PutUint32(reply[16:], uint32(no))
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s.listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&reply))); errno != 0 {
		s.t.Errorf("answering a call: %v", errno)
	}
}

// decide notes a call, and reports whether it is to happen and to be said to.
func (s *steps) decide(nr uint32, args []byte) bool {
	arg := func(n int) uint64 { return binary.NativeEndian.Uint64(args[8*n:]) }
	call := watched[nr]
	var paths []string
	if call.name == "sync" {
		is, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", arg(0)))
		paths = append(paths, is)
	}
	for _, at := range call.paths {
		if at >= 0 {
			paths = append(paths, textAt(arg(at)))
		}
	}
	text := call.name
	for _, p := range paths {
		text += " " + plainName(p)
	}
	s.seen = append(s.seen, text)
	if len(s.seen)-1 != s.fail {
		return true
	}
	if s.happens {
		s.itself(call.name, int(arg(0)), paths)
	}
	return false
}

// itself does what a call was to do.
func (s *steps) itself(name string, fd int, paths []string) {
	var err error
	switch name {
	case "sync":
		err = unix.Fsync(fd)
	case "rename":
		err = os.Rename(paths[0], paths[1])
	case "link":
		err = os.Link(paths[0], paths[1])
	case "remove":
		err = os.Remove(paths[0])
	}
	if err != nil {
		s.t.Errorf("%s: %v", name, err)
	}
}

// textAt is the text at an address of this process.
func textAt(address uint64) string {
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return ""
	}
	defer mem.Close()
	b := make([]byte, 512)
	n, _ := mem.ReadAt(b, int64(address))
	text, _, _ := strings.Cut(string(b[:n]), "\x00")
	return text
}

var random = regexp.MustCompile(`-[A-Z0-9]{10,}(-\d+)?Z?$|\.new-\d+$|-\d{8}T\d{6}Z(-\d+)?$`)

// plainName is the name of a file without what is random in it.
func plainName(p string) string { return random.ReplaceAllString(filepath.Base(p), "*") }

// TestRestoreSteps: what a restore and the start behind it ask the kernel for comes in the
// order in which no power cut loses anything. A step that fails, and one that fails and has
// happened, leaves the old vault or the backup, and says which.
func TestRestoreSteps(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "old")
	backup := h.copied()
	h.mustPut(h.owner, plain, "new")
	h.close()
	was := h.cfg.Dir
	inCopy := func() {
		h.cfg.Dir = filepath.Join(t.TempDir(), "data")
		mustOK(t, os.CopyFS(h.cfg.Dir, os.DirFS(was)))
		mustOK(t, os.Chmod(h.cfg.Dir, 0o700))
		for _, name := range []string{"vault.db", "root.key", "head"} {
			mustOK(t, os.Chmod(h.file(name), 0o600))
		}
	}
	defer func() { h.cfg.Dir = was }()

	inCopy()
	s := &steps{t: t, fail: -1}
	var err error
	s.run(func() { _, err = vault.Restore(ctx, h.cfg, backup) })
	mustOK(t, err)
	want := []string{
		"sync vault.db.restore*", "sync restore*", "rename restore* restore", "sync data",
		"link vault.db vault.db.replaced*", "rename vault.db.restore* vault.db", "sync data",
	}
	if !slices.Equal(s.seen, want) {
		t.Fatalf("restoring asks for %q, want %q", s.seen, want)
	}
	start := &steps{t: t, fail: -1}
	start.run(func() { err = h.tryOpen() })
	mustOK(t, err)
	wantSteps(t, start.seen, "sync vault.db", "remove restore", "sync data")
	h.mustGet(h.owner, plain, "old")
	h.close()
	for n := range want {
		for _, happens := range []bool{false, true} {
			inCopy()
			s := &steps{t: t, fail: n, happens: happens}
			s.run(func() { _, err = vault.Restore(ctx, h.cfg, backup) })
			h.wantEither(fmt.Sprintf("%s fails, happens %v", want[n], happens), err)
		}
	}
}

// wantSteps wants these among what was seen, in this order.
func wantSteps(t *testing.T, seen []string, want ...string) {
	t.Helper()
	left := want
	for _, step := range seen {
		if len(left) > 0 && strings.HasPrefix(step, left[0]) {
			left = left[1:]
		}
	}
	if len(left) > 0 {
		t.Errorf("%q has not %q in that order", seen, want)
	}
}

// wantEither opens the vault behind a restore that failed with err: it is the old one
// where that says so.
func (h *house) wantEither(what string, err error) {
	h.t.Helper()
	restored := err == nil // a name that is given all the same is no failure
	if restored && !strings.HasSuffix(what, "happens true") || !restored && !errors.Is(err, syscall.EIO) {
		h.t.Errorf("%s: %v", what, err)
		return
	}
	untouched := !restored && strings.Contains(err.Error(), "nothing was changed")
	if left, _ := filepath.Glob(h.file("vault.db.restore-*")); untouched && left != nil {
		h.t.Errorf("%s: left behind: %q", what, left)
	}
	if left, _ := filepath.Glob(h.file("restore.new-*")); left != nil && !strings.Contains(what, "rename") {
		h.t.Errorf("%s: left behind: %q", what, left)
	}
	if openErr := h.tryOpen(); openErr != nil {
		h.t.Errorf("%s, and the vault does not open: %v", what, openErr)
		return
	}
	defer h.close()
	got, err := h.get(h.owner, plain)
	if err != nil || got != "new" && got != "old" || untouched && got != "new" || restored && got != "old" {
		h.t.Errorf("%s: untouched %v, the value is %q, %v", what, untouched, got, err)
	}
	if _, err := os.Stat(h.file("restore")); err == nil {
		h.t.Errorf("%s: the note is still there", what)
	}
	if left := asides(h); len(left) > 0 != (got == "old") {
		h.t.Errorf("%s: the value is %q, and put aside is %q", what, got, left)
	}
}
