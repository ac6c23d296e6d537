package main_test

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	main "github.com/agent-secret-store/assd/cmd/ass"
)

// TestCanary takes values, keys, tokens and passphrases through every command and
// what can go wrong with it, with a daemon that logs all that it can. None of them may
// be on disk, in a log, in a core file, in what another process of the same user sees,
// or printed by what is not meant to print it.
func TestCanary(t *testing.T) {
	s := newStage(t)
	s.inputs()
	s.playAll(before)
	s.start("--listen", s.words["address"])
	s.playAll(act)
	s.misplaceAll()
	s.stop(syscall.SIGTERM)
	s.playAll(gone)
	s.playAll(offline)
	s.playAll(misnamedOffline)
	s.start("--config", "none/"+s.words["value"], "--policy", s.words["agent"]) // what was accepted counts
	s.playAll(misled)
	s.stop(syscall.SIGTERM)
	s.start("--log-format", "json")
	s.playAll(after)
	s.words["owner"] = s.words["recovered"]
	s.env = append(s.env, "ASS_AGENT_KEY="+s.words["owner"])
	if testing.Short() {
		s.playAll(wrong[:fewWrong])
	} else {
		s.playAll(wrong)
	}
	s.watched()
	s.files(asked)
	s.complete()
}

// asked are the canaries that a file was asked to hold.
func asked(name string) []string {
	switch {
	case name == "out/export.env":
		return []string{"value"}
	case filepath.Dir(name) == "home" && strings.HasPrefix(filepath.Base(name), ".assrc"):
		return []string{"owner", "recovered", "agent"}
	}
	return nil
}

// inputs makes the canaries, and what they are brought in.
func (s *stage) inputs() {
	for _, name := range []string{"value", "sensitive", "critical", "imported", "rotated", "made"} {
		s.canary(name, `"+&<é `)
	}
	s.canary("passphrase", " & ")
	s.canary("next passphrase", " & ")
	s.canary("webhook secret", "")
	s.words["long"] = strings.Repeat(s.words["value"]+"\n", 1<<20/len(s.words["value"])+1)
	s.words["binary"] = "\xff\xfe" + s.words["value"] + "\x00"
	s.words["address"] = freeAddress(s.T)
	hook := "whsec_" + base64.StdEncoding.EncodeToString([]byte(s.words["webhook secret"]))
	s.watch("webhook secret as it is written", hook)
	for name, text := range map[string]string{
		"pass": s.words["passphrase"] + "\n", "next": s.words["next passphrase"] + "\n", "long": s.words["long"], "hook.secret": hook + "\n",
		"import.env": "IMPORTED='" + s.words["imported"] + "'\n", "broken.env": "A='" + s.words["value"] + "\n", "made": s.words["made"],
		"tell": `printf '%s\n' "$VALUE" "$IMPORTED"` + "\n", "fail": `echo "$VALUE" >&2; exit 3` + "\n",
	} {
		s.file("in/"+name, text, 0o600)
	}
	s.file("rotators/made", "#!/bin/sh\ncat "+s.path("in", "made")+"\n", 0o700)
	s.own("share/assd", os.Mkdir(s.path("share", "assd"), 0o700))
	s.file("share/assd/policy.toml", "[tiers.sensitive]\napprovals = 1\n", 0o600)
	s.file("share/assd/assd.toml", fmt.Sprintf(`[[rotator]]
path = "app/MADE"
command = [%q]

[[webhook]]
name = "chat"
url = %q
events = ["secret.*", "approval.*"]
secret_file = %q
`, s.path("rotators", "made"), s.receiver(), s.path("in", "hook.secret")), 0o600)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *stage) playAll(steps []step) {
	s.Helper()
	before := s.Failed()
	for _, st := range steps {
		s.play(st)
		if strings.HasPrefix(st.line, "ass login --passphrase-file") {
			s.watch("owner", s.savedKey())
		}
	}
	if s.Failed() && !before { // what comes next stands on it
		s.FailNow()
	}
}

