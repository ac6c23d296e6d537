package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// TestDamagedBranch: a page of the trail that was made to lead to itself under the
// running daemon, which sends bbolt in circles, ends the daemon in order: it says which
// page, and does not crash.
func TestDamagedBranch(t *testing.T) {
	v := startFull(t, filepath.Join(t.TempDir(), "data"), "--log-level", "error")
	for range 40 { // so that the trail has a branch
		v.want("GET", "/v1/secrets/a/K", v.token, "", 200)
	}
	page := leadAuditBack(t, filepath.Join(v.dir, "vault.db"))
	if _, _, err := call(v.process.socket, "POST", "/v1/audit/verify", v.owner, ""); err != nil {
		t.Logf("asking for the check: %v", err)
	}
	select {
	case <-v.process.exited:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if code := v.process.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("it ended with %d", code)
	}
	log := strings.TrimSpace(v.err.String())
	last := log[strings.LastIndexByte(log, '\n')+1:]
	if !strings.Contains(last, "vault file is damaged: page ") || !strings.Contains(last, "assd verify") || strings.Contains(log, "goroutine ") {
		t.Errorf("of page %d it says: %.2000s", page, log)
	}
}

// leadAuditBack makes the root of the trail's tree, a branch, lead to itself, and says
// which page it is.
func leadAuditBack(t *testing.T, path string) (page int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(copied, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bolt.Tx) error {
		page = int64(tx.Bucket([]byte("audit")).Root())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	at := page * int64(os.Getpagesize())
	const branch = 1
	if binary.NativeEndian.Uint16(data[at+8:]) != branch {
		t.Fatal("the trail has no branch yet")
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(page)), at+16+8)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return page
}
