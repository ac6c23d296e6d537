//go:build unix

package client

import (
	"fmt"
	"os"
	"syscall"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/shell"
)

// checkOurs refuses an open file at path that others than root and our effective
// user could have written or put there; with secret, one that others can read.
func checkOurs(f *os.File, path string, secret bool) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	uid, mode := os.Geteuid(), fi.Mode().Perm()
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 && int(st.Uid) != uid {
		return exposed{fmt.Sprintf("it belongs to neither root nor us, uid %d; if you trust it: chown %d %s", uid, uid, shell.Quote(path))}
	}
	switch {
	case secret && mode&0o077 != 0:
		return exposed{fmt.Sprintf("others can open it (mode %04o): chmod 600 %s", mode, shell.Quote(path))}
	case mode&0o022 != 0:
		return exposed{fmt.Sprintf("others can write it (mode %04o): chmod go-w %s", mode, shell.Quote(path))}
	}
	if err := peer.CheckParents(path, uid); err != nil {
		return exposed{err.Error()}
	}
	return nil
}
