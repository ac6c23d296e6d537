package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// underWay begins a write over c, of whose body some has been sent when the daemon reads it.
func underWay(t *testing.T, c net.Conn, key, body string) {
	t.Helper()
	fmt.Fprintf(c, "PUT /v1/secrets/a/LATE HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", key, len(body))
	said := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(c, said); err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 100 ") {
		t.Fatalf("a body is not asked for: %q, %v", said, err)
	}
	fmt.Fprint(c, body[:5])
}

// TestTermDrains: a request under way when SIGTERM comes is answered, a new one
// is not taken, and the daemon ends with 0.
func TestTermDrains(t *testing.T) {
	v := startFull(t, filepath.Join(t.TempDir(), "data"))
	const body = `{"value":"drained"}`
	c, err := net.Dial("unix", v.process.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	underWay(t, c, v.owner, body)
	if err := v.process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := v.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		late, err := net.Dial("unix", v.process.socket)
		if err != nil {
			break
		}
		late.Close()
		if time.Since(began) > 8*time.Second { // a drain takes ten at most
			t.Fatal("new connections are taken while draining")
		}
	}
	fmt.Fprint(c, body[5:])
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the request under way got %v, %v", res, err)
	}
	v.end()
	if !strings.Contains(v.err.String(), "stopping") {
		t.Errorf("the log does not say why it ended: %s", v.err.String())
	}
}

// TestTermWhileAnotherIsMade: a first start that makes another vault of a backup ends soon
// when it is told to, and leaves the backup for the next one.
func TestTermWhileAnotherIsMade(t *testing.T) {
	dir := t.TempDir()
	data, another, socket := filepath.Join(dir, "data"), filepath.Join(dir, "another"), filepath.Join(dir, "run", "s")
	backup, key := filepath.Join(data, "vault.db"), filepath.Join(data, "root.key")
	succeeds(t, "assd", "init", "--json", "--data-dir", data)
	succeeds(t, "assd", "restore", "--as-new", "--data-dir", another, backup)
	succeeds(t, "cp", "-p", key, another)
	errs, full := fullPipe(t)
	cmd := exec.Command("assd", "--data-dir", another, "--socket", socket)
	cmd.Stderr = full // so it stands still with its first line, before anything is made
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	full.Close()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Lstat(socket); err == nil {
			break // and so it is told of signals
		}
		if time.Since(began) > 30*time.Second {
			t.Fatal("it does not listen")
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	time.Sleep(200 * time.Millisecond) // so that it has come
	errs.SetReadDeadline(time.Now().Add(time.Minute))
	log, _ := io.ReadAll(errs)
	if err := cmd.Wait(); err != nil || !strings.Contains(string(log), "stopping before the vault was ready") {
		t.Errorf("it ended so: %v\n%s", err, strings.TrimLeft(string(log), "x"))
	}
	if left, _ := filepath.Glob(filepath.Join(another, "vault.db.*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
	if out := succeeds(t, "assd", "verify", "--data-dir", another); !strings.Contains(out, "nobody has opened it yet") {
		t.Errorf("it is\n%s", out)
	}
}

// succeeds runs what has to succeed.
func succeeds(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// fullPipe is a pipe that takes nothing until it is read from.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	for err == nil {
		_, err = io.WriteString(w, strings.Repeat("x", 4096))
	}
	return r, w
}
