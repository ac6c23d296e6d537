//go:build !unix

package client

import (
	"errors"
	"os"
)

// checkRoots refuses: without Unix owners nobody can say who wrote the file.
func checkRoots(*os.File, string) error {
	return errors.New("this system cannot tell whose it is")
}
