package child_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/agent-secret-store/assd/internal/testenv"
)

// terminal is a pseudo-terminal and what was printed on it.
type terminal struct {
	t        *testing.T
	pty, tty *os.File
	mu       sync.Mutex
	seen     bytes.Buffer
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	p, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, pty: p, tty: tty}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := p.Read(buf)
			term.mu.Lock()
			term.seen.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { tty.Close(); p.Close() })
	return term
}

// screen is what was printed since the last line that was typed.
func (p *terminal) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

func (p *terminal) shows(text string) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if strings.Contains(p.screen(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("%q does not come; the screen says %q", text, p.screen())
}

func (p *terminal) types(s string) {
	p.mu.Lock()
	p.seen.Reset()
	p.mu.Unlock()
	if _, err := p.pty.WriteString(s); err != nil {
		p.t.Fatal(err)
	}
}

// logFile is where a command of a shell writes that is not to write on its
// terminal.
type logFile struct {
	t    *testing.T
	path string
}

// text is what is in the file, in small letters.
func (l *logFile) text() string {
	text, err := os.ReadFile(l.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return strings.ToLower(string(text))
}

func (l *logFile) shows(text string) {
	l.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if strings.Contains(l.text(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.t.Fatalf("%q does not come; the file has %q", text, l.text())
}

// pid is what stands in the file beside it.
func (l *logFile) pid() int {
	text, err := os.ReadFile(l.path + ".pid")
	if err != nil {
		l.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		l.t.Fatal(err)
	}
	return pid
}

// shell starts a shell with job control on a terminal of its own. $THROUGH is the
// test binary in the role.
func shell(t *testing.T, role string) (*terminal, *logFile) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		testenv.Skip(t, "there is no bash")
	}
	p := openTerminal(t)
	self := through(t, role)
	cmd := exec.Command(bash, "--norc", "--noprofile", "-i")
	cmd.Env = append(self.Env, "THROUGH="+self.Path, "PS1=$ ", "HISTFILE=", "INPUTRC=/dev/null", "TERM=dumb")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.tty, p.tty, p.tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	p.shows("$ ")
	return p, &logFile{t, filepath.Join(t.TempDir(), "log")}
}

// What is typed reaches the command once, though it reaches what stands between as
// well.
func TestKeyboard(t *testing.T) {
	for _, role := range roles {
		p, log := shell(t, role)
		p.types(`"$THROUGH" sh -c 'echo $$ > ` + log.path + `.pid; exec "$THROUGH" ` + tells + `' > ` + log.path + "; echo code $?\n")
		log.shows("ready\n")
		p.types("\x03")
		log.shows("sigint\n")
		p.types("\x1c")
		log.shows("sigquit\n")
		p.types("\x1a")
		log.shows("sigtstp\n")
		if err := pty.Setsize(p.pty, &pty.Winsize{Rows: 33, Cols: 99}); err != nil {
			t.Fatal(err)
		}
		log.shows("sigwinch\n")
		time.Sleep(50 * time.Millisecond)
		syscall.Kill(log.pid(), syscall.SIGTERM)
		p.shows("code 5")
		if got, want := log.text(), "ready\nsigint\nsigquit\nsigtstp\nsigwinch\nsigterm\n"; got != want {
			t.Errorf("%s: %q; want %q", role, got, want)
		}
	}
}

const reading = `"$THROUGH" bash -c 'echo ready >&2; read line; echo "got $line" >&2; exit 3' > /dev/null 2> `

// fg goes on with what was stopped, and lets it read.
func (p *terminal) fg() {
	p.t.Helper()
	p.types("fg\n")
	p.shows("THROUGH")
	time.Sleep(50 * time.Millisecond)
}

// Ctrl-Z stops the job, the shell sees so, and fg goes on with it.
func TestJobControl(t *testing.T) {
	for _, role := range roles {
		p, log := shell(t, role)
		p.types(reading + log.path + "\n")
		log.shows("ready\n")
		for range 2 {
			p.types("\x1a")
			p.shows("Stopped")
			p.types("jobs\n")
			p.shows("Stopped")
			p.fg()
		}
		p.types("hello\n")
		log.shows("got hello\n")
		p.types("echo code $?\n")
		p.shows("code 3")
	}
}

// In the background it may print and not read, and stops when it does.
func TestBackground(t *testing.T) {
	for _, role := range roles {
		p, log := shell(t, role)
		p.types(reading + log.path + " &\n")
		log.shows("ready\n")
		for end := time.Now().Add(time.Minute); !strings.Contains(p.screen(), "Stopped") && time.Now().Before(end); {
			p.types("jobs\n")
			time.Sleep(50 * time.Millisecond)
		}
		p.shows("Stopped")
		p.fg()
		p.types("hello\n")
		log.shows("got hello\n")
		p.types("echo code $?\n")
		p.shows("code 3")
	}
}
