package peer

import (
	"os"
	"strconv"
)

// Exe is the path of the program that a process runs, cut to 256 bytes: a hint, "" where
// the system does not tell. It is cheap enough to be asked for each connection.
func Exe(pid int) string {
	if pid <= 0 {
		return ""
	}
	path, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return ""
	}
	return cut(path, maxExe)
}
