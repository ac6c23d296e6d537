package main_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// nobody is whom the programs run as when the tests run as root, to whom everything
// would be open.
const nobody = 65534

// stage is where the canary test plays: a folder with all that assd and ass keep, and
// what they were given below in/, which is the one place where canaries may lie.
type stage struct {
	*testing.T
	dir    string
	env    []string
	daemon *exec.Cmd
	log    *bytes.Buffer // of the daemon that runs; complete once it has ended
	words  map[string]string

	mu     sync.Mutex
	secret canaries
	ran    map[string]map[bool]bool // by command: whether it failed
}

func newStage(t *testing.T) *stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "ass") // short, for the socket; open to nobody, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &stage{T: t, dir: dir, words: map[string]string{"dir": dir}, secret: canaries{}, ran: map[string]map[bool]bool{}}
	for _, sub := range []string{".", "home", "run", "share", "state", "cwd", "in", "out", "rotators"} {
		s.own(sub, os.MkdirAll(s.path(sub), 0o700))
	}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.path("home"), "XDG_RUNTIME_DIR=" + s.path("run"), "XDG_DATA_HOME=" + s.path("share"),
		"XDG_STATE_HOME=" + s.path("state"), "TERM=xterm", "GOTRACEBACK=crash",
	}
	return s
}

