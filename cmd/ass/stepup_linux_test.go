package main_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// The passphrase is asked for on the terminal, for just that act, is not shown, and
// may be typed again when it was wrong.
func TestStepUpOnTheTerminal(t *testing.T) {
	v := startVault(t, passphrase)
	v.ass("secrets", "set", "production/DB", "db-value", "--tier", "sensitive")
	for _, tc := range []struct {
		name   string
		typed  []string
		code   int
		stands string
	}{
		{"right", []string{passphrase + "\r"}, 0, "db-value"},
		{"wrong once", []string{"wrong horse battery\r", passphrase + "\r"}, 0, "db-value"},
		{"edited", []string{"xyz\x15" + passphrase + "ü\x7f\r"}, 0, "db-value"},
		{"wrong always", []string{"wrong one\r", "wrong two\r", "wrong three\r"}, 4, "ass: the approval passphrase is wrong"},
		{"interrupted", []string{"corr\x03"}, 130, "interrupted"},
		{"empty", []string{"\r"}, 2, "no passphrase was typed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v.t = t
			c := v.console("secrets", "get", "production/DB")
			for i, text := range tc.typed {
				c.answers("Approval passphrase, to read production/DB (not shown): ", i+1, text)
			}
			if code := c.exitCode(); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			c.shows(tc.stands, 1)
			if s := c.screen(); strings.Contains(s, "horse") || !c.echo() || strings.Count(s, "is wrong") != len(tc.typed)-1 && tc.code != 4 {
				t.Errorf("echo %v, the screen says %q", c.echo(), s)
			}
		})
	}
}

// What --all approves is shown once, and the passphrase asked for once.
func TestApproveAllAsksOnce(t *testing.T) {
	v := startVault(t, passphrase)
	pass := v.file("p", passphrase)
	bot := v.agent("--passphrase-file", pass)
	for _, key := range []string{"production/A", "production/B"} {
		v.ass("secrets", "set", key, "v", "--tier", "sensitive")
		bot("secrets", "get", key)
	}
	c := v.console("approvals", "approve", "--all")
	c.shows("yes / no: ", 1)
	c.typed("yes\n")
	c.answers("to approve the 2 requests above (not shown): ", 1, passphrase+"\r")
	if code := c.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.shows("Approved apr_", 2)
	if strings.Count(c.screen(), "Approval passphrase") != 1 {
		t.Errorf("the screen says %q", c.screen())
	}
	for _, key := range []string{"production/A", "production/B"} {
		if stderr, code := bot("secrets", "get", key); code != 0 {
			t.Errorf("%s: exit code %d, %s", key, code, stderr)
		}
	}
}

// Where stderr is no terminal, the prompt shows all that the passphrase is for.
func TestPromptShowsWhatStderrDoesNot(t *testing.T) {
	v := startVault(t, passphrase)
	bot := v.agent("--passphrase-file", v.file("p", passphrase))
	v.ass("secrets", "set", "production/A", "v", "--tier", "sensitive")
	bot("secrets", "get", "production/A", "--reason", "please")
	id := strings.TrimSpace(v.ass("approvals", "list", "--quiet"))
	c := startConsole(t, func(cmd *exec.Cmd, _ *os.File) { cmd.Env = v.env }, "approvals", "approve", id)
	c.answers("(not shown): ", 1, passphrase+"\r")
	if code := c.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"to approve 1 request\r\n  " + id + ": bot, sensitive, from local", "    READ production/A\r\n", "agent says (unchecked):\r\n    \"please\"\r\n"} {
		if !strings.Contains(c.screen(), want) {
			t.Errorf("there is no %q in %q", want, c.screen())
		}
	}
}

