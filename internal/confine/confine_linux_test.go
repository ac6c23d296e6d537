package confine_test

import (
	"context"
	"crypto/x509"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
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

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/internal/confine"
	"github.com/agent-secret-store/assd/internal/testenv"
)

const roleEnv = "CONFINE_TEST_ROLE"

// TestMain lets the test binary be the process that is confined.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ground is what a process finds: in its folder are "read", "write" and "remove",
// which it may, and "outside".
type ground struct{ dir, tcp, abstract string }

func (g ground) at(path string) string { return filepath.Join(g.dir, path) }

// act is something that a process tries.
type act struct {
	name string
	do   func(g ground) error
	ok   bool // in a confined one
}

func read(path string) func(ground) error {
	return func(g ground) error { _, err := os.ReadFile(g.at(path)); return err }
}

func list(path string) func(ground) error {
	return func(g ground) error { _, err := os.ReadDir(g.at(path)); return err }
}

func write(path string) func(ground) error {
	return func(g ground) error { return os.WriteFile(g.at(path), []byte("x"), 0o600) }
}

func two(fn func(a, b string) error, a, b string) func(ground) error {
	return func(g ground) error { return fn(g.at(a), g.at(b)) }
}

func one(fn func(a string) error, a string) func(ground) error {
	return func(g ground) error { return fn(g.at(a)) }
}

// run executes a program without opening anything else.
func run(path func(ground) string) func(ground) error {
	return func(g ground) error {
		pid, err := syscall.ForkExec(path(g), []string{"true"}, &syscall.ProcAttr{Env: []string{roleEnv + "=nothing"}, Files: []uintptr{0, 1, 2}})
		var how syscall.WaitStatus
		if err == nil {
			_, err = syscall.Wait4(pid, &how, 0, nil)
		}
		if err == nil && how != 0 {
			err = fmt.Errorf("it ended with %#x", how)
		}
		return err
	}
}

func fixed(path string) func(ground) string { return func(ground) string { return path } }

func dial(network string, to func(ground) string) func(ground) error {
	return func(g ground) error {
		c, err := net.Dial(network, to(g))
		if err == nil {
			c.Close()
		}
		return err
	}
}

// listenTCP listens on another port, with what TCP was before Multipath.
func listenTCP(ground) error {
	var cfg net.ListenConfig
	cfg.SetMultipathTCP(false)
	l, err := cfg.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err == nil {
		l.Close()
	}
	return err
}

func listenUnix(path string) error {
	l, err := net.Listen("unix", path)
	if err == nil {
		l.Close()
	}
	return err
}

