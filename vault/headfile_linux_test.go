package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func init() { children["headfile"] = headFileChild }

// TestHeadFileUnwritable: where the folder of the head file takes no writes, commits go on;
// it is logged once and told to owners until it ends, and the next start takes the head
// that is behind for what it is.
func TestHeadFileUnwritable(t *testing.T) { onSmallDisk(t, "headfile") }

func headFileChild(dir string) error {
	mountSmall(dir)
	keys := filepath.Join(dir, "keys")
	if err := errors.Join(os.Mkdir(keys, 0o700), syscall.Mount("tmpfs", keys, "tmpfs", 0, "size=256k,mode=700")); err != nil {
		return err
	}
	var logged bytes.Buffer
	var mu sync.Mutex
	c := newClock()
	h := &house{t: inChild{}, clock: c, cfg: vault.Config{
		Dir: filepath.Join(dir, "data"), KeyFile: filepath.Join(keys, "root.key"), Now: c.Now, Argon2: quick,
		Log: hclog.New(&hclog.LoggerOptions{Output: &logged, Mutex: &mu}),
	}}
	var err error
	if h.v, err = vault.Create(h.cfg); err != nil {
		return err
	}
	h.claimIt()
	said := func(what string) int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(logged.String(), what)
	}
	h.reopen() // so that the head file is not open for writing
	if err := writable(keys, false); err != nil {
		return err
	}
	h.mustPut(h.owner, plain, "1")
	h.mustPut(h.owner, plain, "2")
	if n := said("the head file cannot be written"); n != 1 {
		h.t.Errorf("it is logged %d times", n)
	}
	h.wantHead("read-only file system")
	if err := writable(keys, true); err != nil {
		return err
	}
	h.mustPut(h.owner, plain, "3")
	h.wantHead("")
	if n := said("the head file is written again"); n != 1 {
		h.t.Errorf("that it has ended is logged %d times", n)
	}
	h.reopen()
	if err := writable(keys, false); err != nil {
		return err
	}
	h.mustPut(h.owner, plain, "4")
	h.reopen() // with a head that is behind, and stays so
	h.mustGet(h.owner, plain, "4")
	h.wantHead("read-only file system")
	h.close()
	if rep := h.verify(); rep.Problem != "" || !rep.HeadFile {
		h.t.Errorf("it verifies as %+v", rep)
	}
	return nil
}

// writable has the file system at dir take writes, or not.
func writable(dir string, is bool) error {
	flags := uintptr(syscall.MS_REMOUNT)
	if !is {
		flags |= syscall.MS_RDONLY
	}
	return syscall.Mount("none", dir, "tmpfs", flags, "")
}

// wantHead wants owners to be told that about the head file; "": that nothing is wrong.
func (h *house) wantHead(problem string) {
	h.t.Helper()
	if got := h.protection().HeadProblem; (got == "") != (problem == "") || !strings.Contains(got, problem) {
		h.t.Errorf("status says %q", got)
	}
	d, err := h.v.Doctor(ctx, h.as(h.owner))
	if err != nil {
		h.t.Fatal(err)
	}
	at := slices.IndexFunc(d.Checks, func(c api.Check) bool { return c.Name == "head file" })
	if at < 0 || (d.Checks[at].State == api.CheckProblem) != (problem != "") || !strings.Contains(d.Checks[at].Says, problem) {
		h.t.Errorf("the doctor says %+v", d.Checks)
	}
}
