package vault_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// TestMemoryIsGivenBack: what work on a whole large file has left does not stay with
// the daemon.
func TestMemoryIsGivenBack(t *testing.T) {
	h := newHouse(t)
	for _, p := range []string{"a/AA", "a/BB", "a/CC", "a/DD", "a/EE", "a/FF", "a/GG", "a/HH", "a/II"} {
		h.mustPut(h.owner, p, strings.Repeat(p, 1<<18))
	}
	for name, work := range map[string]func() error{
		"a compaction": func() error { _, err := h.v.Compact(ctx, h.as(h.owner)); return err },
		"a backup": func() error {
			b, err := h.v.Backup(ctx, h.as(h.owner), api.BackupRequest{}, nil)
			if err == nil {
				err = b.Close()
			}
			return err
		},
	} {
		leaveGarbage()
		kept := heapKept()
		if err := work(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if now := heapKept(); now > kept/2 {
			t.Errorf("after %s %d MiB are kept that nobody uses; before it, %d", name, now>>20, kept>>20)
		}
	}
}

// leaveGarbage leaves memory that nobody uses, as Go has it from the system.
func leaveGarbage() {
	garbage := make([][]byte, 128)
	for i := range garbage {
		garbage[i] = make([]byte, 1<<20)
		for k := 0; k < len(garbage[i]); k += 4096 {
			garbage[i][k] = 1
		}
	}
	runtime.KeepAlive(garbage)
	garbage = nil
	runtime.GC()
}

// heapKept is how many bytes Go has of the system and nobody uses.
func heapKept() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapIdle - m.HeapReleased
}