// acts are tried in this order, on a ground of its own each time.
var acts = []act{
	{"read", read("read/f"), true},
	{"list", list("read"), true},
	{"read below", read("read/sub/f"), true},
	{"read what was replaced by rename", read("read/renamed"), true},
	{"make", write("write/new"), true},
	{"change", write("write/f"), true},
	{"rename", two(os.Rename, "write/new", "write/newer"), true},
	{"rename over", two(os.Rename, "write/newer", "write/f"), true},
	{"cut short", func(g ground) error { return os.Truncate(g.at("write/f"), 0) }, true},
	{"remove", one(os.Remove, "write/f"), true},
	{"hard link, in its folder", two(os.Link, "write/g", "write/h"), true},
	{"remove a socket", one(os.Remove, "remove/s"), true},
	{"look whose it is", func(g ground) error { _, err := os.Stat(g.at("outside/f")); return err }, true},
	{"connect", dial("tcp", func(g ground) string { return g.tcp }), true},
	{"a process's name", func(ground) error { _, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", os.Getppid())); return err }, true},
	{"look a user up", func(ground) error { _, err := user.Lookup("root"); return err }, true},
	{"look a host up", func(ground) error {
		_, err := (&net.Resolver{PreferGo: true}).LookupHost(context.Background(), "localhost")
		return err
	}, true},
	{"certificate authorities", func(ground) error { _, err := x509.SystemCertPool(); return err }, true},
	{"signal itself", func(ground) error { return syscall.Kill(os.Getpid(), 0) }, true},

	{"read outside", read("outside/f"), false},
	{"list outside", list("outside"), false},
	{"list above", list("."), false},
	{"read by a link", read("write/link"), false},
	{"read by ..", func(g ground) error { _, err := os.ReadFile(g.dir + "/read/../outside/f"); return err }, false},
	{"read by /proc/self/root", func(g ground) error { _, err := os.ReadFile("/proc/self/root" + g.at("outside/f")); return err }, false},
	{"read another's environment", func(ground) error { _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", os.Getppid())); return err }, false},
	{"write where it may read", write("read/f"), false},
	{"make where it may read", write("read/new"), false},
	{"cut short where it may read", func(g ground) error { return os.Truncate(g.at("read/f"), 0) }, false},
	{"remove where it may read", one(os.Remove, "read/f"), false},
	{"make where it may remove", write("remove/new"), false},
	{"read where it may remove", read("remove/f"), false},
	{"make outside", write("outside/new"), false},
	{"remove outside", one(os.Remove, "outside/f"), false},
	{"rename in", two(os.Rename, "outside/g", "write/g2"), false},
	{"rename out", two(os.Rename, "write/h", "outside/h"), false},
	{"link in", two(os.Link, "outside/k", "write/g3"), false},
	{"make a folder", func(g ground) error { return os.Mkdir(g.at("write/sub"), 0o700) }, false},
	{"make a link", two(os.Symlink, "outside", "write/link2"), false},
	{"make a fifo", func(g ground) error { return syscall.Mkfifo(g.at("write/fifo"), 0o600) }, false},
	{"make a socket", one(listenUnix, "write/s"), false},
	{"execute", run(fixed("/bin/true")), false},
	{"execute what it may read", run(func(g ground) string { return g.at("read/sub/f") }), false},
	{"execute what it may write", run(func(g ground) string { return g.at("write/true") }), false},
	{"execute itself", run(fixed("/proc/self/exe")), false},
	{"listen", listenTCP, false},
	{"signal another", func(ground) error { return syscall.Kill(os.Getppid(), 0) }, false},
	{"connect to an abstract socket", dial("unix", func(g ground) string { return g.abstract }), false},
}

// play is the confined process: it prints which acts failed, and with what.
func play(role string) error {
	if role == "nothing" {
		return nil
	}
	g := ground{os.Getenv("CONFINE_DIR"), os.Getenv("CONFINE_TCP"), os.Getenv("CONFINE_ABSTRACT")}
	before, err := os.Open(g.at("outside"))
	if err != nil {
		return err
	}
	opened, err := os.Open(g.at("outside/f"))
	if err != nil {
		return err
	}
	// A thread from before, which nothing else runs on.
	work, done := make(chan func()), make(chan bool)
	go func() {
		runtime.LockOSThread()
		for fn := range work {
			fn()
			done <- true
		}
	}()
	work <- func() {}
	<-done
	state := confine.State{}
	if role != "free" {
		folders := append(confine.System(),
			confine.Folder{Path: g.at("read")}, confine.Folder{Path: g.at("write"), Access: confine.Write},
			confine.Folder{Path: g.at("remove"), Access: confine.Remove}, confine.Folder{Path: g.at("missing")})
		for _, path := range []string{"/bin", "/lib", "/lib64", "/usr"} { // so that a program lacks nothing but the right
			folders = append(folders, confine.Folder{Path: path})
		}
		if role == "all" {
			folders = append(folders, confine.Folder{Path: "/"})
		}
		if state, err = confine.Process(confine.Config{Folders: folders, AbstractSockets: role == "abstract"}); err != nil {
			return err
		}
	}
	failed := map[string]string{"": fmt.Sprint(state.Level, state.Lacks)}
	try := func(name string, err error) {
		if err != nil {
			failed[name] = err.Error()
			if !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EXDEV) {
				failed[name] = "not refused, but: " + err.Error()
			}
		}
	}
	for i, a := range acts {
		if i%2 == 0 { // the half on a thread from before
			work <- func() { try(a.name, a.do(g)) }
			<-done
			continue
		}
		try(a.name, a.do(g))
	}
	_, err = opened.Read(make([]byte, 1))
	try("read what was open", err)
	fd, err := unix.Openat(int(before.Fd()), "k", unix.O_RDONLY, 0)
	try("read in a folder that was open", err)
	unix.Close(fd)
	for _, path := range []string{"outside/f", "outside/none", "read/f", "read/none", "read/sub/f", "write/link", "remove/f"} {
		if confine.Beyond(g.at(path)) {
			failed["beyond "+path] = "yes"
		}
	}
	return json.NewEncoder(os.Stdout).Encode(failed)
}

// program is one that ends at once, and needs neither a loader nor a library, which
// would have to be executed as well.
func program(t *testing.T) []byte {
	t.Helper()
	machine, code := elf.EM_X86_64, []byte{0x31, 0xff, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05} // exit(0)
	switch runtime.GOARCH {
	case "amd64":
	case "arm64":
		machine, code = elf.EM_AARCH64, []byte{0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4}
	default:
		testenv.Skip(t, "no program of ours for "+runtime.GOARCH)
	}
	const at, head = 0x400000, 64 + 56
	b, err := binary.Append(nil, binary.LittleEndian, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1,
		Entry: at + head, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	})
	if err == nil {
		b, err = binary.Append(b, binary.LittleEndian, elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: at, Paddr: at,
			Filesz: head + uint64(len(code)), Memsz: head + uint64(len(code)), Align: 0x1000,
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(b, code...)
}

// newGround lays out files, and listens.
func newGround(t *testing.T) ground {
	t.Helper()
	g := ground{dir: t.TempDir()}
	g.abstract = "@" + g.dir
	for _, dir := range []string{"read/sub", "write", "remove", "outside"} {
		if err := os.MkdirAll(g.at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"read/f", "read/sub/f", "read/renamed", "write/f", "write/g", "write/true", "remove/s", "remove/f", "outside/f", "outside/g", "outside/k"} {
		if err := os.WriteFile(g.at(path), program(t), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(g.at("outside/f"), g.at("write/link")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, err := net.Listen("unix", g.abstract)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); a.Close() })
	g.tcp = l.Addr().String()
	return g
}

// in runs the acts in a process of that role and returns those that failed.
func in(t *testing.T, role string) map[string]string {
	t.Helper()
	g := newGround(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, "CONFINE_DIR="+g.dir, "CONFINE_TCP="+g.tcp, "CONFINE_ABSTRACT="+g.abstract)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var failed map[string]string
	if err := errors.Join(err, json.Unmarshal(out, &failed)); err != nil {
		t.Fatalf("%s: %v", role, err)
	}
	return failed
}

// TestProcess attacks from inside. What is refused there is not refused to a process
// that is not confined.
func TestProcess(t *testing.T) {
	failed := in(t, "free")
	delete(failed, "")
	// What an earlier act has taken away, since nothing was refused.
	for _, name := range []string{"remove where it may read", "remove outside"} {
		delete(failed, name)
	}
	for name, err := range failed {
		t.Errorf("not confined, %q failed: %s", name, err)
	}

	failed = in(t, "confined")
	if failed[""] != strconv.Itoa(int(confine.Full)) {
		testenv.Skip(t, "this system cannot confine a process in full: "+failed[""])
	}
	delete(failed, "")
	want := map[string]bool{"read in a folder that was open": true,
		"beyond outside/f": true, "beyond outside/none": true, "beyond write/link": true, "beyond remove/f": true}
	for _, a := range acts {
		want[a.name] = !a.ok
	}
	want["read what was open"] = false
	for name, refused := range want {
		if err, is := failed[name]; is != refused {
			t.Errorf("confined, %q is refused: %v; want %v; %s", name, is, refused, err)
		}
	}
	for name, err := range failed {
		if strings.HasPrefix(err, "not ") {
			t.Errorf("confined, %q: %s", name, err)
		}
	}
}

// TestAbstractSockets can be left open.
func TestAbstractSockets(t *testing.T) {
	if err, is := in(t, "abstract")["connect to an abstract socket"]; is {
		t.Error(err)
	}
}

// TestFolderOfAll: a folder that shuts nothing is said to be one.
func TestFolderOfAll(t *testing.T) {
	failed := in(t, "all")
	if _, is := failed["read outside"]; is || !strings.Contains(failed[""], "no folder is shut to it, because a file that it uses lies in /") {
		t.Errorf("with / among the folders: %q", failed[""])
	}
}

// TestLacking: what a kernel's Landlock cannot do is said.
func TestLacking(t *testing.T) {
	for abi, want := range map[int]string{
		1: "this kernel's Landlock is version 1: files can be cut short, it can listen on other ports, devices can be controlled, it can send signals and connect to abstract sockets",
		3: "this kernel's Landlock is version 3: it can listen on other ports, devices can be controlled, it can send signals and connect to abstract sockets",
		5: "this kernel's Landlock is version 5: it can send signals and connect to abstract sockets",
		6: "", 7: "", 99: "",
	} {
		if got := confine.Lacking(abi, true); got != want {
			t.Errorf("version %d: %q; want %q", abi, got, want)
		}
	}
	if got := confine.Lacking(7, false); got != "this kernel's Landlock is version 7: it can send signals and connect to abstract sockets" {
		t.Errorf("with its erratum: %q", got)
	}
}