// savedKey is the key in ~/.assrc.
func (s *stage) savedKey() string {
	s.Helper()
	b, err := os.ReadFile(s.path("home", ".assrc"))
	if err != nil {
		s.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "ask_live_")
	return "ask_live_" + rest[:strings.IndexFunc(rest+"\n", func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })]
}

// stored are flags whose text is kept, because that is what they are for, or that name
// a file that is made.
var stored = []string{"reason", "description", "name", "out"}

// misplaceAll gives each command canaries where they do not belong.
func (s *stage) misplaceAll() {
	s.Helper()
	var lines [][]string
	for i, leaf := range main.Leaves() {
		lines = append(lines, misplaced(leaf, i)...)
	}
	flags := []string{"--api-key", "--api-url", "--ca-cert", "--fingerprint", "--client-cert", "--client-key", "--passphrase-file", "--version"}
	if testing.Short() {
		flags = flags[:2]
	}
	for _, flag := range flags {
		lines = append(lines, []string{"ass", "whoami", flag, "$value"}, []string{"ass", "whoami", flag + "=$agent", "--verbose"})
	}
	for _, line := range misnamed {
		lines = append(lines, strings.Fields(line))
	}
	lines = append(lines,
		[]string{"ass", "$value"}, []string{"ass", "$agent", "$value"}, []string{"ass", "--$agent"},
		[]string{"ass", "secrets", "get", "app/$agent"}, []string{"ass", "secrets", "get", "$agent/KEY"}, []string{"ass", "secrets", "list", "app/$agent"},
		[]string{"assd", "$value"}, []string{"assd", "--$value"}, []string{"assd", "verify", "--key", "$value"}, []string{"assd", "serve", "$agent"},
		[]string{"assd", "serve", "--log-level", "$value"},
		[]string{"assd", "recover-owner", "$value"}, []string{"assd", "passphrase", "set", "$passphrase"}, []string{"assd", "init", "$value"},
	)
	s.eachAtOnce(lines)
}

// misplaced are command lines of the i-th command with a canary in the place of
// something else.
func misplaced(leaf main.Leaf, i int) (lines [][]string) {
	with := func(more ...string) {
		n := i + len(lines)
		for j, word := range more {
			more[j] = strings.ReplaceAll(word, "CANARY", []string{"$value", "$agent", "$passphrase"}[n%3])
		}
		lines = append(lines, slices.Concat([]string{"ass"}, leaf.Words, []string{"--verbose", "--json"}[n%2:n%2+1], more))
	}
	with("CANARY")
	if testing.Short() {
		return lines
	}
	with("CANARY", "CANARY", "CANARY")
	with("--nosuch=CANARY")
	for _, flag := range leaf.Flags {
		if !slices.Contains(stored, flag) {
			with(append([]string{"--" + flag, "CANARY"}, needs[leaf.Words[len(leaf.Words)-1]]...)...)
		}
	}
	return lines
}

// needs is what a command has to have, by its last word, or a flag is not looked at.
var needs = map[string][]string{
	"set": {"app/NOTHING"}, "rotate": {"app/NOTHING"}, "rollback": {"app/NOTHING"}, "get": {"app/NOTHING"}, "delete": {"app/NOTHING"},
	"import": {"-", "--namespace", "app"}, "export": {"app"}, "run": {"--", "true"}, "check": {"--agent", "bot"},
}

// eachAtOnce runs what may end as it likes, a few at a time: it is looked at for what
// it prints.
func (s *stage) eachAtOnce(lines [][]string) {
	s.Helper()
	todo, wg := make(chan []string), sync.WaitGroup{}
	for range 4 {
		wg.Go(func() {
			for words := range todo {
				s.misplace(words)
			}
		})
	}
	for _, words := range lines {
		todo <- words
	}
	close(todo)
	wg.Wait()
}

