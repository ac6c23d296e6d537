package main_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bin is the folder of the binaries under test: ass, assd, and ass-system,
// which looks for the system's client file in $systemFile.
var bin, systemFile string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	detach()
	dir, err := os.MkdirTemp("", "ass")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bin, systemFile = dir, filepath.Join(dir, "client.toml")
	for _, b := range [][]string{
		{"ass", "-X main.version=1.0.0", "."},
		{"ass-system", "-X main.systemFile=" + systemFile, "."},
		{"assd", "", "../assd"},
	} {
		cmd := exec.Command("go", "build", "-ldflags", b[1], "-o", filepath.Join(dir, b[0]), b[2])
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %v\n%s", b[0], err, out)
			return 1
		}
	}
	return m.Run()
}

func TestScript(t *testing.T) {
	seeSources(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"daemon":   daemonCmd,
			"exit":     exitCmd,
			"https":    httpsCmd,
			"issue":    issueCmd,
			"listener": listenerCmd,
			"makefile": makefileCmd,
			"mode":     modeCmd,
			"receiver": receiverCmd,
			"setfrom":  setfromCmd,
		},
	})
}

// seeSources looks into every folder of the module. "go test" remembers a
// result for as long as what the test itself opened stays the same, and does
// not see what the builds of the binaries open.
func seeSources(t *testing.T) {
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since its folder was read
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	case "ci": // where nothing is skipped, as internal/testenv has it
		return os.Getenv("CI") != "", nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// world is what a script started outside itself.
type world struct {
	daemons   map[string]*daemon
	listeners map[string]*listener
	receivers map[string]*receiver
}

func setup(env *testscript.Env) error {
	w := &world{daemons: map[string]*daemon{}, listeners: map[string]*listener{}, receivers: map[string]*receiver{}}
	env.Values["world"] = w
	for name, sub := range map[string]string{"HOME": "home", "XDG_RUNTIME_DIR": "run", "XDG_DATA_HOME": "share"} {
		dir := filepath.Join(env.WorkDir, sub)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		env.Setenv(name, dir)
	}
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	env.Setenv("SYSTEM_FILE", systemFile)
	env.Defer(func() { w.end(env.T()) })
	return nil
}

func worldOf(ts *testscript.TestScript) *world { return ts.Value("world").(*world) }

// end stops what is running and checks every vault that the script has made.
func (w *world) end(t testscript.T) {
	for _, l := range w.listeners {
		l.close()
	}
	for _, r := range w.receivers {
		r.down()
	}
	for name, d := range w.daemons {
		if err := d.stop(syscall.SIGTERM); err != nil {
			t.Fatal("stopping daemon", name, err)
		}
		out, err := exec.Command(filepath.Join(bin, "assd"), "verify", "--data-dir", d.data).CombinedOutput()
		if err != nil {
			t.Fatal("assd verify fails after the script:", err, string(out))
		}
	}
}

// daemon is one assd with its own vault.
type daemon struct {
	data, socket string
	tls          string    // host:port, "" before it is served
	cmd          *exec.Cmd // nil when it does not run
	log          *os.File
}

// daemonCmd is "daemon start|tls|stop|kill [NAME] [FLAG…]". Without a name it is
// the one at the default socket; the socket of another is in $NAME_SOCKET. With
// tls it serves TLS as well, at $NAME_URL, or $TLS_URL without a name.
func daemonCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: daemon start|tls|stop|kill [name] [flag...]")
	}
	verb, name, flags := args[0], "", args[1:]
	if len(flags) > 0 && !strings.HasPrefix(flags[0], "-") {
		name, flags = flags[0], flags[1:]
	}
	d := daemonOf(ts, name)
	switch verb {
	case "start":
		ts.Check(d.start(ts, flags))
	case "tls":
		ts.Check(d.startTLS(ts, name, flags))
	case "stop":
		ts.Check(d.stop(syscall.SIGTERM))
	case "kill":
		ts.Check(d.stop(syscall.SIGKILL))
	default:
		ts.Fatalf("daemon %s?", verb)
	}
}

// daemonOf is the script's daemon of that name.
func daemonOf(ts *testscript.TestScript, name string) *daemon {
	w, sub := worldOf(ts), "assd"
	if name != "" {
		sub += "-" + name
	}
	if w.daemons[name] == nil {
		w.daemons[name] = &daemon{
			data:   ts.MkAbs(filepath.Join("data", sub)),
			socket: filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), sub, "assd.sock"),
		}
		if name != "" {
			ts.Setenv(name+"_SOCKET", w.daemons[name].socket)
		}
	}
	return w.daemons[name]
}

// startTLS runs the daemon with a TLS address, which stays the same when it is
// started again.
func (d *daemon) startTLS(ts *testscript.TestScript, name string, flags []string) error {
	if d.tls == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		d.tls = l.Addr().String()
		if err := l.Close(); err != nil {
			return err
		}
		ts.Setenv(cmp.Or(name, "TLS")+"_URL", "https://"+d.tls)
	}
	if err := d.start(ts, append([]string{"--listen", d.tls}, flags...)); err != nil {
		return err
	}
	return d.await("tcp", d.tls)
}

// start runs the daemon and waits until it takes connections.
func (d *daemon) start(ts *testscript.TestScript, flags []string) error {
	if err := os.MkdirAll(filepath.Dir(d.data), 0o700); err != nil {
		return err
	}
	var err error
	if d.log, err = os.OpenFile(d.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	args := append([]string{"serve", "--data-dir", d.data, "--socket", d.socket}, flags...)
	d.cmd = exec.Command(filepath.Join(bin, "assd"), args...)
	d.cmd.Dir = ts.MkAbs(".")
	d.cmd.Env = []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		return err
	}
	return d.await("unix", d.socket)
}

