package harden

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestClearSwap lays out /proc and /sys as the kernel does, for one swap file whose
// device is what each case says.
func TestClearSwap(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string // below the device's folder in /sys
		links map[string]string
		clear bool
	}{
		"a partition":             {clear: true},
		"dm-crypt":                {files: map[string]string{"dm/uuid": "CRYPT-LUKS2-00-swap\n"}},
		"a volume on a partition": {files: map[string]string{"dm/uuid": "LVM-x\n"}, links: map[string]string{"slaves/sda1": "sda1"}, clear: true},
		"a volume on dm-crypt":    {files: map[string]string{"dm/uuid": "LVM-x\n"}, links: map[string]string{"slaves/dm-0": "crypt"}},
		"half of it on dm-crypt":  {links: map[string]string{"slaves/dm-0": "crypt", "slaves/sda1": "sda1"}, clear: true},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, filepath.Join(root, "proc/swaps"), "Filename Type Size Used Priority\n/the\\040swap file 100 0 -2\n")
			write(t, filepath.Join(root, "the swap"), "")
			write(t, filepath.Join(root, "sys/crypt/dm/uuid"), "CRYPT-LUKS2-1\n")
			write(t, filepath.Join(root, "sys/sda1/partition"), "1\n")
			node := filepath.Join(root, "sys/the-device")
			write(t, filepath.Join(node, "size"), "100\n")
			for file, text := range tc.files {
				write(t, filepath.Join(node, file), text)
			}
			for link, to := range tc.links {
				symlink(t, filepath.Join(root, "sys", to), filepath.Join(node, link))
			}
			symlink(t, node, filepath.Join(root, "sys/dev/block", deviceOf(t, filepath.Join(root, "the swap"))))
			got, err := clearSwap(root)
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"/the swap"}; tc.clear != slices.Equal(got, want) || !tc.clear && len(got) > 0 {
				t.Errorf("in the clear: %q; want it: %t", got, tc.clear)
			}
		})
	}
}

// TestClearSwapOfThisMachine runs on what there is.
func TestClearSwapOfThisMachine(t *testing.T) {
	if _, err := ClearSwap(); err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, at string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func deviceOf(t *testing.T, path string) string {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev))
}