func (s *stage) misplace(line []string) {
	words := make([]string, len(line))
	for i, w := range line {
		words[i] = s.expand(w)
	}
	st := step{as: "owner", in: "$value"}
	out, errs, code := s.run(st, words)
	what := fmt.Sprintf("%s (exit code %d)", strings.Join(line, " "), code)
	s.clean("standard output of "+what, out)
	s.clean("standard error of "+what, errs)
	if code != 0 {
		s.mark(words, true)
	}
}

// watched has another process of the same user look at the daemon, its helper, and
// each ass that stays for long, and then makes them all leave a core file if they can.
func (s *stage) watched() {
	s.Helper()
	follow := s.stays("", "audit", "--follow")
	masks := s.stays("ready", "run", "--namespace", "app", "--keys", "VALUE", "--", "/bin/sh", "-c", "echo ready; sleep 60")
	watch := startConsole(s.T, func(cmd *exec.Cmd, terminal *os.File) {
		own := s.command("ass", "approvals", "watch")
		own.SysProcAttr = cmp.Or(own.SysProcAttr, &syscall.SysProcAttr{})
		own.SysProcAttr.Setsid, own.SysProcAttr.Setctty, own.SysProcAttr.Ctty = true, true, 3
		own.ExtraFiles, own.Stdin, own.Stdout, own.Stderr = cmd.ExtraFiles, terminal, terminal, terminal
		*cmd = *own
	})
	watch.await("the list of requests", func() bool { return strings.Contains(watch.screen(), "quit") })
	s.mark([]string{"ass", "approvals", "watch"}, false)
	closed := []int{s.daemon.Process.Pid, follow.Process.Pid, masks.Process.Pid, watch.cmd.Process.Pid}
	helper := helperOf(s.T, s.daemon.Process.Pid)
	s.look(append(closed, helper))
	s.clean("the screen of approvals watch", []byte(watch.screen()))
	for _, cmd := range []*exec.Cmd{follow, masks, watch.cmd} {
		s.abort(cmd)
	}
	syscall.Kill(helper, syscall.SIGABRT)
	raiseCore(s.daemon.Process.Pid)
	s.stop(syscall.SIGABRT)
	s.noCore(s.daemon)
}

// stays starts ass, and waits until it has said something.
func (s *stage) stays(says string, args ...string) *exec.Cmd {
	s.Helper()
	cmd := s.command("ass", args...)
	r, w, err := os.Pipe()
	if err != nil {
		s.Fatal(err)
	}
	cmd.Stdout = w
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	w.Close()
	r.SetReadDeadline(time.Now().Add(time.Minute))
	s.Cleanup(func() { cmd.Process.Kill(); r.Close() })
	said, buf := []byte{}, make([]byte, 256)
	for len(said) == 0 || !bytes.Contains(said, []byte(says)) { // masking lets go of it piece by piece
		n, err := r.Read(buf)
		if said = append(said, buf[:n]...); err != nil {
			s.Fatalf("ass %v says %q: %v", args, said, err)
		}
	}
	s.clean("what a long ass prints", said)
	return cmd
}

// helperOf is the process that runs the commands of rotators.
func helperOf(t *testing.T, daemon int) (pid int) {
	t.Helper()
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", daemon, daemon))
	fmt.Sscan(string(b), &pid)
	all, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range all {
		b, _ := os.ReadFile(path)
		if pid == 0 && bytes.Contains(b, fmt.Appendf(nil, "\nPPid:\t%d\n", daemon)) {
			fmt.Sscanf(path, "/proc/%d/", &pid)
		}
	}
	if pid == 0 {
		t.Fatal("the daemon has no helper")
	}
	return pid
}

