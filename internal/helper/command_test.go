package helper_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/helper"
)

// script is a program that sh runs.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRunHere: a command that hangs is killed with what it has started, one that prints
// too much as well, and neither gets anything of ours.
func TestRunHere(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	hang := helper.Command{Argv: []string{script(t, "sleep 1000 &\necho $! > "+pid+"\necho waiting >&2\nwait\n")}, Timeout: time.Second}
	p, err := hang.Run(t.Context())
	for len(p.Err) == 0 && hang.Timeout < 10*time.Second { // too short to begin
		hang.Timeout *= 4
		p, err = hang.Run(t.Context())
	}
	if failed := (*helper.Failure)(nil); !errors.As(err, &failed) || !strings.Contains(failed.Why, fmt.Sprintf("still running after %v and was killed", hang.Timeout)) {
		t.Errorf("one that hangs: %v", err)
	}
	if string(p.Err) != "waiting\n" {
		t.Errorf("it said %q", p.Err)
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	child, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err = syscall.Kill(child, 0); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err == nil && !zombie(child) {
		t.Error("what it started goes on")
	}
	loud := helper.Command{Argv: []string{"/bin/cat", "/dev/zero"}, Timeout: time.Minute, Max: 100}
	if p, err := loud.Run(t.Context()); err == nil || err.Error() != "the command printed more than 100 bytes and was killed" || len(p.Out) != 100 {
		t.Errorf("a loud one: %d bytes, %v", len(p.Out), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := loud.Run(ctx); err == nil {
		t.Error("run though it was called off")
	}
}

// zombie reports whether a process has ended and nobody has asked for it: here that may
// be the init of a container.
func zombie(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

// TestRunHereInheritsNothing: no descriptor, no environment, no input.
func TestRunHereInheritsNothing(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	// As from systemd: it is not closed by itself. Its number is above those that a shell
	// keeps for itself: 10 is the script that it reads.
	given, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD, 200)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(given)
	t.Setenv("ASS_AGENT_KEY", "a key")
	cmd := helper.Command{Argv: []string{script(t, "env | cut -d= -f1 | sort | tr '\\n' ' '\nls /dev/fd | wc -l\ncat\n[ -e /dev/fd/"+strconv.Itoa(given)+" ] && echo inherited\nexit 0\n")}, Timeout: time.Minute}
	p, err := cmd.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out := string(p.Out); strings.Contains(out, "ASS_") || strings.Contains(out, "inherited") || !strings.Contains(out, "HOME LANG ") {
		t.Errorf("it sees %q", out)
	}
}
