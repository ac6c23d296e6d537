package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes assd a command, for scripts and for tests in Go.
func TestMain(m *testing.M) {
	testscript.Main(m, asCommands)
}

// asCommands are what the test binary can be, by the name it is called by.
var asCommands = map[string]func(){"assd": main}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"start":     start,
			"end":       end,
			"ended":     ended,
			"keep":      keep,
			"request":   request,
			"remember":  remember,
			"unchanged": unchanged,
			"private":   private,
			"jsonlines": jsonlines,
			"edit":      edit,
			"await":     await,
			"address":   address,
			"pair":      pair,
			"tls":       secure,
			"hup":       hup,
			"put":       put,
		},
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(5 * time.Minute),
	})
}

// setup gives each script a data dir, and a socket whose path is short.
func setup(env *testscript.Env) error {
	dir, err := os.MkdirTemp("", "assd")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(dir) })
	env.Setenv("ASSD_DATA_DIR", filepath.Join(env.WorkDir, "data"))
	env.Setenv("ASSD_SOCKET", filepath.Join(dir, "run", "s"))
	env.Setenv("S", dir)
	env.Values[daemons{}] = map[string]*process{}
	return nil
}

// daemons is the key of a script's daemons.
type daemons struct{}

// process is an assd in the background, with what it printed in files.
type process struct {
	cmd    *exec.Cmd
	socket string
	exited chan struct{}
}

// exits CODE assd ARGS…: runs assd, which must end with that code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%v exited %d; want %s", args[1:], code, args[0])
	}
}

// start NAME ARGS…: starts assd and waits until it answers, or with ! does not
// wait. What it prints goes to NAME.out and NAME.err.
func start(ts *testscript.TestScript, neg bool, args []string) {
	d := &process{socket: socketOf(ts, args), exited: make(chan struct{})}
	d.cmd = exec.Command("assd", args[1:]...)
	d.cmd.Dir = ts.MkAbs(".")
	d.cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "XDG_RUNTIME_DIR=" + ts.Getenv("XDG_RUNTIME_DIR")}
	for _, name := range []string{"DATA_DIR", "SOCKET", "SOCKET_GROUP", "LOG_LEVEL", "LOG_FORMAT", "CONFIG", "KEY_FILE", "LISTEN", "TLS_CERT", "TLS_KEY", "TLS_SAN", "CLIENT_CA", "POLICY", "SEAL", "SEAL_COMMAND"} {
		if v := ts.Getenv("ASSD_" + name); v != "" {
			d.cmd.Env = append(d.cmd.Env, "ASSD_"+name+"="+v)
		}
	}
	d.cmd.Stdout, d.cmd.Stderr = create(ts, args[0]+".out"), create(ts, args[0]+".err")
	ts.Check(d.cmd.Start())
	go func() {
		d.cmd.Wait()
		close(d.exited)
	}()
	ts.Defer(func() {
		d.cmd.Process.Kill()
		<-d.exited
	})
	ts.Value(daemons{}).(map[string]*process)[args[0]] = d
	ts.Setenv(args[0], strconv.Itoa(d.cmd.Process.Pid))
	if !neg && !d.answers() {
		ts.Fatalf("%s does not answer on %s:\n%s", args[0], d.socket, ts.ReadFile(args[0]+".err"))
	}
}

// put FROM TO: replaces a file as an editor does, whole, by rename.
func put(ts *testscript.TestScript, _ bool, args []string) {
	to := ts.MkAbs(args[1])
	ts.Check(os.WriteFile(to+".new", []byte(ts.ReadFile(args[0])), 0o600))
	ts.Check(os.Rename(to+".new", to))
}

func create(ts *testscript.TestScript, name string) *os.File {
	f, err := os.Create(ts.MkAbs(name))
	ts.Check(err)
	ts.Defer(func() { f.Close() })
	return f
}

// socketOf is where a daemon with these arguments listens.
func socketOf(ts *testscript.TestScript, args []string) string {
	if i := slices.Index(args, "--socket"); i >= 0 {
		return args[i+1]
	}
	if at := ts.Getenv("AT"); at != "" { // where a file says so
		return at
	}
	return ts.Getenv("ASSD_SOCKET")
}

