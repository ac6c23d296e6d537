package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/testenv"
)

// fullVault is a daemon with a secret, an agent and a token, on a disk that a
// test fills.
type fullVault struct {
	t                   *testing.T
	dir                 string
	process             *process
	err                 safeBuffer
	owner, agent, token string
}

const fullValue = "the value that a full disk must not release"

// startFull runs an assd in dir, with these flags besides. It is started by this
// very thread, in whose mount namespace it then is.
func startFull(t *testing.T, dir string, flags ...string) *fullVault {
	run, err := os.MkdirTemp("", "assd")
	if err != nil {
		t.Fatal(err)
	}
	v := &fullVault{t: t, dir: dir, process: &process{socket: filepath.Join(run, "run", "s"), exited: make(chan struct{})}}
	init := exec.Command("assd", "init", "--json", "--data-dir", dir)
	out, err := init.Output()
	var claim struct {
		Key string `json:"owner_key"`
	}
	if err := errors.Join(err, json.Unmarshal(out, &claim)); err != nil {
		t.Fatalf("init: %v", err)
	}
	v.owner = claim.Key
	cmd := exec.Command("assd", append([]string{"--data-dir", dir, "--socket", v.process.socket, "--log-level", "debug"}, flags...)...)
	cmd.Stderr = &v.err
	v.process.cmd = cmd
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(v.process.exited)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-v.process.exited
		os.RemoveAll(run)
	})
	if !v.process.answers() {
		t.Fatalf("assd does not answer: %s", v.err.String())
	}
	v.prepare()
	return v
}

// prepare stores what the full disk is to keep.
func (v *fullVault) prepare() {
	v.want("PUT", "/v1/secrets/a/K", v.owner, `{"value":"`+fullValue+`"}`, 200)
	var made struct {
		Key string `json:"api_key"`
	}
	v.decode(v.want("POST", "/v1/agents", v.owner, `{"name":"ci","allowed_scopes":["secrets:*:a/*"]}`, 200), &made)
	v.agent = made.Key
	var issued struct{ Token string }
	v.decode(v.want("POST", "/v1/tokens", v.agent, `{"scopes":["secrets:read:a/K"]}`, 200), &issued)
	v.token = issued.Token
}

func (v *fullVault) decode(answer string, into any) {
	v.t.Helper()
	if err := json.Unmarshal([]byte(answer), into); err != nil {
		v.t.Fatal(err)
	}
}

// want makes a request and checks its status.
func (v *fullVault) want(method, target, key, body string, status int) string {
	v.t.Helper()
	got, answer, err := call(v.process.socket, method, target, key, body)
	if err != nil || got != status {
		v.t.Fatalf("%s %s: %d %.200s %v; want %d\n%s", method, target, got, answer, err, status, v.err.String())
	}
	return answer
}

// refusesAll checks that on a full disk nothing is changed and nothing leaves:
// neither a value, nor a token, nor whether something exists.
func (v *fullVault) refusesAll() {
	v.t.Helper()
	for _, tc := range []struct{ method, target, key, body string }{
		{"GET", "/v1/secrets/a/K", v.owner, ""},
		{"GET", "/v1/secrets/a/K", v.agent, ""},
		{"GET", "/v1/secrets/a/K", v.token, ""},
		{"GET", "/v1/secrets/a", v.agent, ""},
		{"GET", "/v1/secrets/b/K", v.agent, ""},
		{"GET", "/v1/secrets/a/K", "ask_live_nobody", ""},
		{"PUT", "/v1/secrets/a/K", v.agent, `{"value":"lost"}`},
		{"PUT", "/v1/secrets/a/NEW", v.owner, `{"value":"lost"}`},
		{"DELETE", "/v1/secrets/a/K", v.agent, ""},
		{"POST", "/v1/tokens", v.agent, `{"scopes":["secrets:read:a/K"]}`},
	} {
		answer := v.want(tc.method, tc.target, tc.key, tc.body, http.StatusInsufficientStorage)
		if !strings.Contains(answer, `"code":"STORAGE_FULL"`) || strings.Contains(answer, fullValue) || strings.Contains(answer, `"token"`) {
			v.t.Errorf("%s %s: %s", tc.method, tc.target, answer)
		}
	}
	v.want("GET", "/v1/health", "", "", 200)
	v.want("GET", "/v1/me", v.agent, "", 200)
	v.want("GET", "/v1/audit", v.owner, "", 200)
}