func (s *stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// own gives a file that was made to whom the programs run as.
func (s *stage) own(name string, err error) {
	s.Helper()
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(s.path(name), nobody, nobody)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// file makes a file that is input, with its whole text.
func (s *stage) file(name, text string, mode os.FileMode) {
	s.Helper()
	s.own(name, os.WriteFile(s.path(name), []byte(text), mode))
}

// canary makes a text that must not get anywhere, $name in the table. The marks in
// the middle are what escapes are for.
func (s *stage) canary(name, marks string) {
	s.watch(name, rand.Text()[:shortest]+marks+rand.Text()[:shortest])
}

// watch has text, which a command has made, be a canary too.
func (s *stage) watch(name, text string) {
	s.Helper()
	if len(text) < 2*shortest {
		s.Fatalf("the %s is %d bytes long, too short to be looked for", name, len(text))
	}
	s.words[name] = text
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret[name] = text
}

func (s *stage) expand(text string) string {
	s.Helper()
	return os.Expand(text, func(name string) string {
		word, ok := s.words[name]
		if !ok {
			s.Fatalf("$%s is not there yet", name)
		}
		return word
	})
}

// command is a program as the unprivileged user, which can make files for everyone to
// read and leave core files: what keeps it from that is its own doing.
func (s *stage) command(program string, args ...string) *exec.Cmd {
	const open = `umask 0; ulimit -S -c "$(ulimit -H -c)"; exec "$@"`
	cmd := exec.Command("/bin/sh", slices.Concat([]string{"-c", open, "sh", filepath.Join(bin, program)}, args)...)
	cmd.Dir, cmd.Env = s.path("cwd"), slices.Clone(s.env)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// start runs the daemon until it takes connections.
func (s *stage) start(flags ...string) {
	s.Helper()
	s.log = &bytes.Buffer{}
	s.daemon = s.command("assd", append([]string{"serve", "--log-level", "trace"}, flags...)...)
	s.daemon.Stdout, s.daemon.Stderr = s.log, s.log
	if err := s.daemon.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { s.daemon.Process.Kill() })
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if c, err := net.Dial("unix", s.path("run", "assd", "assd.sock")); err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.daemon.Process.Kill()
	s.daemon.Wait()
	s.Fatalf("the daemon does not listen:\n%s", s.log)
}

// stop ends the daemon and looks at all that it has logged.
func (s *stage) stop(sig syscall.Signal) {
	s.Helper()
	s.daemon.Process.Signal(sig)
	late := time.AfterFunc(20*time.Second, func() { s.daemon.Process.Kill() })
	err := s.daemon.Wait()
	if !late.Stop() || err != nil && sig == syscall.SIGTERM {
		s.Errorf("the daemon's end: %v", err)
	}
	s.clean("the daemon's log", s.log.Bytes())
	if n := bytes.Count(s.log.Bytes(), []byte("\n")); n < 10 && sig == syscall.SIGTERM {
		s.Errorf("the log is not talkative enough to tell anything:\n%s", s.log)
	}
}

// clean fails for each canary in b but those named.
func (s *stage) clean(what string, b []byte, but ...string) {
	s.Helper()
	s.mu.Lock()
	found := s.secret.names(b)
	s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(but, name) {
			s.Errorf("%s holds the %s (%s)", what, name, found[name])
		}
	}
}

// step is one run of a command.
type step struct {
	as   string // whose key is in the environment: $as; "" is the owner's in ~/.assrc
	line string // program and arguments, by spaces; $name is a word of the stage
	in   string // standard input; $name too
	code int    // the exit code; some where it does not matter
	does bool   // it does its work whatever that is
	// prints are the canaries that standard output has to hold, the one place where they
	// may be; tells is for the recovery passphrase on standard error.
	prints []string
	tells  []string
	// makes are the canaries that it makes and prints, by the field of its JSON; "" is all
	// of the output. finds is the same for what is none.
	makes, finds map[string]string
}

const some = -1

// play runs a step and looks at what it prints.
func (s *stage) play(st step) (stdout string) {
	s.Helper()
	words := strings.Fields(st.line)
	for i, w := range words {
		words[i] = s.expand(w)
	}
	out, errs, code := s.run(st, words)
	s.mark(words, code != 0 && !st.does)
	if st.code != some && code != st.code {
		s.Errorf("%s: exit code %d, want %d: %s", st.line, code, st.code, errs)
	}
	for field, name := range st.finds {
		s.words[name] = s.field(out, field)
	}
	for field, name := range st.makes {
		s.watch(name, s.field(out, field))
		st.prints = append(st.prints, name)
	}
	s.clean("standard output of "+st.line, out, st.prints...)
	s.clean("standard error of "+st.line, errs, st.tells...)
	for _, name := range st.prints {
		if _, ok := s.secret.names(out)[name]; !ok {
			s.Errorf("%s does not print the %s", st.line, name)
		}
	}
	return string(out)
}

// field is a text of a JSON document, or all of it for "".
func (s *stage) field(out []byte, name string) string {
	s.Helper()
	if name == "" {
		return strings.TrimSpace(string(out))
	}
	var doc map[string]any
	json.Unmarshal(out, &doc)
	text, _ := doc[name].(string)
	if text == "" {
		s.Fatalf("there is no %s in an answer of %d bytes", name, len(out))
	}
	return text
}

func (s *stage) run(st step, words []string) (stdout, stderr []byte, code int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := s.command(words[0], words[1:]...)
	if st.as != "" {
		cmd.Env = append(cmd.Env, "ASS_AGENT_KEY="+s.expand("$"+st.as))
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(s.expand(st.in)), &out, &errs
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	context.AfterFunc(ctx, func() {
		if ctx.Err() == context.DeadlineExceeded {
			cmd.Process.Kill()
		}
	})
	cmd.Wait()
	return out.Bytes(), errs.Bytes(), cmd.ProcessState.ExitCode()
}

// mark keeps that a command has run.
func (s *stage) mark(words []string, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range words {
		name := strings.Join(words[:i+1], " ")
		if s.ran[name] == nil {
			s.ran[name] = map[bool]bool{}
		}
		s.ran[name][failed] = true
	}
}

// receiver is where webhooks go; what comes is looked at like everything else.
func (s *stage) receiver() (url string) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.clean("what a webhook is told", append(body, fmt.Sprint(r.URL, r.Header)...))
	}))
	s.Cleanup(srv.Close)
	return srv.URL
}

// files looks at all that lies on the stage: what it holds, what it is called, and
// who may touch it. May says which canaries a file was asked to hold.
func (s *stage) files(may func(name string) []string) {
	seen := 0
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(s.dir, path)
		if err != nil {
			return err
		}
		if name == "in" {
			return fs.SkipDir
		}
		s.clean("the name of "+name, []byte(name))
		info, err := d.Info()
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), "core") {
			s.Errorf("%s looks like a core file", name)
		}
		if mode := info.Mode(); mode.Perm()&0o077 != 0 || mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
			s.Errorf("%s is open to others: %v", name, mode)
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		seen++
		b, err := os.ReadFile(path)
		s.clean(name, b, may(name)...)
		return err
	})
	if err != nil || seen < 5 {
		s.Errorf("after %d files: %v", seen, err)
	}
}
