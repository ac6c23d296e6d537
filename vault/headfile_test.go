package vault_test

import (
	"os"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault"
)

// TestHeadFileIsNoLink: a start does not follow a link in place of the head file, says so
// in one line, and changes nothing; and nothing of an older state is accepted through it.
func TestHeadFileIsNoLink(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	h.close()
	before := h.fileBytes()
	mustOK(t, os.Rename(h.file("head"), h.file("elsewhere")))
	mustOK(t, os.Symlink(h.file("elsewhere"), h.file("head")))
	kept := h.readFile("elsewhere")
	for name, try := range map[string]func() error{
		"a start":  h.tryOpen,
		"a pardon": func() error { return vault.AcceptRollback(h.cfg) },
	} {
		err := try()
		if err == nil || !strings.Contains(err.Error(), "is a symbolic link") || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "--accept-rollback") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if string(h.fileBytes()) != string(before) || string(h.readFile("elsewhere")) != string(kept) {
		t.Error("something was written")
	}
	mustOK(t, os.Rename(h.file("elsewhere"), h.file("head")))
	h.open()
	h.mustGet(h.owner, plain, "v")
}
