package peer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/agent-secret-store/assd/internal/shell"
)

// maxLinks is how many symbolic links a path may lead through, as many as
// Linux allows.
const maxLinks = 40

// ErrExposed is wrapped by an error about what someone besides the two who may
// could lead elsewhere. Its words are not in that error.
var ErrExposed = errors.New("others can change what is there")

// exposed is an error that is ErrExposed.
type exposed struct{ error }

func (exposed) Is(target error) bool { return target == ErrExposed }

// CheckParents refuses a path that someone besides root and uid could lead
// elsewhere: every directory on the way from the root, and every symbolic link
// followed, must belong to root or uid, and no directory may be writable by
// group or others unless it is sticky. The walk is the kernel's, so the
// directories behind a link are checked as well. The last element need not
// exist, and is itself checked only when it is a link. A refusal wraps
// [ErrExposed]; an error of the walk itself, what the system said.
//
// BUG: access control lists of macOS are not looked at; on Linux they show in
// the mode.
func CheckParents(path string, uid int) error {
	if !filepath.IsAbs(path) {
		wd, err := os.Getwd()
		if err != nil {
			return fmt.Errorf("checking the directories above %q: %w", path, err)
		}
		// Not Join or Abs: they would drop "link/.." unseen.
		path = wd + string(filepath.Separator) + path
	}
	w := walk{path: path, uid: uid, at: string(filepath.Separator), rest: elements(path)}
	if err := w.checkDir(); err != nil {
		return err
	}
	for len(w.rest) > 0 {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

// walk is the way down a path.
type walk struct {
	path  string // as asked for
	uid   int
	at    string   // checked, and free of links
	rest  []string // still to go
	links int
}

// elements splits a path as the kernel does.
func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

// step goes down one element.
func (w *walk) step() error {
	name, last := w.rest[0], len(w.rest) == 1
	w.rest = w.rest[1:]
	switch name {
	case ".":
		return nil
	case "..":
		w.at = filepath.Dir(w.at) // has been checked on the way down
		return nil
	}
	parent := w.at
	w.at = filepath.Join(parent, name)
	info, err := os.Lstat(w.at)
	switch {
	case last && errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("checking the directories above %q: %w", w.path, err)
	case info.Mode().Type() == fs.ModeSymlink:
		return w.follow(parent, info)
	case last:
		return nil
	}
	return w.checkDir()
}

// follow puts what the link at w.at says before the rest of the way.
func (w *walk) follow(parent string, info fs.FileInfo) error {
	if w.links++; w.links > maxLinks {
		return fmt.Errorf("checking the directories above %q: more than %d symbolic links", w.path, maxLinks)
	}
	if err := w.checkOwner("link", info); err != nil {
		return err
	}
	target, err := os.Readlink(w.at)
	if err != nil {
		return fmt.Errorf("checking the directories above %q: %w", w.path, err)
	}
	w.at = parent
	if filepath.IsAbs(target) {
		w.at = string(filepath.Separator)
	}
	w.rest = append(elements(target), w.rest...)
	return nil
}

// checkDir checks the directory at w.at.
func (w *walk) checkDir() error {
	info, err := os.Lstat(w.at)
	if err != nil {
		return fmt.Errorf("checking the directories above %q: %w", w.path, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%q, on the way to %q, is %s and no directory", w.at, w.path, kindOf(info.Mode()))
	}
	if err := w.checkOwner("directory", info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return exposed{fmt.Errorf("directory %q, on the way to %q, can be written by other users (mode %04o): chmod go-w %s",
			w.at, w.path, info.Mode().Perm(), shell.Quote(w.at))}
	}
	return nil
}

// checkOwner checks that what is at w.at belongs to root or w.uid.
func (w *walk) checkOwner(kind string, info fs.FileInfo) error {
	uid, err := owner(info)
	if err != nil {
		return fmt.Errorf("checking the owner of %q: %w", w.at, err)
	}
	if uid != 0 && uid != w.uid {
		return exposed{fmt.Errorf("%s %q, on the way to %q, belongs to uid %d, neither root nor uid %d: use another path",
			kind, w.at, w.path, uid, w.uid)}
	}
	return nil
}