// answers waits until the daemon answers, or has ended.
func (d *process) answers() bool {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if status, _, err := call(d.socket, "GET", "/v1/health", "", ""); err == nil && status == http.StatusOK {
			return true
		}
		select {
		case <-d.exited:
			return false
		case <-time.After(25 * time.Millisecond):
		}
	}
	return false
}

// end SIGNAL NAME CODE: sends TERM, INT or KILL to a daemon, which must end
// with that code.
func end(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	d := ts.Value(daemons{}).(map[string]*process)[args[1]]
	ts.Check(d.cmd.Process.Signal(signals[args[0]]))
	ended(ts, false, args[1:])
}

// ended NAME CODE: waits until a daemon ends, with that code.
func ended(ts *testscript.TestScript, _ bool, args []string) {
	d := ts.Value(daemons{}).(map[string]*process)[args[0]]
	select {
	case <-d.exited:
	case <-time.After(time.Minute):
		ts.Fatalf("%s does not end", args[0])
	}
	if got := strconv.Itoa(d.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("%s ended with %s; want %s:\n%s", args[0], got, args[1], ts.ReadFile(args[0]+".err"))
	}
}

// keep FIELD NAME: puts a field of the one JSON document on the last standard
// output into a variable.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	var doc map[string]any
	ts.Check(dec.Decode(&doc))
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("there is more than one document on standard output")
	}
	v, ok := doc[args[0]]
	if !ok {
		ts.Fatalf("no %q in %v", args[0], doc)
	}
	ts.Setenv(args[1], fmt.Sprint(v))
}

// request METHOD TARGET STATUS [BODY]: asks the daemon, with the key in KEY, and
// prints what it answers.
func request(ts *testscript.TestScript, _ bool, args []string) {
	body := ""
	if len(args) > 3 {
		body = args[3]
	}
	status, answer, err := call(socketOf(ts, nil), args[0], args[1], ts.Getenv("KEY"), body)
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), answer)
	if strconv.Itoa(status) != args[2] {
		ts.Fatalf("%s %s: %d %s; want %s", args[0], args[1], status, answer, args[2])
	}
}

// call is one request over the socket.
func call(socket, method, target, key, body string) (status int, answer string, err error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequest(method, "http://assd"+target, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// remember DIR…: notes everything about the files below.
func remember(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		ts.Setenv("REMEMBERED_"+dir, state(ts, dir))
	}
}

// unchanged DIR…: all is as it was.
func unchanged(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		if was, is := ts.Getenv("REMEMBERED_"+dir), state(ts, dir); was != is {
			ts.Fatalf("%s was\n%sand is\n%s", dir, was, is)
		}
	}
}

func state(ts *testscript.TestScript, dir string) string {
	var b strings.Builder
	ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		var content []byte
		if info.Mode().IsRegular() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&b, "%s %v %d %x %v\n", e.Name(), info.Mode(), len(content), sha256.Sum256(content), info.ModTime())
		return nil
	}))
	return b.String()
}

// private DIR NAME…: the directory and all in it belong to one user alone, and
// these names are there.
func private(ts *testscript.TestScript, _ bool, args []string) {
	var names []string
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		} else {
			names = append(names, e.Name())
		}
		if info.Mode().Perm() != want {
			return fmt.Errorf("%s has mode %04o; want %04o", path, info.Mode().Perm(), want)
		}
		return nil
	}))
	if !slices.Equal(names, args[1:]) {
		ts.Fatalf("%s holds %q; want %q", args[0], names, args[1:])
	}
}

// jsonlines FILE: each line is a JSON object with a level, a time and a message.
func jsonlines(ts *testscript.TestScript, _ bool, args []string) {
	lines := bytes.Split(bytes.TrimSpace([]byte(ts.ReadFile(args[0]))), []byte("\n"))
	for _, line := range lines {
		var m map[string]any
		ts.Check(json.Unmarshal(line, &m))
		for _, field := range []string{"@level", "@message", "@timestamp"} {
			if m[field] == nil {
				ts.Fatalf("no %s in %s", field, line)
			}
		}
	}
	if len(lines) < 2 {
		ts.Fatalf("only %d lines", len(lines))
	}
}
