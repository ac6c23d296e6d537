package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/testenv"
)

func init() { asCommands["assd-without-fsync"] = withoutFsync }

// withoutFsync is assd where each fdatasync, which is how a commit is made durable, fails
// with EIO: a filter of the kernel's, which stays over exec.
func withoutFsync() {
	runtime.LockOSThread()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_FDATASYNC},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := errors.Join(
		unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
		unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0),
	)
	path, lookErr := exec.LookPath("assd")
	if err := errors.Join(err, lookErr); err != nil {
		fmt.Fprintln(os.Stderr, "no filter:", err)
		os.Exit(exitNoFilter)
	}
	err = syscall.Exec(path, append([]string{"assd"}, os.Args[1:]...), os.Environ())
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

const exitNoFilter = 77

// TestFailedFsync: when a commit cannot be made durable nothing is acknowledged, the
// daemon ends, and says why; the next one finds what is there.
func TestFailedFsync(t *testing.T) {
	v := startFull(t, filepath.Join(t.TempDir(), "data"))
	v.end()

	p := &process{cmd: exec.Command("assd-without-fsync", "--data-dir", v.dir, "--socket", v.process.socket), socket: v.process.socket, exited: make(chan struct{})}
	var out safeBuffer
	p.cmd.Stderr = &out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.exited) }()
	defer func() { p.cmd.Process.Kill(); <-p.exited }()
	if !p.answers() {
		<-p.exited
		if p.cmd.ProcessState.ExitCode() == exitNoFilter {
			testenv.Skip(t, "the kernel takes no filter here: "+out.String())
		}
		t.Fatalf("assd does not answer: %s", out.String())
	}
	if status, answer, err := call(p.socket, "PUT", "/v1/secrets/a/LOST", v.owner, `{"value":"v"}`); err == nil && status < 500 {
		t.Errorf("a write is answered %d %s", status, answer)
	}
	select {
	case <-p.exited:
	case <-time.After(time.Minute):
		t.Fatalf("assd goes on: %s", out.String())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("it ended with %d", code)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "unknown state") || !strings.Contains(last, "input/output error") || strings.Contains(last, "\t") {
		t.Errorf("its last line is %q", last)
	}
	if strings.Contains(out.String(), "panic") || strings.Contains(out.String(), "goroutine ") {
		t.Errorf("it says: %s", out.String())
	}
	if out, err := exec.Command("assd", "verify", "--data-dir", v.dir).CombinedOutput(); err != nil {
		t.Errorf("verify: %v: %s", err, out)
	}
	v.again()
}

// again starts the daemon anew, which has what it acknowledged, and stops it.
func (v *fullVault) again(flags ...string) {
	v.t.Helper()
	v.process = &process{cmd: exec.Command("assd", append([]string{"--data-dir", v.dir, "--socket", v.process.socket}, flags...)...), socket: v.process.socket, exited: make(chan struct{})}
	p := v.process
	p.cmd.Stderr = &v.err
	if err := p.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.exited) }()
	v.t.Cleanup(func() { p.cmd.Process.Kill(); <-p.exited })
	if !p.answers() {
		v.t.Fatalf("assd does not answer: %s", v.err.String())
	}
	if answer := v.want("GET", "/v1/secrets/a/K", v.owner, "", 200); !strings.Contains(answer, fullValue) {
		v.t.Error(answer)
	}
	v.end()
}

// TestReadOnlyFileSystem: on a disk that takes no writes assd does not start, says so in
// one line, and changes nothing; verify, which only reads, goes on.
func TestReadOnlyFileSystem(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can mount")
	}
	dir := t.TempDir()
	t.Run("mounted", func(t *testing.T) {
		runtime.LockOSThread() // and never unlocked: see TestSmallDisk
		err := errors.Join(
			unix.Unshare(unix.CLONE_NEWNS),
			unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"),
		)
		if err != nil {
			t.Fatalf("mounting a disk: %v", err)
		}
		v := startFull(t, filepath.Join(dir, "data"))
		v.end()
		before := v.files()
		if err := unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"--data-dir", v.dir, "--socket", v.process.socket}, {"init", "--json", "--data-dir", filepath.Join(dir, "new")}} {
			out, err := exec.Command("assd", args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "read-only file system") || strings.Count(strings.TrimSpace(string(out)), "\n") > 1 {
				t.Errorf("assd %q: %v\n%s", args, err, out)
			}
			t.Logf("%s", out)
		}
		if out, err := exec.Command("assd", "verify", "--data-dir", v.dir).CombinedOutput(); err != nil {
			t.Errorf("verify: %v: %s", err, out)
		}
		if after := v.files(); after != before {
			t.Errorf("there was %s, and now %s", before, after)
		}
		if err := unix.Mount("none", dir, "", unix.MS_REMOUNT, ""); err != nil {
			t.Fatal(err)
		}
		v.again()
	})
}

// files is what lies in the data dir.
func (v *fullVault) files() (text string) {
	v.t.Helper()
	entries, err := os.ReadDir(v.dir)
	for _, e := range entries {
		info, ierr := e.Info()
		err = errors.Join(err, ierr)
		text += fmt.Sprintf("%s %d %v %v; ", e.Name(), info.Size(), info.Mode(), info.ModTime().UnixNano())
	}
	if err != nil {
		v.t.Fatal(err)
	}
	return text
}
