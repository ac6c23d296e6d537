package store

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/agent-secret-store/assd/internal/shell"
)

// irregular says what lies where a file should be.
func irregular(info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%w but a symbolic link, which is never followed", ErrIrregular)
	}
	return ErrIrregular
}

// checkFile refuses what is no regular file, what others may open, and what is
// not ours. Root may read, though not write, what belongs to another.
func checkFile(path string, info fs.FileInfo, readOnly bool) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %w: put the file itself in its place", ErrForeign, irregular(info))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: its mode is %04o (mend it with: chmod 600 %s)", ErrExposed, mode, shell.Quote(path))
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%w: its owner cannot be found out", ErrExposed)
	}
	uid := os.Geteuid()
	if int(stat.Uid) == uid || readOnly && uid == 0 {
		return nil
	}
	return fmt.Errorf("%w: it belongs to uid %d and not to uid %d (mend it with: chown %d %s)",
		ErrExposed, stat.Uid, uid, uid, shell.Quote(path))
}
