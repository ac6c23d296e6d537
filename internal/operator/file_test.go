package operator_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/internal/testenv"
)

const (
	max    = 100   // bytes
	nobody = 65534 // the uid of an attacker without rights
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, s string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(s), 0o644))
}

// place is a folder with a file in it.
func place(t *testing.T) (dir, path string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "etc")
	must(t, os.Mkdir(dir, 0o755))
	path = filepath.Join(dir, "policy.toml")
	write(t, path, "all of it")
	return dir, path
}

// kinds are all sentinels.
var kinds = []error{operator.ErrMissing, operator.ErrSaving, operator.ErrExposed, operator.ErrTooLarge}

// checkKind checks that err is of one kind alone, or of none; names the path, in
// one line; and ends in hint.
func checkKind(t *testing.T, err, kind error, path, hint string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), path) || !strings.HasSuffix(err.Error(), hint) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v; want it to name %q and to end in %q", err, path, hint)
	}
	for _, k := range kinds {
		if errors.Is(err, k) != (k == kind) {
			t.Errorf("%v: is %q: %v", err, k, k != kind)
		}
	}
}

// TestRead: what is taken, from where, and why something is not.
func TestRead(t *testing.T) {
	chmod := func(mode fs.FileMode) func(t *testing.T, dir, path string) {
		return func(t *testing.T, _, path string) { must(t, os.Chmod(path, mode)) }
	}
	fill := func(n int) func(t *testing.T, dir, path string) {
		return func(t *testing.T, _, path string) { write(t, path, strings.Repeat("x", n)) }
	}
	behind := func(t *testing.T, dir, path string) (real string) {
		real = filepath.Join(dir, "real")
		must(t, os.Mkdir(real, 0o755), os.Rename(path, real+"/p"), os.Symlink("real/p", path))
		return real
	}
	own := func(t *testing.T, path string) { must(t, os.Lchown(path, nobody, nobody)) }
	for name, tc := range map[string]struct {
		lay  func(t *testing.T, dir, path string)
		root bool
		kind error
		err  string // what it ends in, with DIR for the folder; "": it is taken
	}{
		"plain":             {chmod(0o644), false, nil, ""},
		"ours alone":        {chmod(0o600), false, nil, ""},
		"empty":             {fill(0), false, nil, ""},
		"as long as may be": {fill(max), false, nil, ""},
		"too long":          {fill(max + 1), false, operator.ErrTooLarge, " is longer than 100 bytes"},
		"behind a link":     {func(t *testing.T, d, p string) { behind(t, d, p) }, false, nil, ""},
		"sticky folder":     {func(t *testing.T, d, _ string) { must(t, os.Chmod(d, 0o777|fs.ModeSticky)) }, false, nil, ""},

		"missing":           {func(t *testing.T, _, p string) { must(t, os.Remove(p)) }, false, operator.ErrMissing, ": no such file or directory"},
		"no folder":         {func(t *testing.T, d, _ string) { must(t, os.Rename(d, d+".old")) }, false, operator.ErrMissing, ": no such file or directory"},
		"link to nothing":   {func(t *testing.T, _, p string) { must(t, os.Remove(p), os.Symlink("none", p)) }, false, operator.ErrMissing, ": no such file or directory"},
		"link to itself":    {func(t *testing.T, _, p string) { must(t, os.Remove(p), os.Symlink(p, p)) }, false, nil, " symbolic links"},
		"a folder":          {func(t *testing.T, _, p string) { must(t, os.Remove(p), os.Mkdir(p, 0o755)) }, false, nil, " is no regular file"},
		"a fifo":            {func(t *testing.T, _, p string) { must(t, os.Remove(p), syscall.Mkfifo(p, 0o644)) }, false, nil, " is no regular file"},
		"link to a device":  {func(t *testing.T, _, p string) { must(t, os.Remove(p), os.Symlink("/dev/zero", p)) }, false, nil, " is no regular file"},
		"a file for folder": {func(t *testing.T, d, _ string) { must(t, os.RemoveAll(d)); write(t, d, "") }, false, nil, " is a regular file and no directory"},

		"group":             {chmod(0o664), false, operator.ErrExposed, " is open to others (mode 0664): chmod go-w DIR/policy.toml"},
		"others":            {chmod(0o646), false, operator.ErrExposed, " (mode 0646): chmod go-w DIR/policy.toml"},
		"folder, others":    {func(t *testing.T, d, _ string) { must(t, os.Chmod(d, 0o777)) }, false, operator.ErrExposed, " (mode 0777): chmod go-w DIR"},
		"folder, group":     {func(t *testing.T, d, _ string) { must(t, os.Chmod(d, 0o775)) }, false, operator.ErrExposed, " (mode 0775): chmod go-w DIR"},
		"folder behind":     {func(t *testing.T, d, p string) { must(t, os.Chmod(behind(t, d, p), 0o777)) }, false, operator.ErrExposed, " (mode 0777): chmod go-w DIR/real"},
		"group behind":      {func(t *testing.T, d, p string) { must(t, os.Chmod(behind(t, d, p)+"/p", 0o664)) }, false, operator.ErrExposed, " (mode 0664): chmod go-w DIR/policy.toml"},
		"another's":         {func(t *testing.T, _, p string) { own(t, p) }, true, operator.ErrExposed, " if what it holds is right: chown 0 DIR/policy.toml"},
		"another's folder":  {func(t *testing.T, d, _ string) { own(t, d) }, true, operator.ErrExposed, ": use another path"},
		"another's link":    {func(t *testing.T, d, p string) { behind(t, d, p); own(t, p) }, true, operator.ErrExposed, ": use another path"},
		"another's, sticky": {func(t *testing.T, d, p string) { must(t, os.Chmod(d, 0o777|fs.ModeSticky)); own(t, p) }, true, operator.ErrExposed, " chown 0 DIR/policy.toml"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.root {
				asRoot(t)
			}
			dir, path := place(t)
			tc.lay(t, dir, path)
			b, err := readSoon(t, path)
			if tc.err != "" {
				checkKind(t, err, tc.kind, dir, strings.ReplaceAll(tc.err, "DIR", dir))
				if b != nil {
					t.Errorf("and %q", b)
				}
				return
			}
			want, readErr := os.ReadFile(path)
			if err != nil || readErr != nil || string(b) != string(want) {
				t.Errorf("got %q, %v", b, err)
			}
		})
	}
}

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can give files to another user")
	}
}

