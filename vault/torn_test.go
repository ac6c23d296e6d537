package vault_test

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
)

// TestLostLastCommit: a disk that has lost the meta page of the newest commit, though it
// said that it was there, leaves the file as it was before. The head file knows better:
// the vault is refused, with the command that takes it as it is, and then goes on.
func TestLostLastCommit(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one")
	h.mustPut(h.owner, plain, "lost")
	lost := h.events()
	h.close()
	b := h.fileBytes()
	page := os.Getpagesize()
	const atTxid = 16 + 48 // behind the page's header: see store, metaPage
	newest := 0
	if binary.NativeEndian.Uint64(b[page+atTxid:]) > binary.NativeEndian.Uint64(b[atTxid:]) {
		newest = page
	}
	h.writeAt(make([]byte, 64), newest+16)
	before := h.fileBytes()
	err := h.tryOpen()
	if err == nil || !strings.Contains(err.Error(), "assd verify --accept-rollback") {
		t.Fatalf("opened with %v", err)
	}
	if string(h.fileBytes()) != string(before) {
		t.Error("the file that was refused has changed")
	}
	if err := vault.AcceptRollback(h.cfg); err != nil {
		t.Fatal(err)
	}
	h.open()
	h.mustGet(h.owner, plain, "one")
	if e := h.trail(audit.Filter{Action: "vault.restore"}); len(e) != 1 || e[0].Seq > lost {
		t.Errorf("%d events say so: %+v", len(e), e)
	}
	h.mustPut(h.owner, plain, "two")
	h.reopen()
	h.mustGet(h.owner, plain, "two")
}
