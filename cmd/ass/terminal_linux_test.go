package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// console is a terminal with one run of ass on it. The terminal is not the
// run's stdin: prompts have to find it.
type console struct {
	t    *testing.T
	ptm  *os.File
	cmd  *exec.Cmd
	mu   sync.Mutex
	seen bytes.Buffer
}

func startOnConsole(t *testing.T, args ...string) *console {
	t.Helper()
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ptm.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(ptm.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	pts, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, ptm: ptm, cmd: exec.Command(filepath.Join(bin, "ass"), args...)}
	c.cmd.Env = []string{"HOME=" + t.TempDir()}
	c.cmd.ExtraFiles = []*os.File{pts} // descriptor 3 becomes the controlling terminal
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 1024)
		for {
			n, err := ptm.Read(buf)
			c.mu.Lock()
			c.seen.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { c.cmd.Process.Kill(); pts.Close(); ptm.Close() })
	return c
}

func (c *console) screen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.String()
}

func (c *console) echo() bool {
	mode, err := unix.IoctlGetTermios(int(c.ptm.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}

// await waits until ok, which is about what.
func (c *console) await(what string, ok func() bool) {
	c.t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("%s does not come; the screen says %q", what, c.screen())
}

func (c *console) typed(s string) {
	if _, err := c.ptm.WriteString(s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *console) exitCode() int {
	c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

func TestSecretPromptDoesNotEcho(t *testing.T) {
	c := startOnConsole(t, "login", "--api-url", "https://127.0.0.1:1")
	c.await("the prompt", func() bool { return strings.Contains(c.screen(), "API Key") })
	c.await("the end of echo", func() bool { return !c.echo() })
	c.typed("ask_live_hunter2\n")
	if code := c.exitCode(); code != 6 {
		t.Errorf("exit code %d, want 6", code)
	}
	if strings.Contains(c.screen(), "hunter2") {
		t.Errorf("the key is on the screen: %q", c.screen())
	}
	if !c.echo() {
		t.Error("echo stays off")
	}
}

func TestInterruptAtAPromptRestoresTheTerminal(t *testing.T) {
	c := startOnConsole(t, "login", "--api-url", "https://127.0.0.1:1")
	c.await("the prompt", func() bool { return strings.Contains(c.screen(), "API Key") })
	c.await("the end of echo", func() bool { return !c.echo() })
	c.typed("\x03")
	if code := c.exitCode(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if !c.echo() {
		t.Error("echo stays off after an interrupt")
	}
}
