package helper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// The bounds of a command.
const (
	maxOutput  = 1<<20 + 2 // where the command says no less: a value of the largest size and a newline; what is longer shows as such
	maxErrors  = 64 << 10  // of standard error; the rest is dropped
	maxRunning = 16        // at a time
)

// safePath is where a command looks for other programs.
const safePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Command is one of the operator's.
type Command struct {
	Argv    []string // the program's absolute path and its arguments; empty: none to be run
	Timeout time.Duration
	Max     int // bytes of standard output beyond which it is killed; 0: a value's size
	// As is whom it runs as, and Start runs what starts it, where this process has not
	// yet given up for good what it was started with; nil otherwise.
	As    *syscall.Credential
	Start func(func() error) error
}

// Folders are those of the commands' programs.
func Folders(commands []Command) []string {
	var all []string
	for _, c := range commands {
		if len(c.Argv) > 0 {
			all = append(all, filepath.Dir(filepath.Clean(c.Argv[0])))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Printed is what a command wrote.
type Printed struct {
	Out []byte // standard output
	Err []byte // standard error
}

// Run runs c in a child of this very process, with nothing on its standard input, until
// it ends, ctx does or its time is over. What it has written until then is returned with
// the error too.
func (c Command) Run(ctx context.Context) (Printed, error) {
	// What this process was started with is not for the command; whoever uses it later
	// finds it all the same.
	if err := inheritable(-1, syscall.CloseOnExec); err != nil {
		return Printed{}, err
	}
	p, why := c.run(ctx, c.Timeout, nil)
	if why != "" {
		return p, &Failure{why}
	}
	return p, nil
}

// run runs c until it ends, ctx does or its time is over. why says what went wrong, in
// words of ours; what it has written until then is returned as well.
func (c Command) run(ctx context.Context, timeout time.Duration, stdin []byte) (p Printed, why string) {
	if err := Check(c.Argv[0]); err != nil {
		return p, err.Error()
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the command was still running after %s and was killed", timeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Argv[0])
	cmd.Args, cmd.Env, cmd.Dir = c.Argv, environment(), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.As}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	io, err := pipes(cmd, c.max(), func() { stop(c.tooMuch()) })
	if err == nil {
		defer io.close()
		err = c.start(cmd)
	}
	if err != nil {
		return p, "the command could not be started: " + err.Error()
	}
	io.begin(stdin)
	err = cmd.Wait()
	// What it left behind holds its output open, and is not to outlive it.
	_ = killGroup(cmd.Process.Pid)
	complete := io.end()
	return Printed{io.out.kept, io.err.kept}, failure(ctx, err, complete)
}

func (c Command) start(cmd *exec.Cmd) error {
	if c.Start != nil {
		return c.Start(cmd.Start)
	}
	return cmd.Start()
}

func (c Command) max() int {
	if c.Max > 0 {
		return c.Max
	}
	return maxOutput
}

func (c Command) tooMuch() error {
	size := "1 MiB"
	if c.Max > 0 {
		size = fmt.Sprintf("%d bytes", c.Max)
	}
	return fmt.Errorf("the command printed more than %s and was killed", size)
}

// errStopped is why a command ends that nobody waits for any more.
var errStopped = errors.New("the command was stopped")

// killGroup kills a command with all that it started, but for what has left its group.
func killGroup(pid int) error {
	err := syscall.Kill(-pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// failure says why a run has failed, or nothing.
func failure(ctx context.Context, err error, complete bool) string {
	switch exit := (*exec.ExitError)(nil); {
	case ctx.Err() != nil && err != nil:
		return context.Cause(ctx).Error()
	case errors.As(err, &exit) && exit.Exited():
		return fmt.Sprintf("the command exited with status %d", exit.ExitCode())
	case errors.As(err, &exit):
		return "the command ended by a " + exit.String()
	case err != nil:
		return "the command could not be run: " + err.Error()
	case ctx.Err() != nil: // it ended by itself, having printed too much
		return context.Cause(ctx).Error()
	case !complete:
		return "the command left something running that holds its output open"
	}
	return ""
}

// environment is all that a command gets.
func environment() []string {
	home := os.Getenv("HOME")
	if u, err := user.Current(); home == "" && err == nil {
		home = u.HomeDir
	}
	lang := os.Getenv("LANG")
	if lang == "" {
		lang = "C.UTF-8"
	}
	return []string{"PATH=" + safePath, "HOME=" + home, "LANG=" + lang}
}
