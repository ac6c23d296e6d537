package child_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/child"
)

const roleEnv = "CHILD_TEST_ROLE"

// TestMain lets the test binary be the process that stands between: it runs its
// arguments, in the role "filter" with a filter that makes the output loud.
func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	switch {
	case role == "":
		os.Exit(m.Run())
	case len(os.Args) > 1 && os.Args[1] == tells:
		os.Exit(tellSignals())
	}
	os.Exit(between(role))
}

// tells is the argument with which the test binary is a command that prints the
// signals that come, and ends when SIGTERM does.
const tells = "tells"

var sent = []syscall.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGALRM, syscall.SIGUSR1, syscall.SIGUSR2,
	syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGTERM,
}

func tellSignals() int {
	came := make(chan os.Signal, 64)
	for _, sig := range sent {
		signal.Notify(came, sig)
	}
	fmt.Println("ready")
	for sig := range came {
		fmt.Println(unix.SignalName(sig.(syscall.Signal)))
		if sig == syscall.SIGTERM {
			return 5
		}
	}
	return 0
}

func between(role string) int {
	cmd := child.Command{Args: os.Args[1:], Env: os.Environ()}
	if role == "filter" {
		cmd.Filter = func(w io.Writer) io.WriteCloser { return loud{w} }
	}
	status, err := cmd.Run()
	if started, ok := errors.AsType[*child.StartError](err); ok {
		fmt.Fprintln(os.Stderr, err)
		return started.Code
	}
	if status.Lost != nil {
		fmt.Fprintln(os.Stderr, "lost:", status.Lost)
	}
	if status.Signal != 0 {
		child.Die(status.Signal)
	}
	return status.Code
}

// loud makes letters large.
type loud struct{ to io.Writer }

func (l loud) Write(p []byte) (int, error) { return l.to.Write(bytes.ToUpper(p)) }

func (l loud) Close() error { return nil }

// through is what runs args as role.
func through(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	return cmd
}

// ended runs cmd, and says how it ended in words.
func ended(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return words(cmd)
}

func words(cmd *exec.Cmd) string {
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return "signal " + ws.Signal().String()
	}
	return fmt.Sprint("exit ", ws.ExitStatus())
}

var roles = []string{"replace", "filter"}

// The end is the command's, whatever it is.
func TestEnd(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"true"}, "exit 0"},
		{[]string{"sh", "-c", "exit 7"}, "exit 7"},
		{[]string{"sh", "-c", "exit 255"}, "exit 255"},
		{[]string{"sh", "-c", "kill -TERM $$"}, "signal terminated"},
		{[]string{"sh", "-c", "kill -KILL $$"}, "signal killed"},
		{[]string{"sh", "-c", "kill -ABRT $$"}, "signal aborted"},
		{[]string{"sh", "-c", "kill -SEGV $$"}, "signal segmentation fault"},
		{[]string{"sh", "-c", "kill -QUIT $$"}, "signal quit"},
		{[]string{"sh", "-c", "kill -USR1 $$"}, "signal user defined signal 1"},
		{[]string{"sh", "-c", "kill -PIPE $$"}, "signal broken pipe"},
		{[]string{"no-such-command-anywhere"}, "exit 127"},
		{[]string{filepath.Join(dir, "missing")}, "exit 127"},
		{[]string{file("file", "echo", 0o644)}, "exit 126"},
		{[]string{dir}, "exit 126"},
		{[]string{file("plain", "exit $1\n", 0o755), "9"}, "exit 9"}, // as execvp does
		{[]string{file("lost", "#!/no/such/interpreter\n", 0o755)}, "exit 127"},
	} {
		for _, role := range roles {
			if got := ended(t, through(t, role, tc.args...)); got != tc.want {
				t.Errorf("%s of %.40q: %s; want %s", role, tc.args, got, tc.want)
			}
		}
	}
}

// What is inherited is inherited: stdin, other descriptors, the process group.
func TestInherits(t *testing.T) {
	for _, role := range roles {
		cmd := through(t, role, "sh", "-c", `cat; cat <&3; [ "$(ps -o pgid= -p $$)" -eq "$(ps -o pgid= -p $PARENT)" ] && echo group`)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		w.WriteString("three ")
		w.Close()
		cmd.Stdin, cmd.ExtraFiles = strings.NewReader("in "), []*os.File{r}
		cmd.Env = append(cmd.Env, fmt.Sprint("PARENT=", os.Getpid()))
		out, err := cmd.Output()
		r.Close()
		if want := "in three group\n"; err != nil || strings.ToLower(string(out)) != want {
			t.Errorf("%s: %q, %v; want %q", role, out, err, want)
		}
	}
}

