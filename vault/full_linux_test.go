package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/api"
)

func init() {
	children["smalldisk"] = smallDiskChild
	children["fulllockdown"] = fullLockdownChild
	children["fullseal"] = fullSealChild
}

// TestThreat07SmallDisk fills a real file system.
func TestThreat07SmallDisk(t *testing.T) { onSmallDisk(t, "smalldisk") }

// onSmallDisk runs a child on a tmpfs in a mount namespace of its own, which the
// kernel takes away with it.
func onSmallDisk(t *testing.T, child string) {
	t.Helper()
	cmd := command(t, child, t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || cmd.ProcessState.ExitCode() == exitNoMount:
		testenv.Skip(t, fmt.Sprintf("no mount namespaces here (%v)", err)) // TestThreat07FileSizeLimit remains
	case err != nil:
		t.Errorf("child: %v\n%s", err, out)
	}
}

const exitNoMount = 77

func mountSmall(dir string) {
	err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m")
	}
	if err != nil {
		os.Exit(exitNoMount)
	}
}

func smallDiskChild(dir string) error {
	mountSmall(dir)
	d := newFullDisk(inChild{}, dir)
	tok := d.token(d.bot.APIKey, "secrets:read:*")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); err != nil {
		return err
	}
	d.fill()
	served := d.reads(d.tok.Token)
	if got := d.recorded(); got != served+1 {
		d.t.Errorf("%d reads were served and %d are in the trail", served+1, got)
	}
	d.exhaust()
	d.refusedEverything()

	// The reserve is the owners'.
	wantCode(d.t, "a refused revoke", d.v.RevokeAgent(ctx, d.as(d.bot.APIKey), "bot"), api.CodeStorageFull)
	wantCode(d.t, "a revoke by nobody", d.v.RevokeToken(ctx, d.as(""), tok.TokenID), api.CodeStorageFull)
	d.wantReserve("after agents' tries", true)
	d.revokeToken(tok)
	d.wantReserve("after an owner's revoke", false)
	d.refusedEverything()
	d.revokeAgent("bot")
	_, err := d.get(d.tok.Token, plain)
	wantCode(d.t, "a read by a revoked agent on a full disk", err, api.CodeStorageFull)

	if err := os.Remove(ballast); err != nil {
		return err
	}
	d.clock.advance(time.Second)
	d.mustGet(d.owner, plain, "a value to be kept back")
	d.wantReserve("with space again", true)
	_, err = d.get(d.tok.Token, plain)
	wantCode(d.t, "a read by a revoked agent", err, api.CodeUnauthorized)
	d.reopen()
	d.mustGet(d.owner, plain, "a value to be kept back")
	d.end()
	return nil
}

func (d *fullDisk) wantReserve(when string, whole bool) {
	d.t.Helper()
	info, err := os.Stat(d.file("reserve"))
	if err != nil {
		d.t.Fatal(err)
	}
	if is := info.Size() > 0; is != whole {
		d.t.Errorf("the reserve %s has %d bytes", when, info.Size())
	}
}

// TestThreat21FullDisk: owners lock down, lift, deny and revoke on a full disk;
// agents have no part of the reserve for that.
func TestThreat21FullDisk(t *testing.T) { onSmallDisk(t, "fulllockdown") }

func fullLockdownChild(dir string) error {
	mountSmall(dir)
	d := newFullDisk(inChild{}, dir)
	d.accept("[lockdown]\nby = 'any'\n")
	d.mustPut(d.owner, sensitive, "v", tier("sensitive"))
	denied, granted := d.askToRead(d.bot.APIKey, sensitive), d.askFor(d.bot.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, MaxUses: ptr(9)})
	d.mustApprove(granted)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); err != nil {
		return err
	}
	d.fill()
	d.exhaust()
	_, err := d.lockAs(d.bot.APIKey)
	wantCode(d.t, "a lockdown by an agent on a full disk", err, api.CodeStorageFull)
	d.wantReserve("after an agent's try", true)
	d.mustDeny(denied)
	_, err = d.revoke(granted)
	wantCode(d.t, "a revoke on a full disk", err, "")
	d.lockDown()
	d.lift()
	d.lockDown()
	if err := os.Remove(ballast); err != nil {
		return err
	}
	d.clock.advance(time.Second)
	_, err = d.get(d.owner, plain)
	wantCode(d.t, "a read in the lockdown", err, api.CodeLockedDown)
	d.reopen()
	d.lift()
	d.mustGet(d.owner, plain, "a value to be kept back")
	d.end()
	return nil
}

// TestSealOnAFullDisk: an owner seals on a disk that takes nothing else, by the reserve.
func TestSealOnAFullDisk(t *testing.T) { onSmallDisk(t, "fullseal") }

func fullSealChild(dir string) error {
	mountSmall(dir)
	d := newFullDisk(inChild{}, dir)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); err != nil {
		return err
	}
	d.fill()
	d.exhaust()
	_, err := d.v.Seal(ctx, d.as(d.owner), api.SealRequest{})
	wantCode(d.t, "a seal on a full disk", err, "")
	if !d.v.IsSealing() {
		d.t.Error("it is not sealed")
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	d.reopen()
	d.mustGet(d.owner, plain, "a value to be kept back")
	d.end()
	return nil
}