// look has another process of the user look at these, and reports what it sees.
func (s *stage) look(closed []int) {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		s.Fatal(err)
	}
	looker := filepath.Join(bin, "look") // where its user may run it
	if err := os.WriteFile(looker, text, 0o755); err != nil {
		s.Fatal(err)
	}
	decoy := s.command("../../bin/sleep", "60")
	decoy.Args = []string{"sh", "-c", "exec sleep 61.0625"}
	if err := decoy.Start(); err != nil {
		s.Fatal(err)
	}
	defer func() { decoy.Process.Kill(); decoy.Wait() }()
	time.Sleep(50 * time.Millisecond) // until it is what it will be
	told, err := json.Marshal(view{Closed: closed, Open: decoy.Process.Pid, Canaries: s.secret, Decoy: "61.0625"})
	if err != nil {
		s.Fatal(err)
	}
	cmd := s.command("look")
	cmd.Env, cmd.Stdin = append(cmd.Env, lookEnv+"=1"), bytes.NewReader(told)
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		s.Errorf("another process of the same user: %v\n%s", err, out)
	}
}

// raiseCore lets a process leave a core file, as far as limits go: its own user could
// do that too, up to the hard one.
func raiseCore(pid int) {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Prlimit(pid, unix.RLIMIT_CORE, &unlimited, nil) == nil {
		return
	}
	var had unix.Rlimit
	unix.Prlimit(pid, unix.RLIMIT_CORE, nil, &had)
	had.Cur = had.Max
	unix.Prlimit(pid, unix.RLIMIT_CORE, &had, nil)
}

// abort ends a process in the way that leaves a core file.
func (s *stage) abort(cmd *exec.Cmd) {
	s.Helper()
	raiseCore(cmd.Process.Pid)
	cmd.Process.Signal(syscall.SIGABRT)
	late := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	cmd.Wait()
	if !late.Stop() {
		s.Errorf("%v does not end", cmd.Args)
	}
	if b, ok := cmd.Stderr.(*bytes.Buffer); ok {
		s.clean("what an ass that is aborted says", b.Bytes())
	}
	s.noCore(cmd)
}

func (s *stage) noCore(cmd *exec.Cmd) {
	s.Helper()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.CoreDump() {
		s.Errorf("%v ended with %v: a signal and no core file are wanted", cmd.Args[4:], cmd.ProcessState)
	}
}

// complete fails for a command that no step has run with success, and one that none
// has seen fail.
func (s *stage) complete() {
	s.Helper()
	all := assdCommands(s.T)
	for _, flag := range fileFlags(s.T, all) {
		if !slices.ContainsFunc(misnamedOffline, func(st step) bool { return strings.Contains(st.line, flag+" ") }) && flag != "--policy" {
			s.Errorf("no line of misnamedOffline has a secret behind %s", flag)
		}
	}
	for _, leaf := range main.Leaves() {
		all = append(all, "ass "+strings.Join(leaf.Words, " "))
	}
	s.ran["assd serve"] = map[bool]bool{false: true, true: s.ran["assd serve"][true]}
	for _, command := range all {
		if _, ok := s.ran[command][false]; !ok {
			s.Errorf("no line of canary_steps_linux_test.go runs %q with success: add one, with what it may print", command)
		}
		if _, ok := s.ran[command][true]; !ok {
			s.Errorf("%q was not seen to fail", command)
		}
	}
}

// fileFlags are the flags of assd's commands that take a file, as help lists them.
func fileFlags(t *testing.T, commands []string) (flags []string) {
	t.Helper()
	for _, command := range commands {
		out, err := exec.Command(filepath.Join(bin, "assd"), append(strings.Fields(command)[1:], "--help")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(string(out)) {
			if flag, ok := strings.CutSuffix(word, "=FILE"); ok && !slices.Contains(flags, flag) {
				flags = append(flags, flag)
			}
		}
	}
	if len(flags) < 8 {
		t.Fatalf("assd has the flags %q?", flags)
	}
	return flags
}

// assdCommands are the commands that assd has, as its help lists them.
func assdCommands(t *testing.T) (all []string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "assd"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "\nCommands:\n")
	for line := range strings.Lines(list) {
		words, ok := strings.CutSuffix(strings.TrimSpace(line), " [flags]")
		if ok && strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") {
			words, _, _ = strings.Cut(words, " <") // its arguments
			all = append(all, "assd "+words)
		}
	}
	if len(all) < 5 {
		t.Fatalf("assd has the commands %q?", all)
	}
	return all
}