// begun is a command that has said ready.
type begun struct {
	*exec.Cmd
	mu   sync.Mutex
	out  bytes.Buffer
	done chan struct{} // closed when its output has ended
}

// start starts cmd and waits until it says ready.
func start(t *testing.T, cmd *exec.Cmd) *begun {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b := &begun{Cmd: cmd, done: make(chan struct{})}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { cmd.Process.Kill(); r.Close() })
	line := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(r, line); err != nil || !strings.EqualFold(string(line), "ready\n") {
		t.Fatalf("it said %q: %v", line, err)
	}
	go func() { io.Copy(b, r); close(b.done) }()
	return b
}

func (b *begun) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

// said is what came after ready, in capitals.
func (b *begun) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.ToUpper(b.out.String())
}

// end waits for the end and returns how it was, and what was said.
func (b *begun) end() (how, said string) {
	b.Wait()
	<-b.done
	return words(b.Cmd), b.said()
}

// Without a terminal each signal reaches the command, once.
func TestSignals(t *testing.T) {
	for _, role := range roles {
		self := through(t, role).Path
		cmd := through(t, role, self, tells)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
		b := start(t, cmd)
		want := ""
		for _, sig := range sent {
			b.Process.Signal(sig)
			want += unix.SignalName(sig) + "\n"
			for end := time.Now().Add(30 * time.Second); len(b.said()) < len(want) && time.Now().Before(end); {
				time.Sleep(5 * time.Millisecond)
			}
		}
		if how, said := b.end(); how != "exit 5" || said != want {
			t.Errorf("%s: %s, %q; want %q", role, how, said, want)
		}
	}
}

// A signal that is ignored stays so.
func TestIgnored(t *testing.T) {
	for _, role := range roles {
		cmd := through(t, role, "sh", "-c", "echo ready; sleep 0.3; echo still here")
		self := cmd.Path
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `trap "" HUP INT; exec "$0" "$@"`, self}, cmd.Args[1:]...)
		b := start(t, cmd)
		b.Process.Signal(syscall.SIGHUP)
		b.Process.Signal(syscall.SIGINT)
		if how, said := b.end(); how != "exit 0" || said != "STILL HERE\n" {
			t.Errorf("%s: %s, %q", role, how, said)
		}
	}
}

// A command that stops lets what stands between stop as well, by the same signal,
// and goes on with it.
func TestStops(t *testing.T) {
	for _, stop := range []string{"TSTP", "STOP", "TTIN"} {
		for _, role := range roles {
			cmd := through(t, role, "sh", "-c", "echo ready; kill -"+stop+" $$; echo goes on")
			// A group of its own, with its parent outside it: the system lets no process stop
			// that nobody could continue.
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			b := start(t, cmd)
			pid := b.Process.Pid
			var ws syscall.WaitStatus
			if _, err := syscall.Wait4(pid, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() || ws.StopSignal() != signalNamed[stop] {
				t.Fatalf("%s, %s: %v, %v", role, stop, ws, err)
			}
			b.Process.Signal(syscall.SIGCONT)
			if how, said := b.end(); how != "exit 0" || said != "GOES ON\n" {
				t.Errorf("%s, %s: %s, %q", role, stop, how, said)
			}
		}
	}
}

var signalNamed = map[string]syscall.Signal{"TSTP": syscall.SIGTSTP, "STOP": syscall.SIGSTOP, "TTIN": syscall.SIGTTIN}

// Killed, it leaves nothing behind that would still have been killed.
func TestKilled(t *testing.T) {
	b := start(t, through(t, "filter", "sh", "-c", "echo ready; echo $$; exec sleep 100 >&-"))
	time.Sleep(50 * time.Millisecond)
	b.Process.Kill()
	_, said := b.end()
	gone(t, strings.TrimSpace(said))
}

// gone waits until there is no such process.
func gone(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		state, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %s lives on", pid)
}
