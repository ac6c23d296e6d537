package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/testenv"
)

// service is a place for a daemon that root starts as another user.
type service struct {
	*fullVault
	as       *user.User
	uid, gid int
	root     string // its folder, open to all
}

// newService needs root, and a user without rights.
func newService(t *testing.T) *service {
	t.Helper()
	as, err := user.Lookup("nobody")
	if os.Geteuid() != 0 || err != nil {
		testenv.Skip(t, "only root can give up root, for the user nobody")
	}
	s := &service{fullVault: &fullVault{t: t}, as: as}
	s.uid, _ = strconv.Atoi(as.Uid)
	s.gid, _ = strconv.Atoi(as.Gid)
	if s.root, err = os.MkdirTemp("", "assd"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.root) })
	if err := os.Chmod(s.root, 0o755); err != nil {
		t.Fatal(err)
	}
	s.dir = s.at("data")
	return s
}

func (s *service) at(name string) string { return filepath.Join(s.root, name) }

// begin starts the daemon with these flags and waits until it answers.
func (s *service) begin(flags ...string) {
	s.t.Helper()
	p := &process{cmd: exec.Command("assd", flags...), socket: s.at("run/s"), exited: make(chan struct{})}
	p.cmd.Stderr = &s.err
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	s.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
	})
	if s.process = p; !p.answers() {
		s.t.Fatalf("assd does not answer: %s", s.err.String())
	}
}

// stop ends the daemon, which must drain and end with 0.
func (s *service) stop() {
	s.t.Helper()
	if err := s.process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	<-s.process.exited
	if code := s.process.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("assd ended with %d: %s", code, s.err.String())
	}
}

// binary is assd where every user may run it.
func (s *service) binary() string {
	s.t.Helper()
	path, err := exec.LookPath("assd")
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(s.at("assd"), b, 0o755)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return s.at("assd")
}

// belongs checks whose a file is, and its mode.
func (s *service) belongs(path string, uid, gid int, mode fs.FileMode) {
	s.t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		s.t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if int(stat.Uid) != uid || int(stat.Gid) != gid || info.Mode().Perm() != mode {
		s.t.Errorf("%s belongs to %d:%d with mode %04o; want %d:%d %04o", path, stat.Uid, stat.Gid, info.Mode().Perm(), uid, gid, mode)
	}
}

// dialAs connects to the socket as another user and group, and returns who is at the
// other end. It changes one thread, which ends with its goroutine.
func (s *service) dialAs(uid, gid int) (cred peer.Cred, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		for _, call := range [][4]uintptr{
			{syscall.SYS_SETGROUPS, 0, 0, 0},
			{syscall.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)},
			{syscall.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)},
		} {
			if _, _, errno := syscall.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				err = errno
				return
			}
		}
		c, dialled := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.process.socket, Net: "unix"})
		if err = dialled; err == nil {
			cred, err = peer.Of(c)
			c.Close()
		}
	}()
	<-done
	return cred, err
}

// TestUser: nothing of root is left in the process, its files are the user's, clients
// see that user, and the socket is for the user's group.
func TestUser(t *testing.T) {
	s := newService(t)
	flags := []string{"--user", "nobody", "--data-dir", s.dir, "--socket", s.at("run/s"), "--listen", "127.0.0.77:443"}
	s.begin(flags...)
	pid, uid, gid := s.process.cmd.Process.Pid, s.as.Uid, s.as.Gid
	allThreads(t, pid, "Uid", strings.Join([]string{uid, uid, uid, uid}, " "))
	allThreads(t, pid, "Gid", strings.Join([]string{gid, gid, gid, gid}, " "))
	allThreads(t, pid, "Groups", gid)
	allThreads(t, pid, "NoNewPrivs", "1")
	for _, set := range []string{"CapEff", "CapPrm", "CapInh", "CapAmb"} {
		allThreads(t, pid, set, "0000000000000000")
	}
	// What is not dumpable is root's, whoever runs it.
	s.belongs(fmt.Sprintf("/proc/%d/environ", pid), 0, 0, 0o400)
	s.belongs(s.dir, s.uid, s.gid, 0o700)
	for _, name := range []string{"vault.db", "root.key", "head", "tls/key.pem"} {
		s.belongs(filepath.Join(s.dir, name), s.uid, s.gid, 0o600)
	}
	s.belongs(s.at("run"), 0, s.gid, 0o750)
	s.belongs(s.at("run/s"), 0, s.gid, 0o660)

	if cred, err := s.dialAs(54321, s.gid); err != nil || cred.UID != s.uid || cred.PID != pid {
		t.Errorf("a user of the group sees %+v, %v", cred, err)
	}
	if _, err := s.dialAs(54321, 54321); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a user outside the group gets %v", err)
	}
	var claim struct {
		Key string `json:"owner_key"`
	}
	s.decode(s.want("POST", "/v1/vault/claim", "", `{}`, 200), &claim)
	if s.owner = claim.Key; !strings.Contains(s.want("GET", "/v1/me", s.owner, "", 200), `"runs_as_root":false`) {
		t.Error("owners are told that it runs as root")
	}
	s.stop()

	// The socket that root has made is still there, and no hindrance.
	s.begin(flags...)
	s.want("GET", "/v1/me", s.owner, "", 200)
	if strings.Contains(s.err.String(), "runs as root") {
		t.Errorf("the log says that it runs as root: %s", s.err.String())
	}
	s.stop()
}

