package helper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/helper"
)

// TestMain lets the test binary be the helper, too.
func TestMain(m *testing.M) {
	syscall.Umask(0o022) // folders must be such as are taken
	if len(os.Args) == 3 && os.Args[1] == "be-helper" {
		conn, err := helper.Inherited()
		if err == nil {
			err = helper.Serve(conn, func() (helper.Text, error) { return load(os.Args[2]) })
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// load reads an operator's file of this test: a command a line, its arguments apart by
// blanks; "-" is none.
func load(path string) (helper.Text, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return helper.Text{}, err
	}
	t := helper.Text{Digest: helper.Digest(b)}
	for line := range strings.Lines(string(b)) {
		c := helper.Command{Argv: strings.Fields(line), Timeout: time.Minute}
		if c.Argv[0] == "-" {
			c = helper.Command{}
		}
		t.Commands = append(t.Commands, c)
	}
	return t, nil
}

// site is a folder with an operator's file and programs, and a helper for it.
type site struct {
	t    *testing.T
	dir  string
	h    *helper.Helper
	text string
}

// newSite starts a helper whose file names the programs, each with a body for sh.
func newSite(t *testing.T, programs ...string) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "bin")}
	s.must(os.Mkdir(s.dir, 0o755))
	for i, body := range programs {
		s.program(strconv.Itoa(i), body)
		s.text += s.at(strconv.Itoa(i)) + "\n"
	}
	s.write(s.text)
	s.start()
	return s
}

func (s *site) must(errs ...error) {
	s.t.Helper()
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) at(name string) string { return filepath.Join(s.dir, name) }

func (s *site) file() string { return filepath.Join(filepath.Dir(s.dir), "file") }

func (s *site) write(text string) {
	s.t.Helper()
	s.must(os.WriteFile(s.file(), []byte(text), 0o600))
}

func (s *site) program(name, body string) {
	s.t.Helper()
	s.must(os.WriteFile(s.at(name), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
}

func (s *site) start() {
	s.t.Helper()
	var err error
	s.h, err = helper.Start("be-helper", s.file())
	s.must(err)
	s.t.Cleanup(func() { s.h.Close() })
	// It answers once it has read the file.
	if _, err := s.h.Load(s.t.Context(), ""); errors.Is(err, helper.ErrGone) {
		s.t.Fatal(err)
	}
}

func (s *site) digest() string { return helper.Digest([]byte(s.text)) }

func (s *site) run(index int, stdin string) (string, string, error) {
	return s.runOf(s.digest(), index, stdin)
}

func (s *site) runOf(digest string, index int, stdin string) (string, string, error) {
	p, err := s.h.Run(context.Background(), helper.Job{Digest: digest, Index: index, Timeout: 20 * time.Second, Stdin: []byte(stdin)})
	return string(p.Out), string(p.Err), err
}

// failed checks that err is a failure for a reason of ours.
func failed(t *testing.T, err error, why string) {
	t.Helper()
	f := (*helper.Failure)(nil)
	if !errors.As(err, &f) || !strings.Contains(f.Why, why) {
		t.Errorf("got %v; want %q", err, why)
	}
}

func TestRun(t *testing.T) {
	s := newSite(t, `cat; echo two >&2`, `exit 7`, `true`)
	out, errs, err := s.run(0, "one\x00é")
	if out != "one\x00é" || errs != "two\n" || err != nil {
		t.Errorf("%q, %q, %v", out, errs, err)
	}
	_, _, err = s.run(1, "")
	failed(t, err, "the command exited with status 7")
	// What is larger than a pipe holds, and read by nobody.
	if out, _, err := s.run(2, strings.Repeat("x", 6<<20)); out != "" || err != nil {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if out, _, err := s.run(0, strings.Repeat("x", 1<<20+2)); len(out) != 1<<20+2 || err != nil {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	_, _, err = s.run(0, strings.Repeat("x", 1<<20+3))
	failed(t, err, "printed more than 1 MiB")
}

// TestSurroundings: a command gets PATH, HOME and LANG, three descriptors, a process
// group of its own, whatever assd was started with.
func TestSurroundings(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "x")
	t.Setenv("LD_PRELOAD", "")
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("HOME", "/home/of/assd")
	// Not closed for other programs, as one that was inherited.
	leak, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak)
	s := newSite(t, `exec 2>&1; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD=; pwd; umask; echo fds $(ls /dev/fd/); echo pgrp $(($(ps -o pgid= -p $$) == $$)); ps -o tty= -p $$`)
	// ls has its own descriptor for the folder that it lists.
	want := []string{"/", "0022", "?", "HOME=/home/of/assd", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "fds 0 1 2 3", "pgrp 1"}
	slices.Sort(want)
	check := func() {
		out, _, err := s.run(0, "")
		got := strings.Split(strings.TrimSpace(out), "\n")
		slices.Sort(got)
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("%q, %v\nwant %q", got, err, want)
		}
	}
	check()
	// Whatever the helper itself has: here it is this very process.
	s.within()
	want = slices.DeleteFunc(want, func(s string) bool { return s == "?" || strings.HasPrefix(s, "fds") })
	s.program("0", `exec 2>&1; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD=; pwd; umask; echo pgrp $(($(ps -o pgid= -p $$) == $$))`)
	check()
}

// within has a helper in this very process.
func (s *site) within() {
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- helper.Serve(theirs, func() (helper.Text, error) { return load(s.file()) }) }()
	h := helper.Dial(ours)
	s.h = h
	s.t.Cleanup(func() { s.must(h.Close(), <-done) })
}

