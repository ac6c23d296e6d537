package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/store"
)

func init() { children["smalldisk"] = smallDiskChild }

// TestSmallDisk fills a real file system, a tmpfs in a mount namespace of the
// child's own, which the kernel takes away with the child.
func TestSmallDisk(t *testing.T) {
	cmd := command(t, "smalldisk", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || cmd.ProcessState.ExitCode() == exitNoMount:
		testenv.Skip(t, fmt.Sprintf("no mount namespaces here (%v)", err)) // TestFileSizeLimit remains
	case err != nil:
		t.Errorf("child: %v\n%s", err, out)
	}
}

const exitNoMount = 77

func mountSmall(dir string) {
	err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m")
	}
	if err != nil {
		os.Exit(exitNoMount)
	}
}

func smallDiskChild(dir string) error {
	mountSmall(dir)
	d := &smallDisk{
		clock:   newClock(),
		reserve: filepath.Join(dir, "reserve"),
		ballast: filepath.Join(dir, "ballast"),
	}
	d.cfg = store.Config{
		Path: filepath.Join(dir, "vault.db"), ReservePath: d.reserve, ReserveSize: 1 << 20, Now: d.clock.Now,
	}
	if err := os.WriteFile(d.ballast, make([]byte, 3<<20), 0o600); err != nil {
		return err
	}
	db, err := store.Open(d.cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	d.db = db
	return d.fillAndEmpty()
}

type smallDisk struct {
	cfg              store.Config
	db               *store.DB
	clock            *clock
	reserve, ballast string
}

func (d *smallDisk) fillAndEmpty() error {
	written, err := fillUp(d.db.Update)
	if err != nil {
		return err
	}
	if err := errors.Join(
		d.wantReserve("on a full disk, before it was needed", 1<<20),
		d.want("a reserved update on a full disk", d.db.UpdateReserved, put("reserved", string(make([]byte, 100<<10))), nil),
		d.wantReserve("after a reserved update", 0),
		d.want("an update while the reserve is spent", d.db.Update, put("refused", "1"), store.ErrFull),
	); err != nil {
		return err
	}
	d.clock.advance(time.Second)
	if err := errors.Join(
		d.want("an update while the disk is full", d.db.Update, put("refused", "1"), store.ErrFull),
		d.wantReserve("that could not be made again", 0),
		os.Remove(d.ballast),
		d.want("an update before the next try", d.db.Update, put("refused", "1"), store.ErrFull),
	); err != nil {
		return err
	}
	d.clock.advance(time.Second)
	if err := errors.Join(
		d.want("an update with space again", d.db.Update, put("again", "1"), nil),
		d.wantReserve("with space again", 1<<20),
	); err != nil {
		return err
	}
	return reopened(d.db, d.cfg, append(written, "reserved", "again"), "refused")
}

func (d *smallDisk) want(what string, update update, op func(*store.Tx) error, want error) error {
	if err := update(ctx, op); !errors.Is(err, want) {
		return fmt.Errorf("%s: got %v, want %v", what, err, want)
	}
	return nil
}

func (d *smallDisk) wantReserve(when string, size int64) error {
	info, err := os.Stat(d.reserve)
	if err != nil {
		return err
	}
	if blocks := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != size || blocks != size {
		return fmt.Errorf("the reserve %s: %d bytes, %d allocated, want %d", when, info.Size(), blocks, size)
	}
	return nil
}
