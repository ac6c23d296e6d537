//go:build unix

package client

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/shell"
)

// checkRoots reports whether root alone can have written the open file at path.
func checkRoots(f *os.File, path string) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 {
		return errors.New("it does not belong to root")
	}
	if fi.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others can write it; run: chmod go-w %s", shell.Quote(path))
	}
	return peer.CheckParents(path, 0)
}
