package helper

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/shell"
)

// Check refuses a program that someone besides root and our own user can have written
// or put there, and what is none. path is absolute.
func Check(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("command %q: an absolute path is expected", path)
	}
	if err := peer.CheckParents(path, os.Geteuid()); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(real)} {
		if err := checkFolder(dir, real); err != nil {
			return err
		}
	}
	info, err := os.Stat(real)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	return checkProgram(real, info)
}

// checkFolder refuses a folder in which others can put a file, also a sticky one: there
// they could give another program of root's the name of one that is missing.
func checkFolder(dir, path string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("command %q lies in a folder that other users can write (mode %04o): move it, or chmod go-w %s", path, perm, shell.Quote(dir))
	}
	return nil
}

func checkProgram(path string, info fs.FileInfo) error {
	uid, perm := os.Geteuid(), info.Mode().Perm()
	switch stat, ok := info.Sys().(*syscall.Stat_t); {
	case !info.Mode().IsRegular():
		return fmt.Errorf("command %q is no regular file", path)
	case !ok:
		return fmt.Errorf("command %q has no owner that is known", path)
	case stat.Uid != 0 && int(stat.Uid) != uid:
		return fmt.Errorf("command %q belongs to uid %d, neither root nor uid %d, which assd runs as: chown %d %s", path, stat.Uid, uid, uid, shell.Quote(path))
	case perm&0o022 != 0:
		return fmt.Errorf("command %q can be written by other users (mode %04o): chmod go-w %s", path, perm, shell.Quote(path))
	case perm&0o111 == 0:
		return fmt.Errorf("command %q cannot be executed (mode %04o): chmod +x %s", path, perm, shell.Quote(path))
	}
	return nil
}
