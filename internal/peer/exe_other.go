//go:build !linux

package peer

// Exe is the path of the program that a process runs, cut to 256 bytes: a hint, "" where
// the system does not tell.
func Exe(pid int) string {
	for _, p := range Ancestry(pid, 1) {
		return p.Exe
	}
	return ""
}