// TestOnlyWhatTheFileSays: a daemon that was taken over can have nothing else run.
func TestOnlyWhatTheFileSays(t *testing.T) {
	s := newSite(t, `echo ran`)
	s.text += "-\n"
	s.write(s.text)
	if l, err := s.h.Load(t.Context(), ""); err != nil || l.Digest != s.digest() {
		t.Fatalf("%+v, %v", l, err)
	}
	for _, index := range []int{-1, 1, 2, 1 << 40} {
		_, _, err := s.run(index, "")
		failed(t, err, "no such command")
	}
	for _, digest := range []string{"", "sha256:", helper.Digest(nil), helper.Digest([]byte("/bin/sh -c id\n"))} {
		out, _, err := s.runOf(digest, 0, "")
		failed(t, err, "the configuration in force is not the file that is there")
		if out != "" {
			t.Errorf("it ran: %q", out)
		}
	}
	if out, _, err := s.run(0, ""); out != "ran\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// TestChangedFile: what was read stays known, what was not read does not run, and a
// folder that is new waits for a new start.
func TestChangedFile(t *testing.T) {
	s := newSite(t, `echo old`)
	old := s.digest()
	s.program("new", `echo new`)
	s.text = s.at("new") + "\n"
	s.write(s.text)
	_, _, err := s.run(0, "")
	failed(t, err, "is not the file that is there")
	if _, err := s.h.Load(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	for digest, want := range map[string]string{old: "old\n", s.digest(): "new\n"} {
		if out, _, err := s.runOf(digest, 0, ""); out != want || err != nil {
			t.Errorf("%q, %v; want %q", out, err, want)
		}
	}
	// However often it changes, the one in force stays known.
	for i := range 20 {
		s.write(s.at("new") + " " + strconv.Itoa(i) + "\n")
		if _, err := s.h.Load(t.Context(), old); err != nil {
			t.Fatal(err)
		}
	}
	if out, _, err := s.runOf(old, 0, ""); out != "old\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	_, _, err = s.run(0, "")
	failed(t, err, "is not the file that is there") // it was one of too many
	other := filepath.Join(t.TempDir(), "other")
	s.must(os.Mkdir(other, 0o755), os.WriteFile(filepath.Join(other, "x"), []byte("#!/bin/sh\necho x\n"), 0o755))
	s.text = filepath.Join(other, "x") + "\n"
	s.write(s.text)
	_, err = s.h.Load(t.Context(), old)
	failed(t, err, "restart assd")
	_, _, err = s.run(0, "")
	failed(t, err, "is not the file that is there")
}

// TestUnreadableFile: without a file nothing runs, and it says why.
func TestUnreadableFile(t *testing.T) {
	s := newSite(t, `echo ran`)
	s.must(s.h.Close(), os.Remove(s.file()))
	s.start()
	_, _, err := s.run(0, "")
	failed(t, err, "could not read the configuration when assd was started")
	s.write(s.text)
	_, err = s.h.Load(t.Context(), "")
	failed(t, err, "restart assd")
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil && bytes.Contains(b, []byte(") Z ")) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d runs", pid)
}

// pids waits for a file of process ids that a command writes.
func (s *site) pids(name string, n int) (all []int) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		b, _ := os.ReadFile(s.at(name))
		if fields := strings.Fields(string(b)); len(fields) == n {
			for _, f := range fields {
				pid, err := strconv.Atoi(f)
				s.must(err)
				all = append(all, pid)
			}
			return all
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("the command has not begun")
	return nil
}

const hangs = `trap "" TERM INT HUP; sleep 1000 & (trap "" TERM; sleep 1000) & echo $$ $! > "$0.pids"; wait; sleep 1000`

// TestEnds: however a run ends early, its whole group is gone.
func TestEnds(t *testing.T) {
	for name, end := range map[string]func(*site, context.CancelFunc){
		"nobody waits":    func(_ *site, stop context.CancelFunc) { stop() },
		"the daemon ends": func(s *site, _ context.CancelFunc) { s.must(s.h.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, hangs)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := s.h.Run(ctx, helper.Job{Digest: s.digest(), Timeout: time.Minute})
				done <- err
			}()
			pids := s.pids("0.pids", 2)
			end(s, stop)
			if err := <-done; err == nil {
				t.Error("the run has ended well")
			}
			stop()
			for _, pid := range pids {
				gone(t, pid)
			}
		})
	}
	left := newSite(t, `sleep 1000 & echo $! > "$0.pids"; echo value`)
	if out, _, err := left.run(0, ""); out != "value\n" || err != nil {
		t.Errorf("what leaves something behind: %q, %v", out, err)
	}
	gone(t, left.pids("0.pids", 1)[0])
	s := newSite(t, hangs)
	for timeout := 300 * time.Millisecond; ; timeout *= 4 { // until it is long enough to begin
		_, err := s.h.Run(t.Context(), helper.Job{Digest: s.digest(), Timeout: timeout})
		failed(t, err, fmt.Sprintf("the command was still running after %v and was killed", timeout))
		if b, _ := os.ReadFile(s.at("0.pids")); len(strings.Fields(string(b))) == 2 || timeout > 10*time.Second {
			break
		}
	}
	for _, pid := range s.pids("0.pids", 2) {
		gone(t, pid)
	}
}

