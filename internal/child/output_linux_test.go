package child_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/child"
)

// Both streams to one file stay in order, and to two they stay apart.
func TestOrder(t *testing.T) {
	const script = `for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done`
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := through(t, "filter", "sh", "-c", script)
	cmd.Stdout, cmd.Stderr = f, f
	if got := ended(t, cmd); got != "exit 0" {
		t.Fatal(got)
	}
	got, err := os.ReadFile(path)
	if want := "O1\nE1\nO2\nE2\nO3\nE3\nO4\nE4\nO5\nE5\nO6\nE6\nO7\nE7\nO8\nE8\nO9\nE9\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	var stdout, stderr bytes.Buffer
	cmd = through(t, "filter", "sh", "-c", script)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if got := ended(t, cmd); got != "exit 0" || strings.Contains(stdout.String(), "E") || strings.Contains(stderr.String(), "O") {
		t.Errorf("%s, stdout %q, stderr %q", got, &stdout, &stderr)
	}
}

// A command whose output nobody reads any more finds that out, and ends as it will.
func TestBrokenPipe(t *testing.T) {
	for script, want := range map[string]string{
		`exec yes`: "signal broken pipe",
		`trap "" PIPE; while echo y; do :; done 2> /dev/null; exit 9`: "exit 9",
	} {
		for _, role := range roles {
			cmd := through(t, role, "sh", "-c", script)
			r, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			io.ReadFull(r, make([]byte, 1000))
			r.Close()
			cmd.Wait()
			if got := words(cmd); got != want {
				t.Errorf("%s of %s: %s, want %s", role, script, got, want)
			}
		}
	}
}

// Output that is lost is not passed over.
func TestFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	cmd := through(t, "filter", "echo", "x")
	cmd.Stdout, cmd.Stderr = full, &stderr
	ended(t, cmd)
	if !strings.Contains(stderr.String(), "lost: write /dev/stdout: no space left on device") {
		t.Errorf("stderr is %q", &stderr)
	}
}

// What is left behind holds up nothing for long; what the command itself wrote
// comes, however slowly it is read.
func TestLeftBehind(t *testing.T) {
	begin := time.Now()
	out, err := through(t, "filter", "sh", "-c", `(while sleep 0.05; do echo later; done) & echo $!; exit 0`).Output()
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	pid, later, _ := strings.Cut(string(out), "\n")
	if !strings.Contains(later, "LATER") {
		t.Errorf("%q", out)
	}
	gone(t, pid) // its pipe is closed

	cmd := through(t, "filter", "sh", "-c", `head -c 120000 /dev/zero | tr '\0' x; sleep 100 &`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(child.Grace + 300*time.Millisecond)
	all, err := io.ReadAll(r)
	if err != nil || len(all) != 120000 {
		t.Errorf("%d bytes came, %v", len(all), err)
	}
	cmd.Wait()
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the sleep
}

// A stream that is a terminal is handed over.
func TestTerminalIsKept(t *testing.T) {
	for script, want := range map[string]string{
		`test -t 0 && test -t 1 && echo terminal`: "terminal",
		`test -t 2 && echo terminal >&2`:          "terminal",
		`test -t 1 || echo none`:                  "NONE",
	} {
		p := openTerminal(t)
		cmd := through(t, "filter", "sh", "-c", script)
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = p.tty, p.tty, &stderr
		switch {
		case strings.Contains(script, "-t 2"):
			cmd.Stdout, cmd.Stderr = &stdout, p.tty
		case want == "NONE":
			cmd.Stdout, cmd.Stderr = &stdout, p.tty
		}
		ended(t, cmd)
		if want == "NONE" {
			if stdout.String() != "NONE\n" {
				t.Errorf("%s: %q", script, &stdout)
			}
			continue
		}
		p.shows(want)
	}
}
