package vault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func init() { children["fullrestore"] = fullRestoreChild }

// TestRestoreFullDisk: on a full disk and on a read-only one nothing is changed, and it is
// said in one line.
func TestRestoreFullDisk(t *testing.T) { onSmallDisk(t, "fullrestore") }

func fullRestoreChild(dir string) error {
	mountSmall(dir)
	h := houseIn(inChild{}, filepath.Join(dir, "data"))
	h.claimIt()
	h.mustPut(h.owner, plain, strings.Repeat("v", 2000))
	h.mustPut(h.owner, "app/LARGE", strings.Repeat("v", 400<<10))
	h.close()
	backup := copyFile(h.t, h.file("vault.db"), filepath.Join(dir, "backup"))
	h.open()
	ballast := filepath.Join(dir, "ballast")
	if err := fillDisk(ballast); err != nil {
		return err
	}
	_, err := h.v.Backup(ctx, h.as(h.owner), api.BackupRequest{}, nil)
	wantCode(h.t, "a backup on a full disk", err, api.CodeStorageFull)
	_, err = h.v.Compact(ctx, h.as(h.owner))
	wantCode(h.t, "a compaction on a full disk", err, api.CodeStorageFull)
	h.close()
	if err := fillDisk(ballast); err != nil {
		return err
	}
	if err := unrestored(h, backup, "no space left"); err != nil {
		return err
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := unrestored(h, backup, "read-only file system"); err != nil {
		return err
	}
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, ""); err != nil {
		return err
	}
	if _, err := vault.Restore(ctx, h.cfg, backup); err != nil {
		return err
	}
	h.open()
	h.close()
	return anotherOnFull(h, backup, ballast)
}

// anotherOnFull: a restore, and then a first start, that have no space for another vault
// change nothing, wherever they come to the end of it; the next one, which has, makes it.
func anotherOnFull(h *house, backup, ballast string) error {
	other := *h
	other.cfg.Dir = filepath.Join(filepath.Dir(h.cfg.Dir), "another")
	info, err := os.Stat(backup)
	if err != nil {
		return err
	}
	for _, free := range []int64{0, info.Size()} { // nothing of the copy, and not the note after it
		if err := leaveFree(ballast, free); err != nil {
			return err
		}
		_, err := vault.RestoreAsNew(ctx, other.cfg, backup)
		if err := unmade(&other, err, ""); err != nil {
			return fmt.Errorf("restoring with %d bytes free: %w", free, err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if _, err := vault.RestoreAsNew(ctx, other.cfg, backup); err != nil {
		return err
	}
	copyFile(h.t, h.file("root.key"), other.file("root.key"))
	if err := openOnFull(&other, ballast); err != nil {
		return err
	}
	other.reopen() // with space
	other.mustGet(h.owner, plain, strings.Repeat("v", 2000))
	other.mustGet(h.owner, "app/LARGE", strings.Repeat("v", 400<<10))
	other.close()
	if rep := other.verify(); rep.Problem != "" || rep.Tenant == h.claim.Tenant {
		return fmt.Errorf("it verifies as %+v", rep)
	}
	return nil
}

// openOnFull opens other with more and more space, until there is enough.
func openOnFull(other *house, ballast string) error {
	was := string(other.fileBytes())
	for free := int64(0); ; free += 128 << 10 {
		if err := leaveFree(ballast, free); err != nil {
			return err
		}
		err := other.tryOpen()
		if err == nil && free > 0 {
			return os.Remove(ballast)
		}
		if err := unmade(other, err, was); err != nil {
			return fmt.Errorf("opening with %d bytes free: %w", free, err)
		}
	}
}

// unmade wants err to be that there is no space, and the data file to be as it was, or not
// there, with nothing beside it.
func unmade(other *house, err error, was string) error {
	if err == nil || !strings.Contains(err.Error(), "no space left") || strings.Contains(err.Error(), "\n") {
		return fmt.Errorf("%v, want that there is no space", err)
	}
	is, err := os.ReadFile(other.file("vault.db"))
	if was != string(is) || was == "" && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the data file was changed: %v", err)
	}
	beside, _ := filepath.Glob(other.file("vault.db.*"))
	notes, _ := filepath.Glob(other.file("restore*"))
	if len(beside) > 0 || was == "" && len(notes) > 0 {
		return fmt.Errorf("left behind: %q %q", beside, notes)
	}
	return nil
}

// leaveFree fills the disk but for so many bytes.
func leaveFree(ballast string, free int64) error {
	if err := fillDisk(ballast); err != nil {
		return err
	}
	info, err := os.Stat(ballast)
	if err != nil {
		return err
	}
	return os.Truncate(ballast, info.Size()-free)
}

// fillDisk writes a file until there is no space.
func fillDisk(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	for size := 1 << 20; size > 0; size /= 4 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	return f.Close()
}

func unrestored(h *house, backup, says string) error {
	was := string(h.fileBytes())
	_, err := vault.Restore(ctx, h.cfg, backup)
	if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		return fmt.Errorf("restoring: %v, want %q", err, says)
	}
	left, _ := filepath.Glob(h.file("vault.db.*"))
	if string(h.fileBytes()) != was || left != nil {
		return fmt.Errorf("the vault was changed, or %q left behind", left)
	}
	if p := h.verify().Problem; p != "" {
		return fmt.Errorf("it does not verify: %s", p)
	}
	return nil
}
