//go:build unix

package peer

import (
	"errors"
	"io/fs"
	"syscall"
)

func owner(info fs.FileInfo) (int, error) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.New("no owner known")
	}
	return int(stat.Uid), nil
}