// TestUserFiles: a configuration is read as the user is, from the data dir or, of
// root's, from elsewhere; and in a folder of the user's own root makes nothing.
func TestUserFiles(t *testing.T) {
	s := newService(t)
	for _, dir := range []string{"data", "run"} {
		if err := errors.Join(os.Mkdir(s.at(dir), 0o700), os.Lchown(s.at(dir), s.uid, s.gid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(s.at("run"), 0o750); err != nil {
		t.Fatal(err)
	}
	config := s.at("data/assd.toml")
	if err := errors.Join(os.WriteFile(config, fmt.Appendf(nil, "socket = %q\nlog-level = \"debug\"\n", s.at("run/s")), 0o600), os.Lchown(config, s.uid, s.gid)); err != nil {
		t.Fatal(err)
	}
	s.begin("--user", "nobody", "--data-dir", s.dir)
	s.belongs(s.at("run/s"), s.uid, s.gid, 0o660)
	s.stop()
	if !strings.Contains(s.err.String(), "[DEBUG]") {
		t.Errorf("the configuration does not count: %s", s.err.String())
	}
	if _, err := os.Lstat(s.at("run/s")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket in the user's folder is still there: %v", err)
	}

	elsewhere := s.at("assd.toml")
	if err := os.WriteFile(elsewhere, fmt.Appendf(nil, "user = \"nobody\"\ndata-dir = %q\nsocket = %q\n", s.dir, s.at("run/s")), 0o644); err != nil {
		t.Fatal(err)
	}
	s.begin("--config", elsewhere)
	allThreads(t, s.process.cmd.Process.Pid, "Uid", strings.Join([]string{s.as.Uid, s.as.Uid, s.as.Uid, s.as.Uid}, " "))
	s.stop()
}

// TestUserRefused: who may not or cannot be meant, with what to do; and nothing is
// made.
func TestUserRefused(t *testing.T) {
	s := newService(t)
	for _, dir := range []string{"roots", "closed"} {
		if err := os.Mkdir(s.at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := s.at("link")
	if err := os.Symlink(s.at("roots"), link); err != nil {
		t.Fatal(err)
	}
	mine := s.at("mine.toml")
	if err := errors.Join(os.WriteFile(mine, []byte("user = \"nobody\"\n"), 0o600), os.Lchown(mine, s.uid, s.gid)); err != nil {
		t.Fatal(err)
	}
	binary := s.binary()
	notRoot := &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.gid)}
	for name, tc := range map[string]struct {
		as    *syscall.Credential
		flags []string
		code  int
		says  string
	}{
		"unknown":            {nil, []string{"--user", "no-such-user"}, 2, `--user: there is no user "no-such-user" on this machine: useradd --system no-such-user, or name another`},
		"root":               {nil, []string{"--user", "root"}, 2, `user "root" is root: name one who is not`},
		"not by root":        {notRoot, []string{"--user", "nobody"}, 2, "--user drops root, and assd was not started by root: leave it out, or start assd as root"},
		"root's data dir":    {nil, []string{"--user", "nobody", "--data-dir", s.at("roots")}, 1, "belongs to uid 0 and must be user \"nobody\"'s, whom assd is to run as: chown -R nobody: " + s.at("roots")},
		"a link to it":       {nil, []string{"--user", "nobody", "--data-dir", link}, 1, "belongs to uid 0"},
		"closed to the user": {nil, []string{"--user", "nobody", "--data-dir", s.at("closed/data")}, 1, `user "nobody", whom assd is to run as, must get to its data dir`},
		"a file not by root": {nil, []string{"--config", mine}, 2, "neither root nor uid 0"},
		"an unknown group":   {nil, []string{"--user", "nobody", "--data-dir", s.dir, "--socket", s.at("run/s"), "--socket-group", "no-such-group"}, 1, "no-such-group"},
		"the user's TLS key": {nil, []string{"--user", "nobody", "--data-dir", s.dir, "--socket", s.at("run/s"), "--listen", "127.0.0.1:0", "--tls-cert", s.at("closed/c"), "--tls-key", s.at("closed/k")}, 1, "let uid " + s.as.Uid + ", which assd runs as, read it"},
	} {
		cmd := exec.Command(binary, tc.flags...)
		cmd.Args[0] = "assd"
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: tc.as}
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != tc.code || !strings.Contains(string(out), tc.says) {
			t.Errorf("%s: %v says %q; want %d and %q", name, cmd.ProcessState, out, tc.code, tc.says)
		}
	}
	if names, err := filepath.Glob(s.at("*/*")); err != nil || len(names) > 0 {
		t.Errorf("what was refused has left %q, %v", names, err)
	}
}

// TestUserAccepted: with a passphrase the accepted configuration counts, which is
// found in the vault as the user.
func TestUserAccepted(t *testing.T) {
	s := newService(t)
	flags := []string{"--user", "nobody", "--data-dir", s.dir, "--socket", s.at("run/s"), "--log-level", "debug"}
	s.begin(flags...)
	var claim struct {
		Key string `json:"owner_key"`
	}
	s.decode(s.want("POST", "/v1/vault/claim", "", `{"passphrase":"a long passphrase"}`, 200), &claim)
	s.stop()
	// Whoever writes the file alone changes nothing.
	config := s.at("data/assd.toml")
	if err := errors.Join(os.WriteFile(config, []byte("user = \"daemon\"\nsocket-group = \"root\"\n"), 0o600), os.Lchown(config, s.uid, s.gid)); err != nil {
		t.Fatal(err)
	}
	s.begin(flags...)
	s.belongs(s.at("run/s"), 0, s.gid, 0o660)
	var me struct {
		Protection struct{ Config string }
	}
	if err := json.Unmarshal([]byte(s.want("GET", "/v1/me", claim.Key, "", 200)), &me); err != nil || me.Protection.Config != "held" {
		t.Errorf("the configuration is %+v, %v", me, err)
	}
	s.stop()
}