// TestLeavesGroup: one that leaves the group is not found, but does not hold up the
// answer, which is then none.
func TestLeavesGroup(t *testing.T) {
	s := newSite(t, `setsid sh -c 'echo $$ > "$0.pids"; exec sleep 1000' "$0" & while [ ! -s "$0.pids" ]; do sleep 0.01; done; echo value`)
	_, _, err := s.run(0, "")
	failed(t, err, "left something running that holds its output open")
	for _, pid := range s.pids("0.pids", 1) {
		s.must(syscall.Kill(pid, syscall.SIGKILL))
	}
}

// TestHelperGone: a helper that ends is noticed, also by who waits for it.
func TestHelperGone(t *testing.T) {
	s := newSite(t, `echo $PPID > "$0.pids"; sleep 5`)
	done := make(chan error, 1)
	go func() { _, _, err := s.run(0, ""); done <- err }()
	pid := s.pids("0.pids", 1)[0]
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} { // the daemon's to obey
		s.must(syscall.Kill(pid, sig))
	}
	select {
	case <-s.h.Gone():
		t.Fatal("it obeys signals that are meant for the daemon")
	case <-time.After(100 * time.Millisecond):
	}
	s.must(syscall.Kill(pid, syscall.SIGKILL))
	<-s.h.Gone()
	if err := <-done; !errors.Is(err, helper.ErrGone) {
		t.Errorf("who waits gets %v", err)
	}
	if _, _, err := s.run(0, ""); !errors.Is(err, helper.ErrGone) {
		t.Errorf("the next gets %v", err)
	}
	if _, err := s.h.Load(t.Context(), ""); !errors.Is(err, helper.ErrGone) {
		t.Errorf("to load gives %v", err)
	}
}

// TestMany: beyond so many at a time it says so, and then there is room again.
func TestMany(t *testing.T) {
	s := newSite(t, `echo $$ >> "$0.pids"; exec sleep 1000`, `echo ran`)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 16)
	for range 16 {
		go func() {
			_, err := s.h.Run(ctx, helper.Job{Digest: s.digest(), Timeout: time.Minute})
			done <- err
		}()
	}
	s.pids("0.pids", 16)
	_, _, err := s.run(1, "")
	failed(t, err, "16 commands are running already")
	stop()
	for range 16 {
		<-done
	}
	if out, _, err := s.run(1, ""); out != "ran\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// TestGarbage: what is no message ends the helper, and runs nothing.
func TestGarbage(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x00\x02\x00\x00\x00\x00{]", "\x00\x00\x00\x0c\x00\x00\x00\x00{\"op\":\"sh\"} ", "\x00\x00"} {
		ours, theirs := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- helper.Serve(theirs, func() (helper.Text, error) { return helper.Text{}, nil })
		}()
		ours.SetDeadline(time.Now().Add(30 * time.Second))
		go func() { io.WriteString(ours, text); ours.Close() }()
		if err := <-done; err == nil {
			t.Errorf("%q ends it well", text)
		}
	}
}
