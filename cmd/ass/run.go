package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/agent-secret-store/assd/internal/child"
	"github.com/agent-secret-store/assd/internal/harden"
	"github.com/agent-secret-store/assd/internal/mask"
	"github.com/agent-secret-store/assd/vault/api"
)

type runCmd struct {
	Namespace []string `placeholder:"NS" help:"Take the secrets of this namespace, and let env files refer to it. May be given more than once."`
	Keys      keyList  `placeholder:"A,B" help:"Only these names, whether they are of secrets or in an env file."`
	EnvFile   []string `placeholder:"FILE" help:"Take the lines of this .env file; ass://NAMESPACE/KEY is the value of that secret. May be given more than once."`
	NoMasking bool     `help:"Let the command's output through as it is."`
	access
	Command []string `arg:"" name:"cmd" passthrough:"" help:"The command and its arguments, behind --."`
}

// Help shows examples.
func (runCmd) Help() string {
	return `Runs a command with secrets in its environment, and nowhere else: signals, exit
code, terminal and job control are those of the command. Variables of ass itself
(ASS_...) are taken out. A name that comes twice is an error, as is one that steers
what programs load, run or trust (PATH, LD_PRELOAD, NODE_OPTIONS, ...) or is no
identifier, unless --keys names it.

In output that does not go to a terminal, values of 8 bytes or more become
[REDACTED], also in base64, hex, URLs and JSON. That is a help against accidents: a
command that has a value can always send it elsewhere. Processes that it leaves
behind may write for half a second longer, or have their output elsewhere.

A line NAME=ass://NAMESPACE/KEY of an env file is the value of that secret, if
NAMESPACE is one of those given with --namespace. All other lines stand for
themselves; nothing in them is expanded.

The exit code is the command's; 126 means that it cannot be run, 127 that it is not
there. Where ass does not get as far as that, its own codes apply.

Examples:

  ass run --namespace production -- ./server --port 8080
  ass run --namespace production --keys DATABASE_URL -- psql
  ass run --namespace staging --env-file .env -- npm start
  ass run --namespace production --wait --reason "release 4.2" -- ./deploy.sh
  ass run --namespace production --keys API_KEY -- sh -c 'curl -H "X-Key: $API_KEY" ...'`
}

// Run runs the command, and comes back when there was something to mask, or
// something was wrong.
func (c *runCmd) Run(a *app) error {
	if c.Command[0] == "--" { // kong leaves it
		c.Command = c.Command[1:]
	}
	if len(c.Command) == 0 {
		return usage("run: there is no command behind --", "ass run --namespace NS -- CMD")
	}
	set, err := c.collect(a)
	if err != nil {
		return err
	}
	cmd := child.Command{Args: c.Command, Env: set.environment(os.Environ()), Around: harden.Lift}
	if values := set.values(); !c.NoMasking && child.Filtered() && len(values) > 0 {
		cmd.Filter = func(w io.Writer) io.WriteCloser { return mask.New(w, values) }
	}
	c.tell(a, set)
	status, err := cmd.Run()
	if err != nil {
		return notStarted(err, set)
	}
	return &ended{status}
}

// tell says on stderr what the command is given: the names to a person, and what
// is not masked to everybody, for where the output goes.
func (c *runCmd) tell(a *app, set variables) {
	if isTerminal(os.Stderr) {
		a.note("In the environment: " + foreign(strings.Join(set.names(), ", "), uncut) + ".")
	}
	if short := set.short(); !c.NoMasking && child.Filtered() && len(short) > 0 {
		a.note(fmt.Sprintf("Not masked, because a value is shorter than %d bytes: %s.", mask.MinLength, foreign(strings.Join(short, ", "), uncut)))
	}
}

// notStarted says why the command did not start. It does not repeat it.
func notStarted(err error, set variables) error {
	started, ok := errors.AsType[*child.StartError](err)
	switch {
	case !ok:
		return err
	case errors.Is(err, syscall.E2BIG):
		name, n := set.longest()
		return &fault{
			code: codeFailed, exit: started.Code,
			message: fmt.Sprintf("the command cannot start: its arguments and environment are larger than the system allows; the longest value is %s, of %d bytes", name, n),
			hint:    "leave large ones out by naming the others with --keys, and let the command read them with: ass secrets get",
		}
	case started.Code == child.CodeNotFound:
		return &fault{code: codeFailed, exit: started.Code, message: "there is no such command", hint: "give its path, or a name that is found in PATH, behind --"}
	}
	return &fault{code: codeFailed, exit: started.Code, message: "the command cannot be run: " + reason(err), hint: "look at its permissions, and at what its first line names"}
}

// reason is why something failed, without the name of what.
func reason(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}

// ended is the end of a run's command, which is the end of ass.
type ended struct{ status child.Status }

func (e *ended) Error() string { return fmt.Sprintf("the command has ended with %d", e.status.Code) }

// finish ends as the command has; it returns the exit code for where that is not
// by a signal.
func (e *ended) finish() int {
	if e.status.Lost != nil {
		fmt.Fprintln(os.Stderr, "ass: passing on the command's output: "+reason(e.status.Lost))
		if e.status.Code == 0 {
			return api.ExitFailed
		}
	}
	if e.status.Signal != 0 {
		child.Die(e.status.Signal)
	}
	return e.status.Code
}
