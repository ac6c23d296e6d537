//go:build unix

package main

import "os"

// openTerminal opens the terminal that the process was started from, whatever
// stdin and stdout are.
func openTerminal() (in, out *os.File, err error) {
	if in, err = os.OpenFile("/dev/tty", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	return in, in, nil
}
