package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// On a terminal the command has it whole, and the person is told which names it is
// given.
func TestRunKeepsTheTerminal(t *testing.T) {
	v := startVault(t, "")
	v.ass("secrets", "set", "app/API_KEY", "sk-live-abcdef123456")
	v.ass("secrets", "set", "app/OTHER", "v")
	c := v.console("run", "--namespace", "app", "--", "/bin/sh", "-c", `test -t 0 && test -t 1 && test -t 2 && echo "all of it, $API_KEY"; exit 3`)
	if code := c.exitCode(); code != 3 {
		t.Errorf("exit code %d", code)
	}
	c.shows("In the environment: API_KEY, OTHER.\r\n", 1)
	c.shows("all of it, sk-live-abcdef123456\r\n", 1)
	if strings.Contains(c.screen(), "Not masked") {
		t.Errorf("it says %q", c.screen())
	}
}

// What goes elsewhere is masked, while the terminal stays one.
func TestRunMasksWhatIsNoTerminal(t *testing.T) {
	v := startVault(t, "")
	v.ass("secrets", "set", "app/API_KEY", "sk-live-abcdef123456")
	var stdout bytes.Buffer
	c := startConsole(t, func(cmd *exec.Cmd, terminal *os.File) {
		cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = v.env, terminal, &stdout, terminal
	}, "run", "--namespace", "app", "--", "/bin/sh", "-c", `echo "$API_KEY"; test -t 2 && echo "here $API_KEY" >&2`)
	if code := c.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.shows("here sk-live-abcdef123456\r\n", 1)
	if stdout.String() != "[REDACTED]\n" {
		t.Errorf("stdout is %q", &stdout)
	}
}

// The passphrase is asked for once, for all that the command is given.
func TestRunAsksForThePassphraseOnce(t *testing.T) {
	v := startVault(t, passphrase)
	for _, key := range []string{"A", "B"} {
		v.ass("secrets", "set", "app/"+key, "value-of-"+key, "--tier", "sensitive")
	}
	c := v.console("run", "--namespace", "app", "--", "/bin/sh", "-c", `echo "got $A $B"`)
	c.answers("to run a command with app (not shown): ", 1, passphrase+"\r")
	if code := c.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.shows("got value-of-A value-of-B\r\n", 1)
	if n := strings.Count(c.screen(), "Approval passphrase"); n != 1 {
		t.Errorf("asked %d times: %q", n, c.screen())
	}
}