// works waits until there is space again, and checks that all is as it was.
func (v *fullVault) works() {
	v.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		status, answer, err := call(v.process.socket, "GET", "/v1/secrets/a/K", v.token, "")
		if err == nil && status == 200 && strings.Contains(answer, fullValue) {
			break
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("with space again: %d %s %v\n%s", status, answer, err, v.err.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
	v.want("PUT", "/v1/secrets/a/K", v.agent, `{"value":"again"}`, 200)
	if list := v.want("GET", "/v1/secrets/a", v.owner, "", 200); strings.Contains(list, "NEW") || !strings.Contains(list, `"version":2`) {
		v.t.Errorf("a refused write shows: %s", list)
	}
}

// end stops the daemon and verifies what it leaves.
func (v *fullVault) end() {
	v.t.Helper()
	v.process.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-v.process.exited:
	case <-time.After(time.Minute):
		v.t.Fatal("assd does not end")
	}
	if code := v.process.cmd.ProcessState.ExitCode(); code != 0 {
		v.t.Errorf("assd ended with %d: %s", code, v.err.String())
	}
	if strings.Contains(v.err.String(), fullValue) {
		v.t.Error("the log has the value")
	}
	if out, err := exec.Command("assd", "verify", "--data-dir", v.dir).CombinedOutput(); err != nil {
		v.t.Errorf("verify: %v: %s", err, out)
	}
}

// limit sets the running daemon's bound on the size of files, in bytes.
func (v *fullVault) limit(bytes uint64) {
	v.t.Helper()
	err := unix.Prlimit(v.process.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil)
	if err != nil {
		v.t.Fatalf("limiting the daemon's files: %v", err)
	}
}

// TestFileSizeLimit: a limit on the size of files is a full disk without root.
func TestFileSizeLimit(t *testing.T) {
	v := startFull(t, filepath.Join(t.TempDir(), "data"))
	v.limit(8192) // bbolt's two meta pages, and no page of data
	v.refusesAll()
	// Owners' acts give up the reserve, which does not help here.
	v.want("DELETE", "/v1/agents/ci", v.owner, "", http.StatusInsufficientStorage)
	v.refusesAll()
	v.limit(unix.RLIM_INFINITY)
	v.works()
	v.want("DELETE", "/v1/agents/ci", v.owner, "", 204)
	v.want("GET", "/v1/secrets/a/K", v.token, "", 401)
	v.end()
}

// TestFullWhileEnding: a daemon that is stopped on a full disk ends well.
func TestFullWhileEnding(t *testing.T) {
	v := startFull(t, filepath.Join(t.TempDir(), "data"))
	v.limit(8192)
	v.refusesAll()
	v.end()
}

// TestSmallDisk fills a real file system: a tmpfs in a mount namespace of one
// thread, which ends with the test and takes the namespace along.
func TestSmallDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can mount")
	}
	dir := t.TempDir()
	t.Run("mounted", func(t *testing.T) {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		err := errors.Join(
			unix.Unshare(unix.CLONE_NEWNS),
			unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tmpfs", dir, "tmpfs", 0, "size=7m"),
		)
		if err != nil {
			t.Fatalf("mounting a small disk: %v", err)
		}
		v := startFull(t, filepath.Join(dir, "data"))
		ballast := filepath.Join(dir, "ballast")
		v.fill(ballast)
		v.refusesAll()
		// There is no space for a second data file: that is said, and leaves nothing.
		v.want("POST", "/v1/vault/compact", v.owner, "", http.StatusInsufficientStorage)
		if left, err := filepath.Glob(filepath.Join(v.dir, "*.compact")); err != nil || len(left) > 0 {
			t.Errorf("it left %q, %v", left, err)
		}
		// The reserve lets an owner end an agent all the same.
		v.want("POST", "/v1/tokens", v.owner, `{"scopes":["read:secrets"]}`, http.StatusInsufficientStorage)
		v.want("DELETE", "/v1/agents/ci", v.owner, "", 204)
		v.want("GET", "/v1/secrets/a/K", v.token, "", http.StatusInsufficientStorage) // nor is the refusal told
		// Given up, it is not for the next best.
		v.want("PUT", "/v1/secrets/a/NEW", v.owner, `{"value":"lost"}`, http.StatusInsufficientStorage)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		v.worksForOwner()
		v.end()
	})
}

// fill takes all the space there is, until a write of the daemon's fails.
func (v *fullVault) fill(ballast string) {
	v.t.Helper()
	f, err := os.Create(ballast)
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 4 << 10} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		v.t.Fatal(err)
	}
	// What the file has grown by in advance is used up first.
	for i := range 200 {
		body := fmt.Sprintf(`{"value":%q}`, strings.Repeat("x", 100<<10))
		status, answer, err := call(v.process.socket, "PUT", fmt.Sprintf("/v1/secrets/fill/K%d", i), v.owner, body)
		if err != nil {
			v.t.Fatal(err)
		}
		if status == http.StatusInsufficientStorage {
			v.fillPages()
			return
		}
		if status != 200 {
			v.t.Fatalf("filling: %d %s", status, answer)
		}
	}
	v.t.Fatal("the disk does not become full")
}

// fillPages reads, which takes the least space of all, until that fails too.
func (v *fullVault) fillPages() {
	v.t.Helper()
	for refused, tries := 0, 0; refused < 3; tries++ {
		status, _, err := call(v.process.socket, "GET", "/v1/secrets/a/K", v.owner, "")
		if err != nil || tries > 2000 {
			v.t.Fatalf("the disk does not become full: %v", err)
		}
		if refused++; status == 200 {
			refused = 0
		}
	}
}

// worksForOwner is works, where the agent has been revoked meanwhile.
func (v *fullVault) worksForOwner() {
	v.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		status, answer, err := call(v.process.socket, "PUT", "/v1/secrets/a/K", v.owner, `{"value":"again"}`)
		if err == nil && status == 200 {
			break
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("with space again: %d %s %v", status, answer, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	v.want("GET", "/v1/secrets/a/K", v.token, "", 401)
	if answer := v.want("GET", "/v1/secrets/a/K", v.owner, "", 200); !strings.Contains(answer, `"value":"again"`) {
		v.t.Error(answer)
	}
	if list := v.want("GET", "/v1/secrets/a", v.owner, "", 200); strings.Contains(list, "NEW") {
		v.t.Errorf("a refused write shows: %s", list)
	}
}
