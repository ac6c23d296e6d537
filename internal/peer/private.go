package peer

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/agent-secret-store/assd/internal/shell"
)

// OwnerUID returns the uid that what path leads to belongs to.
func OwnerUID(path string) (int, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("looking for the owner: %w", err)
	}
	uid, err := owner(info)
	if err != nil {
		return 0, fmt.Errorf("looking for the owner of %q: %w", path, err)
	}
	return uid, nil
}

// CheckPrivate refuses what others could have made, read or changed: path must
// be a regular file (with wantDir, a directory) and no symbolic link, belong
// to our effective uid, and give group and others no rights. The error says
// which command puts it right; a missing path is one that wraps
// [fs.ErrNotExist]. The directories above are for [CheckParents].
func CheckPrivate(path string, wantDir bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("checking who can open it: %w", err)
	}
	uid, err := owner(info)
	if err != nil {
		return fmt.Errorf("checking who can open %q: %w", path, err)
	}
	kind, mode := "regular file", "600"
	if wantDir {
		kind, mode = "directory", "700"
	}
	switch {
	case wantDir != info.IsDir() || !wantDir && !info.Mode().IsRegular():
		return fmt.Errorf("%q is %s and must be a %s", path, kindOf(info.Mode()), kind)
	case uid != os.Geteuid():
		return fmt.Errorf("%q belongs to uid %d and must be ours, uid %d: run as its owner, or: chown %d %s",
			path, uid, os.Geteuid(), os.Geteuid(), shell.Quote(path))
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%q can be opened by other users (mode %04o): chmod %s %s",
			path, info.Mode().Perm(), mode, shell.Quote(path))
	}
	return nil
}

// kindOf names what a mode is of.
func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "a regular file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return "a symbolic link"
	}
	return "no ordinary file"
}
