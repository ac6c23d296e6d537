package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long one process of a client, or one thing on its screen, may
// take.
const patience = 30 * time.Second

// result is what a process left.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a command to its end, with nothing on stdin and pipes for the rest.
// What it started and left goes with it.
func (w *world) run(t *testing.T, limit time.Duration, dir string, env []string, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%s does not end, or was interrupted\nstdout: %s\nstderr: %s", name, cut(stdout.String()), cut(stderr.String()))
	}
	killGroup(cmd)
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// killGroup ends a process that leads its group and all in it.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// ok fails the test unless the process exited with 0.
func (r result) ok(t *testing.T) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r)
	}
	return r
}

// fails fails the test unless the process exited with 1 and said all of this on
// stderr.
func (r result) fails(t *testing.T, said ...string) result {
	t.Helper()
	if r.code != 1 {
		t.Errorf("exit code %d, want 1\n%s", r.code, r)
	}
	for _, text := range said {
		if !strings.Contains(r.stderr, text) {
			t.Errorf("stderr does not say %q\n%s", text, r)
		}
	}
	return r
}

// shows fails the test unless all of this is on stdout.
func (r result) shows(t *testing.T, texts ...string) result {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout, text) {
			t.Errorf("stdout does not show %q\n%s", text, r)
		}
	}
	return r
}

func (r result) String() string {
	return "stdout: " + cut(r.stdout) + "\nstderr: " + cut(r.stderr)
}

// cut keeps a failure readable.
func cut(text string) string {
	const most = 4000
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
