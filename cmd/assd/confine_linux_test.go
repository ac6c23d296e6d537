package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/testenv"
)

// threads are the lines of that name in the status of each thread of a process.
func threads(t *testing.T, pid int, name string) (lines []string) {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(paths) < 2 {
		t.Fatalf("process %d has the threads %q, %v", pid, paths, err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // a thread that has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, name+":"); ok {
				lines = append(lines, strings.Join(strings.Fields(rest), " "))
			}
		}
	}
	return lines
}

// allThreads checks that all threads of a process have this line in their status.
func allThreads(t *testing.T, pid int, name, want string) {
	t.Helper()
	for _, got := range threads(t, pid, name) {
		if got != want {
			t.Errorf("a thread has %s: %s; want %s", name, got, want)
		}
	}
}

// said waits until the log of the daemon holds the text so often.
func (v *fullVault) said(text string, times int) {
	v.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if strings.Count(v.err.String(), text) >= times {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	v.t.Fatalf("the log does not say %q %d times:\n%s", text, times, v.err.String())
}

// place writes a file as an editor does, by rename.
func place(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestConfined: a daemon takes files that are replaced in the folders that it began
// with, and none from elsewhere, whatever leads there.
func TestConfined(t *testing.T) {
	dir := t.TempDir()
	etc, other := filepath.Join(dir, "etc"), filepath.Join(dir, "other")
	for _, d := range []string{etc, other} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const deny = "[[rule]]\neffect = \"deny\"\nreason = \"none of it\"\n"
	policyFile := filepath.Join(etc, "p.toml")
	place(t, policyFile, "# no rules\n")
	place(t, filepath.Join(other, "p.toml"), deny)
	v := startFull(t, filepath.Join(dir, "data"), "--policy", policyFile)
	if me := v.want("GET", "/v1/me", v.owner, "", 200); !strings.Contains(me, `"confined":"full"`) {
		testenv.Skip(t, "this system cannot confine a daemon in full: "+me)
	}
	pid := v.process.cmd.Process.Pid
	allThreads(t, pid, "NoNewPrivs", "1")
	capabilities := "0000000000000000"
	if os.Geteuid() == 0 {
		capabilities = "0000000000000006" // to pass the modes of files
		v.said("assd runs as root; a user of its own is safer: assd --user NAME", 1)
	}
	for _, set := range []string{"CapEff", "CapPrm"} {
		allThreads(t, pid, set, capabilities)
	}

	read := func(status int) {
		t.Helper()
		v.want("GET", "/v1/secrets/a/K", v.agent, "", status)
	}
	read(200)
	if err := os.Remove(policyFile); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(other, "p.toml"), policyFile); err != nil {
		t.Fatal(err)
	}
	const restart = "it lies outside the folders that assd has kept itself to since its start: restart assd"
	v.said(restart, 1)
	read(200)
	place(t, policyFile, deny)
	v.said("changed=true", 2)
	read(403)
	if err := os.Rename(etc, etc+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(etc, 0o700); err != nil {
		t.Fatal(err)
	}
	place(t, policyFile, "# no rules\n")
	if err := v.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	v.said("SIGHUP", 1)
	v.said(restart, 2)
	read(403)
	v.end()
	if _, err := os.Lstat(v.process.socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestReadyAbstract: systemd is told, too, where it listens on an abstract socket.
func TestReadyAbstract(t *testing.T) {
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@" + dir, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	cmd := exec.Command("assd", "--data-dir", filepath.Join(dir, "data"), "--socket", filepath.Join(dir, "data", "s"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET=@"+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	b := make([]byte, 100)
	notify.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := notify.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("systemd was told %q, %v", b[:n], err)
	}
}
