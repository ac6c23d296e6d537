//go:build !linux && !darwin

package peer

import (
	"errors"
	"fmt"
	"runtime"
)

func ofFD(int) (Cred, error) {
	return Cred{}, fmt.Errorf("%s does not tell who is connected: %w", runtime.GOOS, errors.ErrUnsupported)
}
