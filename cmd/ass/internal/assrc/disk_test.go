//go:build unix

package assrc_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/agent-secret-store/assd/cmd/ass/internal/assrc"
	"github.com/agent-secret-store/assd/internal/testenv"
)

func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ".assrc")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// alone fails when anything but the named files is in path's folder.
func alone(t *testing.T, path string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(names) {
		t.Errorf("the folder holds %q, want %q", got, names)
	}
}

func TestLoad(t *testing.T) {
	f, err := assrc.Load(write(t, sample, 0o600))
	if err != nil || f.String() != sample {
		t.Errorf("got %v, %v", f, err)
	}
	f, err = assrc.Load(filepath.Join(t.TempDir(), "none"))
	if err != nil || !f.Empty() {
		t.Errorf("without a file: %v, %v; want an empty one", f, err)
	}
}

func TestLoadRefusesWhatOthersReach(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o644} {
		path := write(t, sample, mode)
		_, err := assrc.Load(path)
		e, ok := errors.AsType[*assrc.ExposedError](err)
		if !ok || e.Hint() != "chmod 600 "+path {
			t.Errorf("mode %o: got error %v, want the chmod that helps", mode, err)
		}
	}
	if _, err := assrc.Load(t.TempDir()); err == nil {
		t.Error("a folder is taken")
	}
}

func TestLoadRefusesAnotherUsersFile(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can make a file of another user")
	}
	theirs := write(t, sample, 0o600)
	if err := os.Chown(theirs, 54321, 54321); err != nil {
		t.Fatal(err)
	}
	if _, err := assrc.Load(theirs); err == nil {
		t.Error("another user's file is taken")
	}
}

func TestSave(t *testing.T) {
	path := write(t, "ASS_AGENT_KEY=old\n", 0o600)
	if err := assrc.Save(path, parse(t, sample)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != sample {
		t.Errorf("saved %q, want %q", got, sample)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", fi.Mode(), err)
	}
	alone(t, path, ".assrc")
	if err := assrc.Save(path, parse(t, "\n")); err != nil {
		t.Fatal(err)
	}
	alone(t, path)
	if err := assrc.Save(path, parse(t, "")); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

func TestSaveThroughALink(t *testing.T) {
	real := write(t, "ASS_AGENT_KEY=old\n", 0o600)
	link := filepath.Join(t.TempDir(), ".assrc")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := assrc.Save(link, parse(t, sample)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, real); got != sample {
		t.Errorf("the link's target holds %q, want %q", got, sample)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link has become %v, %v", fi.Mode(), err)
	}
}

// A draft takes its room before it is filled, and what was filled in survives
// when it cannot be put in place.
func TestDraft(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".assrc")
	d, err := assrc.Begin(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(d.Name()); err != nil || fi.Mode() != 0o600 || fi.Size() < 1024 {
		t.Errorf("the draft is %v, %v; want room for a login at mode 0600", fi, err)
	}
	if err := d.Fill(parse(t, sample)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // renaming onto a folder fails
		t.Fatal(err)
	}
	if err := d.Commit(); err == nil {
		t.Fatal("a draft took a folder's place")
	}
	if got := read(t, d.Name()); got != sample {
		t.Errorf("the draft holds %q, want %q", got, sample)
	}
}

// What a logout through a link removes is what the link leads to.
func TestSaveNothingThroughALink(t *testing.T) {
	real := write(t, sample, 0o600)
	link := filepath.Join(t.TempDir(), ".assrc")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := assrc.Save(link, parse(t, "")); err != nil {
		t.Fatal(err)
	}
	alone(t, real)
	if f, err := assrc.Load(link); err != nil || !f.Empty() {
		t.Errorf("behind the link is %v, %v; want nothing", f, err)
	}
}

func TestDiscard(t *testing.T) {
	path := write(t, sample, 0o600)
	d, err := assrc.Begin(path)
	if err != nil {
		t.Fatal(err)
	}
	d.Discard()
	alone(t, path, ".assrc")
	if got := read(t, path); got != sample {
		t.Errorf("discarding a draft changed the file to %q", got)
	}
}

func TestKeepAside(t *testing.T) {
	path := write(t, sample, 0o600)
	for _, want := range []string{path + ".old", path + ".old.2", path + ".old.3"} {
		name, err := assrc.KeepAside(path)
		if err != nil || name != want || read(t, name) != sample {
			t.Errorf("kept aside in %q, %v; want a copy in %q", name, err, want)
		}
	}
	alone(t, path, ".assrc", ".assrc.old", ".assrc.old.2", ".assrc.old.3")
}

// The link would lead to what takes the file's place.
func TestKeepAsideThroughALink(t *testing.T) {
	real := write(t, sample, 0o600)
	link := filepath.Join(t.TempDir(), ".assrc")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	name, err := assrc.KeepAside(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := assrc.Save(link, parse(t, "FUTURE=x\n")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, name); got != sample {
		t.Errorf("aside lies %q, want %q", got, sample)
	}
}
