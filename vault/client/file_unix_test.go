//go:build unix

package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/client"
)

// filesOf makes settings with a pair of files for each thing that a file can be.
func filesOf(t *testing.T) map[string]func(edit func(path string) string) client.Config {
	own := issue(t, nil, nil)
	return map[string]func(func(string) string) client.Config{
		"the CA file": func(edit func(string) string) client.Config {
			return client.Config{CACert: edit(own.certFile(t))}
		},
		"the client certificate": func(edit func(string) string) client.Config {
			return client.Config{ClientCert: edit(own.certFile(t)), ClientKey: own.keyFile(t)}
		},
		"the client key": func(edit func(string) string) client.Config {
			return client.Config{ClientCert: own.certFile(t), ClientKey: edit(own.keyFile(t))}
		},
	}
}

// tryFile makes a client with a file that edit has put there, and returns its path.
func tryFile(make func(func(string) string) client.Config, edit func(path string) string) (path string, err error) {
	cfg := make(func(p string) string { path = edit(p); return path })
	cfg.URL = "https://127.0.0.1:1"
	_, err = client.New(cfg)
	return path, err
}

func TestFilesThatOthersReach(t *testing.T) {
	for what, make := range filesOf(t) {
		for mode, want := range map[os.FileMode]string{
			0o600: "", 0o400: "", 0o644: "", 0o444: "", 0o640: "", 0o604: "",
			0o620: "chmod go-w ", 0o602: "chmod go-w ", 0o664: "chmod go-w ", 0o646: "chmod go-w ", 0o666: "chmod go-w ",
		} {
			if what == "the client key" && mode&0o077 != 0 {
				want = "chmod 600 "
			}
			path, err := tryFile(make, func(path string) string { return path + chmod(t, path, mode) })
			wantExposed(t, what, err, want, path)
		}
	}
}

func TestFilesInFoldersOfOthers(t *testing.T) {
	for what, make := range filesOf(t) {
		for mode, refused := range map[os.FileMode]bool{
			0o755: false, 0o777 | os.ModeSticky: false, 0o777: true, 0o775: true, 0o757: true,
		} {
			want, above := "", ""
			_, err := tryFile(make, func(path string) string {
				above = filepath.Join(filepath.Dir(path), "above")
				return move(t, path, filepath.Join(above, "below")) + chmod(t, above, mode)
			})
			if refused {
				want = "chmod go-w "
			}
			wantExposed(t, what, err, want, above)
		}
	}
}

// A link in a good folder leads to where the file could be exchanged.
func TestFilesBehindALink(t *testing.T) {
	for what, make := range filesOf(t) {
		open := ""
		_, err := tryFile(make, func(path string) string {
			open = filepath.Join(filepath.Dir(path), "open")
			moved, link := move(t, path, open), path+".link"
			chmod(t, open, 0o777)
			if err := os.Symlink(moved, link); err != nil {
				t.Fatal(err)
			}
			return link
		})
		wantExposed(t, what, err, "chmod go-w ", open)
	}
}

func TestFilesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can make a file of another user")
	}
	for what, make := range filesOf(t) {
		path, err := tryFile(make, func(path string) string {
			if err := os.Chown(path, 54321, 54321); err != nil {
				t.Fatal(err)
			}
			return path
		})
		wantExposed(t, what, err, "chown 0 ", path)
	}
}

// The command that helps is there to be copied.
func TestExposedFileWithAStrangeName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's $(evil).pem")
	if err := os.Rename(issue(t, nil, nil).certFile(t), path); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o666)
	_, err := client.New(client.Config{URL: "https://127.0.0.1:1", CACert: path})
	want := "chmod go-w '" + filepath.Dir(path) + `/it'\''s $(evil).pem'`
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got error %v, want one that ends in %s", err, want)
	}
}

// chmod returns "", to stand behind a path.
func chmod(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return ""
}

// move puts a file into a new folder.
func move(t *testing.T, path, dir string) string {
	t.Helper()
	to := filepath.Join(dir, filepath.Base(path))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.Rename(path, to)); err != nil {
		t.Fatal(err)
	}
	return to
}

// wantExposed fails unless err is about the file, with command for path; "" wants
// no error.
func wantExposed(t *testing.T, what string, err error, command, path string) {
	t.Helper()
	if command == "" {
		if err != nil {
			t.Errorf("%s is refused: %v", what, err)
		}
		return
	}
	e, ok := errors.AsType[*client.FileError](err)
	if !ok || e.What != what || !strings.HasSuffix(e.Error(), command+path) {
		t.Errorf("%s: got error %v, want one that ends in %q", what, err, command+path)
		return
	}
	if read := what == "the client key"; strings.Contains(e.Hint(), "new pair") != read || strings.Contains(e.Hint(), "ass vault cert") == read {
		t.Errorf("the hint for %v is %q", err, e.Hint())
	}
}
