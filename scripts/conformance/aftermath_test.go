package conformance_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// aftermath stops the daemons and looks at what they leave.
func (w *world) aftermath(t *testing.T) {
	for name, d := range map[string]*daemon{"vault": w.vault, "limited": w.limited} {
		if code := d.stop(t); code != 0 {
			t.Errorf("%s: after SIGTERM assd exits with %d:\n%s", name, code, tail(read(t, d.log)))
		}
		home := filepath.Dir(d.data)
		w.run(t, patience, home, w.env(home), filepath.Join(w.bin, "assd"), "verify", "--data-dir", d.data).ok(t)
		quiet(t, d.log)
		clean(t, home, d.key)
	}
}

var loud = regexp.MustCompile(`(?m)^.*(panic|\[ERROR\]|fatal error).*$`)

// quiet fails the test where the log has a panic or an error.
func quiet(t *testing.T, log string) {
	t.Helper()
	for _, line := range loud.FindAllString(read(t, log), -1) {
		t.Errorf("in the log: %s", line)
	}
}

// leak matches what may stand in no file of the daemon: a value, a key, a token.
var leak = regexp.MustCompile(marker + `|ask_(live|agent)_[A-Za-z0-9]{16,}|` + jwt.String())

// clean fails the test where a file below dir holds a value, a key or a token.
func clean(t *testing.T, dir, key string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		text := read(t, path)
		if at := leak.FindStringIndex(text); at != nil || strings.Contains(text, key) {
			t.Errorf("%s holds a value, a key or a token, at %v", path, at)
		}
		return nil
	})
	if err != nil || files < 4 {
		t.Errorf("looked into %d files: %v", files, err)
	}
}

func tail(text string) string {
	const most = 2000
	return text[max(0, len(text)-most):]
}
