package main_test

import (
	"bytes"
	"cmp"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const passphrase = "correct horse battery"

// realVault is an assd with an owner, for tests that need a terminal as well.
type realVault struct {
	t      *testing.T
	dir    string
	env    []string
	daemon *exec.Cmd

	program string       // "": assd under test
	flags   []string     // besides those of data dir and socket
	files   []*os.File   // that the daemon gets as descriptors 3 and so on
	log     bytes.Buffer // of the daemon, to be read once that has ended
}

// startVault claims a vault with that approval passphrase, "" for none.
func startVault(t *testing.T, passphrase string) *realVault {
	t.Helper()
	v := unclaimed(t)
	args := []string{"login", "--no-passphrase"}
	if passphrase != "" {
		args = []string{"login", "--passphrase-file", v.file("pass", passphrase)}
	}
	v.ass(args...)
	return v
}

func unclaimed(t *testing.T) *realVault {
	t.Helper()
	v := newRealVault(t)
	v.start()
	t.Cleanup(v.stop)
	return v
}

// newRealVault has no daemon yet.
func newRealVault(t *testing.T) *realVault {
	t.Helper()
	dir, err := os.MkdirTemp("", "ass") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &realVault{t: t, dir: dir, env: []string{"HOME=" + dir, "TERM=xterm", "ASS_API_URL=unix://" + filepath.Join(dir, "s")}}
}

func (v *realVault) start() {
	v.t.Helper()
	args := append([]string{"serve", "--data-dir", filepath.Join(v.dir, "data"), "--socket", filepath.Join(v.dir, "s")}, v.flags...)
	v.daemon = exec.Command(cmp.Or(v.program, filepath.Join(bin, "assd")), args...)
	v.daemon.Env = v.env[:1]
	v.daemon.Stderr, v.daemon.ExtraFiles = &v.log, v.files
	if err := v.daemon.Start(); err != nil {
		v.t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if c, err := net.Dial("unix", filepath.Join(v.dir, "s")); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	v.t.Fatal("the daemon does not listen")
}

func (v *realVault) stop() {
	v.daemon.Process.Signal(syscall.SIGTERM)
	v.daemon.Wait()
}

func (v *realVault) file(name, text string) string {
	v.t.Helper()
	path := filepath.Join(v.dir, name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// ass runs what has to succeed, without a terminal, and returns its stdout.
func (v *realVault) ass(args ...string) string {
	v.t.Helper()
	out, err := v.command(v.env, args...).Output()
	if err != nil {
		v.t.Fatalf("ass %v: %v", args, err)
	}
	return string(out)
}

func (v *realVault) command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, "ass"), args...)
	cmd.Env, cmd.Stdin = env, strings.NewReader("value")
	return cmd
}

// agent makes an agent and returns what runs ass as it.
func (v *realVault) agent(args ...string) func(args ...string) (stderr string, code int) {
	v.t.Helper()
	key := v.ass(append([]string{"agents", "create", "--name", "bot", "--quiet"}, args...)...)
	env := append(v.env[:len(v.env):len(v.env)], "ASS_AGENT_KEY="+strings.TrimSpace(key))
	return func(args ...string) (string, int) {
		var stderr bytes.Buffer
		cmd := v.command(env, args...)
		cmd.Stderr = &stderr
		cmd.Run()
		return stderr.String(), cmd.ProcessState.ExitCode()
	}
}

// console runs ass on a terminal of 80 by 24, which is its stdin, stdout and stderr.
func (v *realVault) console(args ...string) *console {
	v.t.Helper()
	return startConsole(v.t, func(cmd *exec.Cmd, terminal *os.File) {
		cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = v.env, terminal, terminal, terminal
		resize(v.t, terminal, 80, 24)
	}, args...)
}

func resize(t *testing.T, terminal *os.File, cols, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: cols, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

// shows waits until the screen has text, n times.
func (c *console) shows(text string, n int) {
	c.t.Helper()
	c.await(text, func() bool { return strings.Count(c.screen(), text) >= n })
}

// answers types a line where it is asked for and not shown.
func (c *console) answers(prompt string, n int, line string) {
	c.t.Helper()
	c.shows(prompt, n)
	c.await("the end of echo", func() bool { return !c.echo() })
	c.typed(line)
}
