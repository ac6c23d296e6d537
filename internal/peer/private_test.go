//go:build unix

package peer_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/testenv"
)

// place makes a file or, with a name that ends in a slash, a directory.
func place(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	name, isDir := strings.CutSuffix(path, "/")
	var err error
	if isDir {
		err = os.Mkdir(name, 0o700)
	} else {
		err = os.WriteFile(name, nil, 0o600)
	}
	if err == nil {
		err = os.Chmod(name, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func link(t *testing.T, target, path string) string {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckPrivate(t *testing.T) {
	d := t.TempDir()
	file, dir := place(t, d+"/file", 0o600), place(t, d+"/dir/", 0o700)
	listener, err := net.Listen("unix", filepath.Join(shortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket := listener.Addr().String()
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}

	for _, tc := range []struct {
		path    string
		wantDir bool
		err     string // what the error ends in; none when empty
	}{
		{file, false, ""},
		{dir, true, ""},
		{place(t, d+"/readonly", 0o400), false, ""},
		{place(t, d+"/group-r", 0o640), false, " can be opened by other users (mode 0640): chmod 600 " + d + "/group-r"},
		{place(t, d+"/other-r", 0o604), false, " (mode 0604): chmod 600 " + d + "/other-r"},
		{place(t, d+"/group-w", 0o620), false, " (mode 0620): chmod 600 " + d + "/group-w"},
		{place(t, d+"/other-x", 0o601), false, " (mode 0601): chmod 600 " + d + "/other-x"},
		{place(t, d+"/group-dir/", 0o750), true, " (mode 0750): chmod 700 " + d + "/group-dir"},
		{place(t, d+"/group-x/", 0o710), true, " (mode 0710): chmod 700 " + d + "/group-x"},
		{place(t, d+"/other-dir/", 0o701), true, " (mode 0701): chmod 700 " + d + "/other-dir"},
		{place(t, d+"/it's mine", 0o644), false, " chmod 600 '" + d + `/it'\''s mine'`},
		{file, true, " is a regular file and must be a directory"},
		{dir, false, " is a directory and must be a regular file"},
		{socket, false, " is no ordinary file and must be a regular file"},
		{link(t, file, d+"/file-link"), false, " is a symbolic link and must be a regular file"},
		{link(t, dir, d+"/dir-link"), true, " is a symbolic link and must be a directory"},
	} {
		checkError(t, peer.CheckPrivate(tc.path, tc.wantDir), tc.path, tc.err)
	}
	if err := peer.CheckPrivate(d+"/none", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// checkError checks that err names path and ends in want, or is nil when want
// is empty.
func checkError(t *testing.T, err error, path, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%q refused: %v", path, err)
	case want != "" && (err == nil || !strings.HasSuffix(err.Error(), want) || !strings.Contains(err.Error(), `"`+path+`"`)):
		t.Errorf("%q: error %v; want one that names it and ends in %q", path, err, want)
	}
}

// TestOthersFiles needs root to make files of another user.
func TestOthersFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can give files away")
	}
	d := t.TempDir()
	file := place(t, d+"/file", 0o600)
	dir := place(t, d+"/dir/", 0o700)
	for _, path := range []string{file, dir} {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		checkError(t, peer.CheckPrivate(path, path == dir), path,
			" belongs to uid 65534 and must be ours, uid 0: run as its owner, or: chown 0 "+path)
		if uid, err := peer.OwnerUID(path); uid != 65534 || err != nil {
			t.Errorf("OwnerUID(%q) = %d, %v", path, uid, err)
		}
	}
	if uid, err := peer.OwnerUID(link(t, file, d+"/link")); uid != 65534 || err != nil {
		t.Errorf("OwnerUID of a link to it = %d, %v", uid, err)
	}
	checkError(t, peer.CheckParents(dir+"/x", 0), dir,
		" belongs to uid 65534, neither root nor uid 0: use another path")
	checkError(t, peer.CheckParents(dir+"/x", 65534), dir, "")
	if err := peer.CheckParents(dir+"/x", 0); !errors.Is(err, peer.ErrExposed) {
		t.Errorf("below another's directory: %v", err)
	}

	foreign := link(t, d, d+"/foreign")
	if err := os.Lchown(foreign, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	checkError(t, peer.CheckParents(foreign+"/x", 0), foreign,
		" belongs to uid 65534, neither root nor uid 0: use another path")
	checkError(t, peer.CheckParents(foreign, 0), foreign,
		" belongs to uid 65534, neither root nor uid 0: use another path")
}

func TestOwnerUID(t *testing.T) {
	file := place(t, t.TempDir()+"/file", 0o600)
	if uid, err := peer.OwnerUID(file); uid != os.Geteuid() || err != nil {
		t.Errorf("got %d, %v; want %d", uid, err, os.Geteuid())
	}
	if uid, err := peer.OwnerUID("/"); uid != 0 || err != nil {
		t.Errorf("of /: %d, %v", uid, err)
	}
	if _, err := peer.OwnerUID(file + "-none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a missing file: %v", err)
	}
}

func TestCheckParents(t *testing.T) {
	d, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	good := place(t, d+"/good/", 0o755)
	place(t, good+"/file", 0o666)
	open := place(t, d+"/open/", 0o777)
	below := place(t, open+"/below/", 0o700)
	group := place(t, d+"/group/", 0o775)
	other := place(t, d+"/other/", 0o757)
	longest := good
	for i := range 40 {
		longest = link(t, longest, d+"/link"+strconv.Itoa(i))
	}
	sticky := place(t, d+"/sticky/", 0o777|fs.ModeSticky)
	writable := func(dir, mode string) string {
		return " can be written by other users (mode " + mode + "): chmod go-w " + dir
	}

	for _, tc := range []struct{ path, names, err string }{
		{good + "/socket", good, ""},
		{good + "/file", good, ""}, // its own mode is not the question
		{good, good, ""},
		{open, open, ""},
		{sticky + "/socket", sticky, ""},
		{open + "/socket", open, writable(open, "0777")},
		{below + "/socket", open, writable(open, "0777")},
		{group + "/socket", group, writable(group, "0775")},
		{other + "/socket", other, writable(other, "0757")},
		{longest + "/socket", good, ""},
		{good + "/../open/socket", open, writable(open, "0777")},
		{open + "/../good/socket", open, writable(open, "0777")},
		{good + "/./socket", good, ""},
		{link(t, good, d+"/to-good") + "/socket", good, ""},
		{link(t, "good", d+"/relative") + "/socket", good, ""},
		{link(t, below, d+"/to-below") + "/socket", open, writable(open, "0777")},
		{link(t, "../open/below", good+"/up") + "/socket", open, writable(open, "0777")},
		{link(t, d+"/to-below", d+"/twice") + "/socket", open, writable(open, "0777")},
		// The link's ".." is that of the directory it leads to.
		{link(t, below, good+"/in") + "/../socket", open, writable(open, "0777")},
		{link(t, open+"/socket", good+"/socket-link"), open, writable(open, "0777")},
		{good + "/file/socket", good + "/file", " is a regular file and no directory"},
		{link(t, "loop", d+"/loop") + "/socket", d + "/loop/socket", ": more than 40 symbolic links"},
	} {
		err := peer.CheckParents(tc.path, os.Geteuid())
		if writable := strings.Contains(tc.err, "other users"); errors.Is(err, peer.ErrExposed) != writable {
			t.Errorf("%q: %v is ErrExposed: %v", tc.path, err, !writable)
		}
		checkError(t, hideWay(err, tc.path), tc.names, tc.err)
	}
	if err := peer.CheckParents(d+"/none/socket", os.Geteuid()); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, peer.ErrExposed) {
		t.Errorf("below a missing directory: %v", err)
	}
	t.Chdir(open)
	checkError(t, hideWay(peer.CheckParents("socket", os.Geteuid()), open+"/socket"), open, writable(open, "0777"))
	checkError(t, hideWay(peer.CheckParents("../good/socket", os.Geteuid()), open+"/../good/socket"), open, writable(open, "0777"))
}

// hideWay takes ", on the way to PATH," out of an error, for comparison.
func hideWay(err error, path string) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.Replace(err.Error(), `, on the way to "`+path+`",`, "", 1))
}

// TestCommandsWork runs what the errors advise.
func TestCommandsWork(t *testing.T) {
	for _, name := range []string{"plain", "two words", "it's", "$HOME", "-rf"} {
		d := t.TempDir()
		path := place(t, filepath.Join(d, name), 0o644)
		t.Chdir(d)
		for _, arg := range []string{path, name} {
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
			_, command, _ := strings.Cut(peer.CheckPrivate(arg, false).Error(), "): ")
			if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", command, err, out)
			}
			if err := peer.CheckPrivate(path, false); err != nil {
				t.Errorf("after %s: %v", command, err)
			}
		}
	}
}