// A claim on a terminal offers a passphrase, takes it typed twice, and shows the
// one for recovery.
func TestClaimOffersAPassphrase(t *testing.T) {
	v := unclaimed(t)
	c := v.console("login")
	c.answers("New approval passphrase, 8 characters or more (not shown): ", 1, passphrase+"\r")
	c.answers("Once more: ", 1, "something else\r")
	c.shows("The two are not the same.", 1)
	c.answers("New approval passphrase, 8 characters or more (not shown): ", 2, passphrase+"\r")
	c.answers("Once more: ", 2, passphrase+"\r")
	if code := c.exitCode(); code != 0 {
		t.Errorf("exit code %d, the screen says %q", code, c.screen())
	}
	c.shows("Write this down", 1)
	c.shows("Vault claimed", 1)
	c.shows("ass vault slots add --seal passphrase --generate", 1)
	if !strings.Contains(v.ass("status"), "Approval passphrase: ✓ set") || strings.Contains(c.screen(), "horse") {
		t.Errorf("the screen says %q", c.screen())
	}
	again := v.console("login") // and nobody is asked for a vault that is claimed
	if code := again.exitCode(); code != 0 || strings.Contains(again.screen(), "passphrase") {
		t.Errorf("exit code %d, the screen says %q", code, again.screen())
	}
}

func TestClaimWithoutAPassphrase(t *testing.T) {
	for _, args := range [][]string{{"login"}, {"login", "--no-passphrase"}} {
		v := unclaimed(t)
		c := v.console(args...)
		if len(args) == 1 {
			c.answers("New approval passphrase, 8 characters or more (not shown): ", 1, "\r")
		}
		if code := c.exitCode(); code != 0 || strings.Contains(c.screen(), "Write this down") {
			t.Errorf("%v: exit code %d, the screen says %q", args, code, c.screen())
		}
		c.shows("To have a generated passphrase open it too", 1)
		if !strings.Contains(v.ass("status"), "Approval passphrase: ✗ not set") {
			t.Errorf("%v: a passphrase is set", args)
		}
	}
}

// A claim is no less one because nobody could see what opens the vault.
func TestClaimWhereNoSlotsAreSeen(t *testing.T) {
	v := unclaimed(t)
	asked := v.between(func(r *http.Request) bool { return r.URL.Path == "/v1/vault/slots" })
	c := v.console("login", "--no-passphrase")
	if code := c.exitCode(); code != 0 || strings.Contains(c.screen(), "One secret alone") || strings.Contains(c.screen(), "ass: ") {
		t.Errorf("exit code %d, the screen says %q", code, c.screen())
	}
	c.shows("Vault claimed", 1)
	if asked.Load() == 0 {
		t.Error("it has not asked for the slots")
	}
	v.ass("secrets", "set", "production/KEY", "v") // by the key that it has kept
}

// between has ass reach the daemon through somebody who hangs up where cut says so, and
// counts how often.
func (v *realVault) between(cut func(*http.Request) bool) *atomic.Int32 {
	v.t.Helper()
	to, hungUp := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "localhost"}), new(atomic.Int32)
	to.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(v.dir, "s"))
	}}
	socket := filepath.Join(v.dir, "between")
	l, err := net.Listen("unix", socket)
	if err != nil {
		v.t.Fatal(err)
	}
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cut(r) {
			hungUp.Add(1)
			panic(http.ErrAbortHandler)
		}
		to.ServeHTTP(w, r)
	})}
	go srv.Serve(l)
	v.t.Cleanup(func() { srv.Close() })
	v.env[2] = "ASS_API_URL=unix://" + socket
	return hungUp
}

// Nobody thinks of a passphrase for a vault that is claimed already.
func TestNoOfferForAClaimedVault(t *testing.T) {
	v := startVault(t, "")
	v.env[0] = "HOME=" + t.TempDir()
	c := v.console("login")
	c.answers("API Key", 1, "\x03")
	if code := c.exitCode(); code != 130 || strings.Contains(c.screen(), "passphrase") {
		t.Errorf("exit code %d, the screen says %q", code, c.screen())
	}
}

func TestPassphraseSetOnTheTerminal(t *testing.T) {
	v := startVault(t, passphrase)
	c := v.console("passphrase", "set")
	c.answers("to change it: the one in force (not shown): ", 1, "wrong horse\r")
	c.answers("New approval passphrase, 8 characters or more (not shown): ", 1, "another horse\r")
	c.answers("Once more: ", 1, "another horse\r")
	c.answers("to change it: the one in force (not shown): ", 2, passphrase+"\r")
	if code := c.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.shows("Passphrase changed", 1)
	v.ass("agents", "create", "--name", "a", "--passphrase-file", v.file("new", "another horse"))
	if strings.Contains(c.screen(), "another") {
		t.Errorf("the screen says %q", c.screen())
	}
}
