package conformance_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// Keys that are no characters.
const (
	enter = "\r"
	down  = "\x1b[B"
	space = " "
	ctrlC = "\x03"
)

// terminal is a process that a person sits in front of. It is wide enough that
// nothing is wrapped.
type terminal struct {
	t    *testing.T
	file *os.File
	cmd  *exec.Cmd
	done chan struct{} // closed once all output has come

	mu   sync.Mutex
	out  strings.Builder
	seen int // how much of out was expected already
}

func newTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 60, Cols: 2000})
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, file: f, cmd: cmd, done: make(chan struct{})}
	go x.collect()
	t.Cleanup(x.close)
	return x
}

func (x *terminal) collect() {
	defer close(x.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := x.file.Read(buf)
		x.mu.Lock()
		x.out.Write(buf[:n])
		x.mu.Unlock()
		if err != nil { // EIO once the other end is gone
			return
		}
	}
}

// close ends a process that still runs, and its group.
func (x *terminal) close() {
	if x.cmd.ProcessState == nil {
		killGroup(x.cmd)
		x.cmd.Wait()
	}
	x.file.Close()
	<-x.done
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r`)

// text is all that was on the screen, without colours and movements.
func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return escapes.ReplaceAllString(x.out.String(), "")
}

// expect waits until the text has come on the screen since the last expect.
func (x *terminal) expect(text string) *terminal {
	x.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		over := x.over()
		if x.find(text) {
			return x
		}
		if over || time.Now().After(end) {
			x.t.Fatalf("%q does not come on the screen:\n%s", text, cut(x.text()))
		}
	}
}

func (x *terminal) find(text string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.out.String()
	if !strings.Contains(escapes.ReplaceAllString(all[x.seen:], ""), text) {
		return false
	}
	x.seen = len(all)
	return true
}

func (x *terminal) over() bool {
	select {
	case <-x.done:
		return true
	default:
		return false
	}
}

// press types keys.
func (x *terminal) press(keys string) *terminal {
	x.t.Helper()
	if _, err := x.file.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
	return x
}

// end waits until the process has exited and returns what was on the screen as
// its stdout and stderr, which a terminal does not tell apart.
func (x *terminal) end() result {
	x.t.Helper()
	timer := time.AfterFunc(patience, func() { killGroup(x.cmd) })
	defer timer.Stop()
	if err := x.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		x.t.Fatal(err)
	}
	<-x.done
	return result{x.text(), x.text(), x.cmd.ProcessState.ExitCode()}
}
