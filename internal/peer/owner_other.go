//go:build !unix

package peer

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
)

func owner(fs.FileInfo) (int, error) {
	return 0, fmt.Errorf("%s has no file modes to check: %w", runtime.GOOS, errors.ErrUnsupported)
}
