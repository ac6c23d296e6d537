package peer_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/testenv"
)

// running starts a command that writes a line, the id of the process that is
// asked about, and then waits for its standard input to end.
func running(t *testing.T, cmd *exec.Cmd) (pid int) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	if _, err := fmt.Fscanln(bufio.NewReader(out), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestAncestry: a shell, the shell that started it, and us, who started that.
func TestAncestry(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err == nil {
		sh, err = filepath.EvalSymlinks(sh)
	}
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	cmd := exec.Command("sh", "-c", `sh -c 'echo $$; read x; :'; :`)
	pid := running(t, cmd)
	got := peer.Ancestry(pid, 3)
	want := []peer.Process{
		{PID: pid, Name: "sh", Exe: sh},
		{PID: cmd.Process.Pid, Name: "sh", Exe: sh},
		{PID: os.Getpid(), Name: filepath.Base(self), Exe: self},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, p := range got {
		if since, ours := p.Started.Sub(before), i == 2; (since > -100*time.Millisecond) == ours || since > time.Since(before) || since < -time.Hour {
			t.Errorf("%+v: started %v after the test", p, since)
		}
		p.Started = time.Time{}
		if p != want[i] {
			t.Errorf("got %+v; want %+v", p, want[i])
		}
	}
}

// TestAncestryGoesUp: from us as far as the system tells.
func TestAncestryGoesUp(t *testing.T) {
	way := peer.Ancestry(os.Getpid(), 1000)
	if len(way) < 2 || way[0].PID != os.Getpid() || way[1].PID != os.Getppid() {
		t.Fatalf("got %+v", way)
	}
	for i, p := range way[1:] {
		if p.PID <= 0 || p.Started.After(way[i].Started) || p.Started.IsZero() {
			t.Errorf("%+v is the parent of %+v", p, way[i])
		}
	}
	if len(way) == 1000 {
		t.Error("it does not end")
	}
}

const nameEnv = "PEER_TEST_NAME"

// named takes the name in the environment and waits.
func named(name string) int {
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil { // as prctl does
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(os.Getpid())
	os.Stdin.Read(make([]byte, 1)) // until the other end closes
	return 0
}

// TestLyingName: a process that writes what comes after a name into its name is
// still its parent's child.
func TestLyingName(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a) R 1 (b\n", ") R 1", "((", "))", ") S 1 1 1 1 1 ", "\xff\x1b[2J", " "} {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), nameEnv+"="+name)
		pid := running(t, cmd)
		got := peer.Ancestry(pid, 2)
		if len(got) != 2 || got[0].PID != pid || got[0].Name != name || got[0].Exe != self || got[1].PID != os.Getpid() || got[0].Started.Before(got[1].Started) {
			t.Errorf("%q: got %+v", name, got)
		}
	}
}

// TestGone: of a process that has ended and was waited for nothing is told, of one
// that was not, what there is.
func TestGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		got := peer.Ancestry(pid, 2)
		if len(got) != 2 || got[0].PID != pid || got[1].PID != os.Getpid() {
			t.Fatalf("not waited for: %+v", got)
		}
		if got[0].Exe == "" && got[0].Name == "true" {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("ended: %+v", got)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := peer.Ancestry(pid, 2); len(got) > 0 {
		t.Errorf("gone: %+v", got)
	}
}

// TestOthersProcess: what runs another's process is not told, and the rest is.
func TestOthersProcess(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can become another user")
	}
	cmd := exec.Command("sh", "-c", "echo $$; read x; :")
	pid := running(t, cmd)
	if err := syscall.Seteuid(65534); err != nil {
		t.Fatal(err)
	}
	got := peer.Ancestry(pid, 1)
	if err := syscall.Seteuid(0); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Exe != "" || got[0].Name != "sh" || got[0].Started.IsZero() {
		t.Errorf("got %+v", got)
	}
}

// FuzzStat: a name comes back as it is, and so does what follows.
func FuzzStat(f *testing.F) {
	self, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(self, "cat", 12, uint64(95))
	f.Add([]byte("1 (a) R"), "a) R 1 (b\n", 1, uint64(0))
	f.Add([]byte(")"+strings.Repeat(" 1", 22)+" ("), "", 0, uint64(1)<<39-1)
	f.Fuzz(func(t *testing.T, raw []byte, name string, parent int, since uint64) {
		peer.ParseStat(raw) // whatever it holds
		since %= 1 << 39
		line := fmt.Sprintf("7 (%s) S %d%s %d 1 2\n", name, parent, strings.Repeat(" -3", 17), since)
		if n, p, s, ok := peer.ParseStat([]byte(line)); !ok || n != name || p != parent || s != since {
			t.Fatalf("%q: %q, %d, %d, %v", line, n, p, s, ok)
		}
	})
}
