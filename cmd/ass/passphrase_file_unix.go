//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/agent-secret-store/assd/internal/peer"
)

// lookAtPassphraseFile refuses a file that others than root and we could have
// written or put there, and returns what to remark about one that they can read.
func lookAtPassphraseFile(info fs.FileInfo, path string) (remark string, err error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	uid, mode := os.Geteuid(), info.Mode().Perm()
	switch {
	case !ok || st.Uid != 0 && int(st.Uid) != uid:
		return "", errors.New("it belongs to neither root nor us")
	case mode&0o022 != 0:
		return "", fmt.Errorf("others can write it (mode %04o): chmod 600 %s", mode, shellWord(path))
	case st.Nlink == 0: // a here-document: it has no place where it lies
		return "", nil
	}
	if err := peer.CheckParents(path, uid); err != nil {
		return "", err
	}
	if mode&0o044 != 0 {
		remark = fmt.Sprintf("others can read the passphrase file (mode %04o): chmod 600 %s", mode, shellWord(path))
	}
	return remark, nil
}
