package main

import (
	"bytes"
	"crypto/ed25519"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/agent-secret-store/assd/audit/chain"
)

const memoryTenant = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"

func checkpointOf(size uint64) chain.Checkpoint {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	h := chain.Head{Epoch: 1, Seq: size, Hash: chain.Hash{byte(size)}}
	return chain.NewCheckpoint(memoryTenant, h, chain.Key(key.Public().(ed25519.PublicKey)), chain.Sign(h, memoryTenant, key).Bytes)
}

// TestMemoryNeverFalls: however many write at the same time, what is kept rises.
func TestMemoryNeverFalls(t *testing.T) {
	m := memory{filepath.Join(t.TempDir(), "ass", "checkpoints")}
	const writers, each = 8, 25
	var all, done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		for last := uint64(0); ; {
			c, err := m.of(memoryTenant)
			if err != nil {
				t.Error(err)
				return
			}
			if c != nil && c.Seq < last {
				t.Errorf("it fell from %d to %d", last, c.Seq)
			}
			if c != nil {
				last = c.Seq
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for w := range writers {
		all.Go(func() {
			for _, n := range rand.Perm(each) {
				if err := m.raise(checkpointOf(uint64(1+n*writers+w)), "unix:///s"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	done.Wait()
	if c, err := m.of(memoryTenant); err != nil || c == nil || c.Seq != writers*each {
		t.Errorf("%v, %v are kept in the end", c, err)
	}
	if m.at("unix:///s") != memoryTenant || m.at("unix:///other") != "" {
		t.Error("what answers where is not kept")
	}
	if left, _ := filepath.Glob(filepath.Join(m.dir, ".new-*")); len(left) > 0 {
		t.Error("left behind:", left)
	}
}

// TestMemoryOfOthers: what somebody else could have put there is neither believed nor
// written to, and the error says what to do. Nothing hangs.
func TestMemoryOfOthers(t *testing.T) {
	kept := checkpointOf(9).String()
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, m memory)
		want  string
		after bool // forgetting helps
	}{
		"the folder is a link": {func(t *testing.T, m memory) {
			must(t, os.Rename(m.dir, m.dir+".real"))
			must(t, os.Symlink(m.dir+".real", m.dir))
		}, "is a symbolic link and must be a directory", false},
		"the folder is a file": {func(t *testing.T, m memory) {
			must(t, os.RemoveAll(m.dir))
			must(t, os.WriteFile(m.dir, nil, 0o600))
		}, "directory", false},
		"others may open the folder": {func(t *testing.T, m memory) { must(t, os.Chmod(m.dir, 0o777)) }, "chmod 700 ", false},
		"others may write the file":  {func(t *testing.T, m memory) { must(t, os.Chmod(m.path(memoryTenant), 0o666)) }, "chmod 600 ", true},
		"the file is a link": {func(t *testing.T, m memory) {
			must(t, os.Rename(m.path(memoryTenant), m.path("x")))
			must(t, os.Symlink(m.path("x"), m.path(memoryTenant)))
		}, "is a symbolic link", true},
		"the file is a folder": {func(t *testing.T, m memory) {
			must(t, os.Remove(m.path(memoryTenant)))
			must(t, os.Mkdir(m.path(memoryTenant), 0o700))
		}, "is a directory", true},
		"the file is huge":  {func(t *testing.T, m memory) { must(t, os.Truncate(m.path(memoryTenant), 1<<40)) }, "longer than 4096 bytes", true},
		"the file is empty": {func(t *testing.T, m memory) { must(t, os.Truncate(m.path(memoryTenant), 0)) }, "garbled", true},
		"the file is of another vault": {func(t *testing.T, m memory) {
			must(t, os.WriteFile(m.path(memoryTenant), []byte(strings.ReplaceAll(kept, "ten_aa", "ten_bb")), 0o600))
		}, "of another vault", true},
	} {
		t.Run(name, func(t *testing.T) {
			m := memory{filepath.Join(t.TempDir(), "ass", "checkpoints")}
			must(t, m.raise(checkpointOf(9), "unix:///s"))
			tc.spoil(t, m)
			_, err := m.of(memoryTenant)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("reading: %v, want %q", err, tc.want)
			}
			if err := m.raise(checkpointOf(10), "unix:///s"); err == nil {
				t.Error("it is written to")
			}
			if err := m.forget(memoryTenant); (err == nil) != tc.after {
				t.Errorf("forgetting: %v", err)
			}
			if err := m.raise(checkpointOf(10), "unix:///s"); (err == nil) != tc.after {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
