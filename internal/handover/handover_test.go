//go:build unix

package handover_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/handover"
)

const childEnv = "HANDOVER_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child hands a listener over to itself, and then answers one who connects there with what
// it has found.
func child() error {
	if os.Getenv(childEnv) == "forged" {
		os.Setenv(variable, fmt.Sprintf(`{"pid":%d,"sockets":{"socket":0},"state":{}}`, os.Getpid()))
	}
	taken, err := handover.Take()
	if err != nil {
		return err
	}
	if taken != nil {
		return answer(taken)
	}
	l, err := net.Listen("unix", os.Getenv(childEnv))
	if err != nil {
		return err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return handover.Exec(map[string]int{"pid": os.Getpid()}, map[string]syscall.Conn{"socket": l.(*net.UnixListener)})
}

// found is what the new image has found.
type found struct {
	SamePID, Told, Inherited, Twice, Ended bool
}

func answer(taken *handover.Taken) error {
	var state struct{ PID int }
	if err := taken.State(&state); err != nil {
		return err
	}
	_, told := os.LookupEnv(variable)
	f := taken.Socket("socket")
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	if err != nil {
		return err
	}
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	come := make(chan os.Signal, 1)
	signal.Notify(come, syscall.SIGTERM)
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil { // which does not end it
		return err
	}
	<-come
	return json.NewEncoder(c).Encode(found{
		SamePID: state.PID == os.Getpid(), Told: told, Inherited: flags&unix.FD_CLOEXEC == 0,
		Twice: taken.Socket("socket") != nil, Ended: taken.Ended(),
	})
}

const variable = "ASSD_HANDOVER"

// TestExec: the same process goes on with its socket, which nobody else inherits, and with
// what it was told, which nobody else is told; to be stopped meanwhile is not lost.
func TestExec(t *testing.T) {
	dir, err := os.MkdirTemp("", "handover") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+socket)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait() //nolint:errcheck // what it has found says it
	defer cmd.Process.Kill()
	c, err := net.Dial("unix", socket)
	for began := time.Now(); err != nil && time.Since(began) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		c, err = net.Dial("unix", socket)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	var got found
	if err := json.NewDecoder(c).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if want := (found{SamePID: true, Ended: true}); got != want {
		t.Errorf("it found %+v, want %+v", got, want)
	}
}

// TestForged: what the image before has not handed over is refused, and taken out of the
// environment all the same.
func TestForged(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	many := map[string]int{}
	for i := range 9 {
		fd, err := unix.Dup(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		many[fmt.Sprint(i)] = fd
	}
	for name, tc := range map[string]struct {
		pid     int
		sockets map[string]int
	}{
		"another process":     {os.Getppid(), map[string]int{"socket": pair[0]}},
		"no descriptor":       {os.Getpid(), map[string]int{"socket": 1 << 20}},
		"a file":              {os.Getpid(), map[string]int{"socket": int(file.Fd())}},
		"one under two names": {os.Getpid(), map[string]int{"socket": pair[0], "network": pair[0]}},
		"too many":            {os.Getpid(), many},
	} {
		text, err := json.Marshal(map[string]any{"pid": tc.pid, "sockets": tc.sockets, "state": struct{}{}})
		if err != nil {
			t.Fatal(err)
		}
		os.Setenv(variable, string(text))
		if taken, err := handover.Take(); err == nil || taken != nil || !strings.HasSuffix(err.Error(), ": unset it") {
			t.Errorf("%s: %v", name, err)
		}
		if _, told := os.LookupEnv(variable); told {
			t.Errorf("%s: it is still in the environment", name)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stdin = append(os.Environ(), childEnv+"=forged"), os.NewFile(uintptr(pair[1]), "pair")
	if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), "is no socket: unset it") {
		t.Errorf("a socket that is its standard input: %s", out)
	}
	signal.Reset() // Take has asked for those that end a process
	if taken, err := handover.Take(); taken != nil || err != nil {
		t.Errorf("nothing was handed over: %v, %v", taken, err)
	}
}
