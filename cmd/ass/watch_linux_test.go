package main_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/agent-secret-store/assd/vault/api"
)

// settled waits until keys count.
func settled() { time.Sleep(1000 * time.Millisecond) }

// frame is what was drawn last.
func (c *console) frame() string {
	s := c.screen()
	return s[strings.LastIndex(s, "\x1b[H")+len("\x1b[H"):]
}

// left checks that the terminal is as it was before.
func (c *console) left(code int) {
	c.t.Helper()
	if got := c.exitCode(); got != code {
		c.t.Errorf("exit code %d, want %d", got, code)
	}
	c.shows("\x1b[?25h\x1b[?7h\x1b[?1049l", 1)
	if !c.echo() {
		c.t.Error("echo stays off")
	}
}

// watchFake watches a daemon of the test's, whose requests stay what they are.
func watchFake(t *testing.T, d *approvalsDaemon) *console {
	t.Helper()
	return startConsole(t, func(cmd *exec.Cmd, terminal *os.File) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
		resize(t, terminal, 80, 24)
	}, "approvals", "watch", "--api-url", d.url, "--api-key", "ask_live_x")
}

// One key approves, one denies, and what was decided stands in the shell.
func TestWatchDecidesWithAKey(t *testing.T) {
	v := startVault(t, "")
	for _, key := range []string{"production/A", "production/B"} {
		v.ass("secrets", "set", key, "v", "--tier", "sensitive")
	}
	bot := v.agent()
	c := v.console("approvals", "watch")
	c.shows("nothing waits", 1)
	bot("secrets", "get", "production/A", "--reason", "the nightly job")
	c.shows("READ production/A", 1)
	c.shows("1 request", 1)
	c.shows("agent says (unchecked):\x1b[K\r\n  \"the nightly job\"", 1)
	settled()
	c.typed("a")
	c.shows("Approved apr_", 1)
	bot("secrets", "get", "production/B")
	c.shows("READ production/B", 1)
	settled()
	c.typed("d")
	c.shows("Denied apr_", 1)
	c.shows("nothing waits", 2)
	c.typed("q")
	c.left(0)
	c.shows("\x1b[?1049l", 1)
	shell := func() string { return c.screen()[strings.Index(c.screen(), "\x1b[?1049l"):] }
	for end := time.Now().Add(time.Minute); !strings.Contains(shell(), "Approved apr_") || !strings.Contains(shell(), "Denied apr_"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the shell says %q", shell())
		}
	}
	if stderr, code := bot("secrets", "get", "production/A"); code != 0 {
		t.Errorf("A: exit code %d, %s", code, stderr)
	}
	if stderr, code := bot("secrets", "get", "production/B"); code != 4 {
		t.Errorf("B: exit code %d, %s", code, stderr)
	}
}

// The passphrase is asked for at each approval; to deny takes none.
func TestWatchAsksForThePassphraseEachTime(t *testing.T) {
	v := startVault(t, passphrase)
	bot := v.agent("--passphrase-file", v.file("p", passphrase))
	for _, key := range []string{"production/A", "production/B", "production/C"} {
		v.ass("secrets", "set", key, "v", "--tier", "sensitive")
		bot("secrets", "get", key)
	}
	c := v.console("approvals", "watch")
	c.shows("3 requests", 1)
	settled()
	const prompt = "(not shown; Esc: no): "
	c.typed("a")
	c.shows(prompt, 1)
	c.typed("wrong horse\r")
	c.shows("the approval passphrase is wrong", 1)
	c.typed(passphrase + "\r")
	c.shows("Approved apr_", 1)
	c.shows("2 requests", 1)
	settled()
	c.typed("a")
	c.await("the prompt", func() bool { return strings.Contains(c.frame(), prompt) })
	c.typed("add\x1b") // keys of a passphrase decide nothing
	c.shows("Not approved.", 1)
	settled()
	c.typed("d")
	c.shows("Denied apr_", 1)
	c.shows("Approvals: 1 request ", 1)
	settled()
	c.typed("a")
	c.await("the prompt", func() bool { return strings.Contains(c.frame(), prompt) })
	c.typed(passphrase + "\r")
	c.shows("nothing waits", 1)
	c.typed("\x03")
	c.left(0)
	if strings.Contains(c.screen(), "horse") {
		t.Error("the passphrase is on the screen")
	}
	if n := strings.Count(v.ass("approvals", "list", "--status", "approved", "--quiet"), "apr_"); n != 2 {
		t.Errorf("%d are approved, want 2", n)
	}
}

// A key that was pressed before a request was on the screen is not about it. Where it takes
// this test long to press one, it comes too late to be that.
func TestWatchIgnoresTypeAhead(t *testing.T) {
	var decided []string
	for range 4 {
		if decided = ignoresTypeAhead(t); len(decided) == 0 {
			return
		}
	}
	t.Errorf("decided %q", decided)
}

