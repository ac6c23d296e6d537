package harden

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ClearSwap names the swap areas that memory may be written to in the clear: those that
// do not lie on a device that dm-crypt encrypts, nor in memory (zram). One of which that
// cannot be told is among them. An error says that nothing can be told.
func ClearSwap() ([]string, error) { return clearSwap("/") }

// clearSwap is ClearSwap for the /proc, /sys and /dev below root.
func clearSwap(root string) ([]string, error) {
	f, err := os.Open(filepath.Join(root, "proc/swaps"))
	if err != nil {
		return nil, fmt.Errorf("looking for swap: %w", err)
	}
	defer f.Close()
	var found []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		area, _, _ := strings.Cut(lines.Text(), " ")
		area = unescape(strings.TrimSuffix(area, "\t"))
		if !strings.HasPrefix(area, "/") || sealedSwap(root, area) { // the first line is a heading
			continue
		}
		found = append(found, area)
	}
	return found, lines.Err()
}

// unescape undoes how the kernel writes blanks in a path.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// sealedSwap reports whether what is written to the area, a device or a file on one, is
// encrypted or stays in memory.
func sealedSwap(root, area string) bool {
	info, err := os.Stat(filepath.Join(root, area))
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	dev := stat.Dev // of the file system
	if info.Mode()&os.ModeDevice != 0 {
		dev = stat.Rdev
	}
	node, err := filepath.EvalSymlinks(filepath.Join(root, "sys/dev/block", fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))))
	if err != nil {
		return false
	}
	return sealedNode(node, 8)
}

// sealedNode reports whether a block device is zram, or dm-crypt's, or lies in full on
// such; deep is how many layers are looked at.
func sealedNode(node string, deep int) bool {
	if strings.HasPrefix(filepath.Base(node), "zram") {
		backing, err := os.ReadFile(filepath.Join(node, "backing_dev"))
		return err != nil || strings.TrimSpace(string(backing)) == "none"
	}
	if id, err := os.ReadFile(filepath.Join(node, "dm/uuid")); err == nil && strings.HasPrefix(string(id), "CRYPT-") {
		return true
	}
	below, err := filepath.Glob(filepath.Join(node, "slaves", "*"))
	if err != nil || len(below) == 0 || deep == 0 {
		return false
	}
	for _, b := range below {
		real, err := filepath.EvalSymlinks(b)
		if err != nil || !sealedNode(real, deep-1) {
			return false
		}
	}
	return true
}