// await waits until the daemon takes connections at addr.
func (d *daemon) await(network, addr string) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		c, err := net.Dial(network, addr)
		if err == nil {
			return c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	log, _ := os.ReadFile(d.data + ".log")
	return fmt.Errorf("the daemon does not listen at %s:\n%s", addr, log)
}

// stop ends the daemon; after SIGTERM it must drain and exit with 0.
func (d *daemon) stop(sig syscall.Signal) error {
	if d.cmd == nil {
		return nil
	}
	cmd := d.cmd
	d.cmd = nil
	defer d.log.Close()
	if err := cmd.Process.Signal(sig); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil && sig != syscall.SIGKILL {
		log, _ := os.ReadFile(d.data + ".log")
		return fmt.Errorf("%w:\n%s", err, log)
	}
	return nil
}

// exitCmd is "exit CODE COMMAND ARGS…": it runs a command that must exit with
// just this code. Its output is asserted as after exec.
func exitCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit code command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exited, ok := err.(*exec.ExitError); ok {
		got = exited.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// listener accepts connections and counts what comes over them.
type listener struct {
	all   []net.Listener
	conns atomic.Int64 // that came
	over  atomic.Int64 // of those
	bytes atomic.Int64
	wg    sync.WaitGroup
}

// listenerCmd is "listener start NAME [UID]", which sets $NAME_UNIX and
// $NAME_HTTP to the URLs of a listener that runs as UID, and $NAME_SOCKET; "listener untouched
// NAME" when nobody connected, "listener unheard NAME" when somebody did and
// sent nothing, "listener heard NAME" when something was sent. It never answers.
func listenerCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: listener start|untouched|unheard|heard name [uid]")
	}
	w, name := worldOf(ts), args[1]
	switch args[0] {
	case "start":
		uid := -1
		if len(args) == 3 {
			var err error
			uid, err = strconv.Atoi(args[2])
			ts.Check(err)
		}
		w.listeners[name] = startListener(ts, name, uid)
	case "untouched":
		if n := w.listeners[name].conns.Load(); n != 0 {
			ts.Fatalf("%d connections came", n)
		}
	case "unheard", "heard":
		l := w.listeners[name]
		ts.Check(l.wait())
		if n := l.bytes.Load(); (n > 0) != (args[0] == "heard") {
			ts.Fatalf("%d bytes came", n)
		}
	default:
		ts.Fatalf("listener %s?", args[0])
	}
}

func startListener(ts *testscript.TestScript, name string, uid int) *listener {
	dir := ts.MkAbs("listen-" + name)
	ts.Check(os.Mkdir(dir, 0o700))
	socket := filepath.Join(dir, "s")
	local, err := listenAs(uid, socket)
	ts.Check(err)
	remote, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(name+"_SOCKET", socket)
	ts.Setenv(name+"_UNIX", "unix://"+socket)
	ts.Setenv(name+"_HTTP", "http://"+remote.Addr().String())
	l := &listener{all: []net.Listener{local, remote}}
	for _, one := range l.all {
		l.wg.Go(func() { l.serve(one) })
	}
	return l
}

func (l *listener) serve(from net.Listener) {
	for {
		c, err := from.Accept()
		if err != nil {
			return
		}
		l.conns.Add(1)
		l.wg.Go(func() {
			defer l.over.Add(1)
			defer c.Close()
			c.SetDeadline(time.Now().Add(30 * time.Second))
			n, _ := c.Read(make([]byte, 4096))
			l.bytes.Add(int64(n))
		})
	}
}

// wait waits until a connection has come, and all that have are over.
func (l *listener) wait() error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if n := l.conns.Load(); n > 0 && l.over.Load() == n {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("of %d connections %d are over", l.conns.Load(), l.over.Load())
}

func (l *listener) close() {
	for _, one := range l.all {
		one.Close()
	}
	l.wg.Wait()
}

// makefileCmd is "makefile NAME TEXT [COUNT]": a file of a Go-quoted text,
// repeated, for what txtar cannot hold.
func makefileCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: makefile name text [count]")
	}
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	n := 1
	if len(args) == 3 {
		n, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(text, n)), 0o600))
}

// modeCmd is "mode FILE OCTAL".
func modeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] mode file mode")
	}
	fi, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", fi.Mode().Perm()); (got == args[1]) == neg {
		ts.Fatalf("%s has mode %s", args[0], got)
	}
}

// setfromCmd is "setfrom VAR FILE", or "setfrom VAR FILE JSONKEY" for a string
// of a flat JSON document.
func setfromCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: setfrom var file [key]")
	}
	text := strings.TrimSpace(ts.ReadFile(args[1]))
	if len(args) == 3 {
		_, rest, ok := strings.Cut(text, strconv.Quote(args[2])+":")
		if !ok {
			ts.Fatalf("there is no %q in %s", args[2], args[1])
		}
		text, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(rest), `"`), `"`)
	}
	ts.Setenv(args[0], text)
}

// TestImports keeps what only the daemon needs out of the client: it would cost
// start-up time, and a client has no business with it.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		for _, banned := range []string{"github.com/tink-crypto", "github.com/lestrrat-go", "go.etcd.io/bbolt"} {
			if strings.HasPrefix(pkg, banned) {
				t.Errorf("ass imports %s", pkg)
			}
		}
	}
}

func TestVersionFormat(t *testing.T) {
	out, err := exec.Command(filepath.Join(bin, "ass"), "--version").Output()
	want := "ass/1.0.0 " + runtime.GOOS + "-" + runtime.GOARCH + " " + runtime.Version() + "\n"
	if err != nil || string(out) != want {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}