// ignoresTypeAhead returns what the keys decided that came too soon.
func ignoresTypeAhead(t *testing.T) []string {
	scopes := []string{"secrets:read:a/B"}
	d := startApprovals(t, api.Approval{ID: "apr_2", RequestedScopes: scopes, Digest: "d2"}, api.Approval{ID: "apr_1", RequestedScopes: scopes, Digest: "d1"})
	c := watchFake(t, d)
	c.typed("adad")
	c.shows("apr_1", 1)
	c.typed("ad")
	settled()
	if _, decided := d.seen(); len(decided) != 0 {
		return decided
	}
	c.typed("ada") // about the first one alone
	c.shows("Approved apr_1", 1)
	settled()
	if _, decided := d.seen(); !slices.Equal(decided, []string{`/v1/approvals/apr_1/approve {"digest":"d1"}`}) {
		t.Errorf("decided %q", decided)
	}
	c.typed("q")
	c.left(0)
	return nil
}

// What somebody else chose moves no cursor, forges no line and fits the screen.
func TestWatchShowsOddText(t *testing.T) {
	odd := "ok\x1b[2J\r\n    approvals: 2 of 2\u202e" + strings.Repeat("漢", 100) + "\"."
	d := startApprovals(t, api.Approval{
		ID: "apr_1", AgentID: "bot\x1b]0;x\a", RequestedScopes: []string{"secrets:read:" + strings.Repeat("p", 200) + "/K"},
		Digest: "d1", Because: "it is \x1bcritical", ClaimedReason: &odd,
		Process: []api.Process{{PID: 7, Name: "x\n\x1b[1A\"), b", Exe: "/bin/\u009b31m"}},
	})
	c := watchFake(t, d)
	c.shows("agent says (unchecked):", 1)
	f := c.frame()
	for _, want := range []string{
		`"ok\x1b[2J\r\n    approvals: 2 of 2\u202e漢`, `\".` + `"`, `it is \x1bcritical`, `bot\x1b]0;x\a`, `"x\n\x1b[1A\"), b" (pid 7, "/bin/\u009b31m")`,
	} {
		if !strings.Contains(strings.ReplaceAll(f, "\x1b[K\r\n  ↳ ", ""), want) && !strings.Contains(strings.ReplaceAll(f, "\x1b[K\r\n↳ ", ""), want) {
			t.Errorf("there is no %s in %q", want, f)
		}
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(f, "\x1b[K", ""), "\x1b[J"), "\r\n")
	for _, l := range lines {
		if text.StringWidth(l) > 80 || strings.ContainsAny(l, "\x1b\u009b\r\n\a") {
			t.Errorf("a line is %q", l)
		}
	}
	if len(lines) != 24 {
		t.Errorf("%d lines", len(lines))
	}
	settled()
	c.typed("a")
	c.shows("Approved apr_1", 1)
	c.typed("q")
	c.left(0)
}

// What is not all on the screen is not approved, and can be denied.
func TestWatchApprovesNothingUnseen(t *testing.T) {
	large := largest()
	large.Digest = "large"
	d := startApprovals(t, large)
	c := watchFake(t, d)
	c.shows("lines more: ass approvals approve apr_1", 1)
	settled()
	c.typed("a")
	c.shows("Not approved, since not all of it is shown: ass approvals approve apr_1", 1)
	if _, decided := d.seen(); len(decided) != 0 {
		t.Fatalf("decided %q", decided)
	}
	c.typed("d")
	c.shows("Denied apr_1", 1)
	c.typed("q")
	c.left(0)
}

// A daemon that is started again is found again; until then nothing is decided.
func TestWatchOutlivesTheDaemon(t *testing.T) {
	v := startVault(t, "")
	v.ass("secrets", "set", "production/A", "v", "--tier", "sensitive")
	bot := v.agent()
	bot("secrets", "get", "production/A")
	c := v.console("approvals", "watch")
	c.shows("1 request", 1)
	v.stop()
	c.shows("the daemon does not answer; trying again", 1)
	settled()
	c.typed("a")
	c.shows("nothing was decided", 1)
	v.start()
	c.await("the request again", func() bool { return strings.Contains(c.frame(), "1 request") })
	settled()
	c.typed("a")
	c.shows("Approved apr_", 1)
	c.cmd.Process.Signal(syscall.SIGTERM)
	c.left(130)
}

func TestWatchNeedsATerminal(t *testing.T) {
	for _, tc := range []struct{ arg, want string }{
		{"--quiet", "no terminal to show requests on\n  hint: ass approvals list\n"},
		{"--json", "ass approvals list --json"},
		{"--passphrase-file=p", "ass approvals approve ID --passphrase-file FILE"},
	} {
		stdout, stderr, code := ass(t, startApprovals(t).url, "approvals", "watch", tc.arg)
		if code != 2 || stdout != "" || !strings.Contains(stderr, tc.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", tc.arg, code, stdout, stderr)
		}
	}
}