// readSoon fails instead of waiting for ever.
func readSoon(t *testing.T, path string) (b []byte, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b, err = operator.Read(path, max)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it waits for somebody to write")
	}
	return b, err
}

// TestUnreadable: read by a user who may not; root is one who does not mind.
func TestUnreadable(t *testing.T) {
	dir, path := place(t)
	must(t, os.Chmod(path, 0), os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755))
	uid, root := os.Geteuid(), os.Geteuid() == 0
	if root {
		uid = nobody
		must(t, os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755), syscall.Seteuid(uid))
	}
	_, err := operator.Read(path, max)
	if root {
		must(t, syscall.Seteuid(0))
	}
	checkKind(t, err, nil, path, "; let uid "+strconv.Itoa(uid)+", which assd runs as, read it")
	if !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

// TestFile: what an option named says so, what assd keeps is taken from where it
// is, and a key may be closed to more.
func TestFile(t *testing.T) {
	dir, path := place(t)
	f := operator.File{Path: path, Max: max, What: "TLS key", Flag: "--tls-key", Closed: 0o027, Fix: "g-w,o-rwx"}
	_, err := f.Read()
	checkKind(t, err, operator.ErrExposed, path, `TLS key "`+path+`" is open to others (mode 0644): chmod g-w,o-rwx `+path)
	must(t, os.Chmod(path, 0o640))
	if _, err := f.Read(); err != nil {
		t.Error(err)
	}
	must(t, os.Chmod(dir, 0o777))
	_, err = f.Read()
	checkKind(t, err, operator.ErrExposed, "TLS key (--tls-key): ", "chmod go-w "+dir)
	f.Kept = true
	if _, err := f.Read(); err != nil {
		t.Error(err)
	}
	f.Kept = false
	must(t, os.Chmod(dir, 0o755), os.Remove(path))
	_, err = f.Read()
	checkKind(t, err, operator.ErrMissing, path, "; --tls-key says where it is: put it there, or give another path")
}

// TestCommandsWork runs what the errors advise.
func TestCommandsWork(t *testing.T) {
	for _, name := range []string{"plain", "two words", "it's", "$HOME", "-rf"} {
		dir, path := place(t)
		odd := filepath.Join(dir, name)
		must(t, os.Rename(path, odd), os.Chmod(odd, 0o666))
		t.Chdir(dir)
		_, err := operator.Read(name, max)
		if err == nil {
			t.Fatal("it is taken")
		}
		_, command, _ := strings.Cut(err.Error(), "): ")
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", command, err, out)
		}
		if _, err := operator.Read(name, max); err != nil {
			t.Errorf("after %s: %v", command, err)
		}
	}
}
