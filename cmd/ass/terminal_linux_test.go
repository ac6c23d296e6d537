package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/vault/api"
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
	return startConsole(t, func(*exec.Cmd, *os.File) {}, args...)
}

// startConsole lets edit put the terminal in the place of more than the
// controlling one.
func startConsole(t *testing.T, edit func(cmd *exec.Cmd, terminal *os.File), args ...string) *console {
	t.Helper()
	ptm, pts := openPTY(t)
	c := &console{t: t, ptm: ptm, cmd: exec.Command(filepath.Join(bin, "ass"), args...)}
	c.cmd.Env = []string{"HOME=" + t.TempDir()}
	c.cmd.ExtraFiles = []*os.File{pts} // descriptor 3 becomes the controlling terminal
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	edit(c.cmd, pts)
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

func openPTY(t *testing.T) (ptm, pts *os.File) {
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
	pts, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ptm, pts
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
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
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
	c.t.Helper()
	late := time.AfterFunc(time.Minute, func() { c.cmd.Process.Kill() })
	c.cmd.Wait()
	if !late.Stop() {
		c.t.Errorf("it does not end; the screen says %q", c.screen())
	}
	return c.cmd.ProcessState.ExitCode()
}

// healthy is the URL of a daemon that is healthy and hangs up on all else.
func healthy(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/health" {
			panic(http.ErrAbortHandler)
		}
		w.Write([]byte(`{"status":"ok"}`))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestSecretPromptDoesNotEcho(t *testing.T) {
	c := startOnConsole(t, "login", "--api-url", healthy(t))
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
	c := startOnConsole(t, "login", "--api-url", healthy(t))
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

// Nobody is asked to type a key for a daemon that is not the one that was meant.
func TestNoPromptForAStranger(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	c := startOnConsole(t, "login", "--api-url", srv.URL)
	c.typed("ask_live_x\n") // or it would wait, were it asked
	if code := c.exitCode(); code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
	if strings.Contains(c.screen(), "API Key") {
		t.Errorf("it was asked for a key: %q", c.screen())
	}
}

// Whoever decides at a terminal sees all that is decided, and nothing that a
// stranger has chosen moves the cursor. The digest that is sent is of that.
func TestApproveShowsWhatItDecides(t *testing.T) {
	ttl := api.TTL(time.Hour)
	d := startApprovals(t, api.Approval{
		ID: "apr_1", AgentID: "bot\x1b[2K", AccessTier: "critical", Source: "local uid 7", Digest: "sha256:shown",
		RequestedScopes: []string{"secrets:read:prod/" + strings.Repeat("x", 300), "secrets:delete:prod/B"},
		TTL:             &ttl, MaxUses: 1, IPAllowlist: []string{"10.0.0.1"},
	})
	var stdout bytes.Buffer
	c := startConsole(t, func(cmd *exec.Cmd, terminal *os.File) {
		cmd.Stdout, cmd.Stderr = &stdout, terminal
	}, "approvals", "approve", "apr_1", "--reason", "why", "--api-url", d.url, "--api-key", "ask_live_x")
	if code := c.exitCode(); code != 0 {
		t.Fatalf("exit code %d; the screen says %q", code, c.screen())
	}
	for _, want := range []string{
		"About to approve:", `apr_1: bot\x1b[2K, critical, from local uid 7`, "READ prod/" + strings.Repeat("x", 300),
		"DELETE prod/B", "token 1h", "at most 1 use in all", "only from 10.0.0.1",
	} {
		c.await(want, func() bool { return strings.Contains(c.screen(), want) })
	}
	if out := stdout.String(); strings.Contains(out, "\x1b") || !strings.Contains(out, "Approved apr_1") {
		t.Errorf("stdout is %q", out)
	}
	_, decided := d.seen()
	if want := []string{`/v1/approvals/apr_1/approve {"reason":"why","digest":"sha256:shown"}`}; !slices.Equal(decided, want) {
		t.Errorf("decided %q, want %q", decided, want)
	}
}
