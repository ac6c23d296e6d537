package away_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/away"
)

const nobody = 65534 // the uid of an attacker without rights

// point is the checkpoint of so many events.
func point(size uint64) away.Checkpoint {
	return away.Checkpoint{
		Tenant: "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa", Size: size, Hash: strings.Repeat("ab", 32), Epoch: 1,
		Signature: []byte{1, 2, 3}, Note: fmt.Appendf(nil, "agent-secret-store/ten_a\n%d\nq83v\nepoch 1\n\n— assd AQID\n", size),
	}
}

func send(t *testing.T, to away.Place, size uint64) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return to.Send(ctx, point(size))
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func wantText(t *testing.T, path string, want ...string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != strings.Join(want, "\n") {
		t.Errorf("the file holds %q, %v; want %q", b, err, strings.Join(want, "\n"))
	}
}

func note(size uint64) string { return string(point(size).Note) }

// TestFile: notes are appended with an empty line between them, for us alone to read;
// a file that was moved away is begun anew; and half a note, left by whoever, does not
// run into the next.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoints")
	f := away.NewFile(path)
	must(t, f.Check())
	if _, err := os.Lstat(path); err == nil {
		t.Error("a look makes it")
	}
	must(t, send(t, f, 1), send(t, f, 2))
	wantText(t, path, note(1), note(2))
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	must(t, os.Rename(path, path+".1"), send(t, f, 3))
	wantText(t, path, note(3))
	must(t, os.WriteFile(path, []byte(note(3)[:30]), 0o600), send(t, f, 4))
	wantText(t, path, note(3)[:30]+"\n", note(4))
	must(t, os.Remove(path), os.Symlink("real", path), send(t, f, 5))
	wantText(t, filepath.Join(filepath.Dir(path), "real"), note(5))
}

// TestFileRefused: what others could have put there or can write, and what is no file,
// gets nothing.
func TestFileRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		lay  func(t *testing.T, dir, path string)
		root bool
		err  string
	}{
		"no folder":         {func(t *testing.T, d, _ string) { must(t, os.Remove(d)) }, false, "is missing: mkdir -p "},
		"a file for folder": {func(t *testing.T, d, _ string) { must(t, os.Remove(d), os.WriteFile(d, nil, 0o600)) }, false, "no directory"},
		"folder, others":    {func(t *testing.T, d, _ string) { must(t, os.Chmod(d, 0o777)) }, false, "chmod go-w "},
		"group":             {func(t *testing.T, _, p string) { must(t, os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o620)) }, false, "others can write it (mode 0620): chmod go-w "},
		"a folder":          {func(t *testing.T, _, p string) { must(t, os.Mkdir(p, 0o700)) }, false, "it is no regular file"},
		"a fifo":            {func(t *testing.T, _, p string) { must(t, syscall.Mkfifo(p, 0o600)) }, false, "it is no regular file"},
		"a device":          {func(t *testing.T, _, p string) { must(t, os.Symlink("/dev/full", p)) }, false, "it is no regular file"},
		"link to itself":    {func(t *testing.T, _, p string) { must(t, os.Symlink(p, p)) }, false, "symbolic links"},
		"another's":         {func(t *testing.T, _, p string) { must(t, os.WriteFile(p, nil, 0o600), os.Chown(p, nobody, -1)) }, true, "it belongs neither to root nor to uid"},
		"another's link":    {func(t *testing.T, _, p string) { must(t, os.Symlink("real", p), os.Lchown(p, nobody, -1)) }, true, "belongs to uid 65534"},
		"another's folder":  {func(t *testing.T, d, _ string) { must(t, os.Chown(d, nobody, -1)) }, true, "belongs to uid 65534"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.root && os.Geteuid() != 0 {
				testenv.Skip(t, "only root can give files to another user")
			}
			dir := filepath.Join(t.TempDir(), "usb")
			path := filepath.Join(dir, "checkpoints")
			must(t, os.Mkdir(dir, 0o755))
			tc.lay(t, dir, path)
			f := away.NewFile(path)
			for _, err := range []error{f.Check(), send(t, f, 1)} {
				if err == nil || !strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v; want %q", err, tc.err)
				}
			}
		})
	}
}

// TestUnplugged: while the folder is gone nothing is written, not even to where it was;
// once it is back, it goes on.
func TestUnplugged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "usb")
	path := filepath.Join(dir, "checkpoints")
	must(t, os.Mkdir(dir, 0o700))
	f := away.NewFile(path)
	must(t, send(t, f, 1), os.Rename(dir, dir+".gone"))
	if err := send(t, f, 2); err == nil || !strings.Contains(err.Error(), "is missing: mkdir -p "+dir+", or mount") {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the folder was made")
	}
	must(t, os.Rename(dir+".gone", dir), send(t, f, 3))
	wantText(t, path, note(1), note(3))
}
