package vault_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
)

// TestTamperEveryByteOfTheTrail: in each byte of each page that holds the trail, of the
// branch above the entries too, a bit is changed; in short tests in every seventh.
// Verify finds every one that bbolt put there. What lies behind the last key and value
// of a page nobody reads: that Verify finds nothing there is tried in every 16th byte.
// It does so soon, and in little memory.
func TestTamperEveryByteOfTheTrail(t *testing.T) {
	h := newHouse(t)
	for i := range 2 {
		h.mustPut(h.owner, fmt.Sprint("production/K", i), "v")
		h.mustGet(h.owner, fmt.Sprint("production/K", i), "v")
	}
	h.close()
	h.tampered = true
	whole := h.fileBytes()
	pages, used := trailPages(t, h.file("vault.db"), whole)
	const workers = 2
	var wg sync.WaitGroup
	for w := range workers {
		cfg := h.cfg
		cfg.Dir = t.TempDir()
		for _, name := range []string{"vault.db", "head", "root.key"} {
			copyFile(t, h.file(name), filepath.Join(cfg.Dir, name))
		}
		wg.Go(func() {
			tp := &tampering{t: t, cfg: cfg, whole: whole}
			if says := tp.verify(); says != "" {
				t.Errorf("whole, it does not verify: %s", says)
			}
			step := workers
			if testing.Short() {
				step *= 7
			}
			for _, p := range pages {
				for i := p.from + w; i < p.used && !t.Failed(); i += step {
					tp.tamper(i, true)
				}
				for i := p.used + w; i < p.to && !t.Failed(); i += step * 16 {
					tp.tamper(i, false)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d bytes in %d pages are used", used, len(pages))
	if used < 5000 || len(pages) < 3 {
		t.Errorf("%d bytes in %d pages are used: this tests little", used, len(pages))
	}
}

// A trailPage is where a page lies in the file, with those it takes more, and where it
// ends as far as it is used.
type trailPage struct{ from, used, to int }

// trailPages are the pages of the bucket of the trail. A page of bbolt has in its header
// its id, 8 bytes, flags, 2, count, 2, and how many pages more it takes, 4; then
// elements; then keys and values without a gap.
func trailPages(t *testing.T, path string, file []byte) (pages []trailPage, used int) {
	t.Helper()
	size, root := os.Getpagesize(), 0
	inspectFile(t, path, func(tx *bolt.Tx) { root = int(tx.Bucket([]byte(store.Audit)).Root()) })
	if root == 0 {
		t.Fatal("the trail has no page of its own")
	}
	var visit func(id int)
	visit = func(id int) {
		p := file[id*size:]
		u32 := func(at int) int { return int(binary.LittleEndian.Uint32(p[at:])) }
		branch, count := p[8] == 1, int(binary.LittleEndian.Uint16(p[10:]))
		end := 16 + elementSize*count
		for at := 16; at < 16+elementSize*count; at += elementSize {
			if branch {
				end += u32(at + 4)
				visit(int(binary.LittleEndian.Uint64(p[at+8:])))
			} else {
				end += u32(at+8) + u32(at+12)
			}
		}
		pages = append(pages, trailPage{id * size, id*size + end, (id + 1 + u32(12)) * size})
		used += end
	}
	visit(root)
	return pages, used
}

// tampering changes bytes of a file, one at a time, and verifies it.
type tampering struct {
	t     *testing.T
	cfg   vault.Config
	whole []byte
}

// tamper changes a bit of byte i, verifies, and puts it back.
func (tp *tampering) tamper(i int, used bool) {
	bit := rand.New(rand.NewPCG(uint64(i), 0)).IntN(8)
	tp.write(i, tp.whole[i]^1<<bit)
	if says := tp.verify(); (says != "") != used {
		tp.t.Errorf("bit %d of byte %#x changed, used: %v, verify finds %q", bit, i, used, says)
	}
	tp.write(i, tp.whole[i])
}

func (tp *tampering) write(i int, b byte) {
	f, err := os.OpenFile(filepath.Join(tp.cfg.Dir, "vault.db"), os.O_WRONLY, 0)
	if err != nil {
		tp.t.Error(err)
		return
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{b}, int64(i)); err != nil {
		tp.t.Error(err)
	}
}

// What one check may take; a sound one of this file takes milliseconds and a megabyte.
const (
	tamperTime   = 30 * time.Second
	tamperMemory = 64 << 20 // bytes, with what the other worker takes meanwhile
)

// verify is what a check of the file finds, "" when nothing.
func (tp *tampering) verify() (says string) {
	ctx, cancel := context.WithTimeout(ctx, tamperTime)
	defer cancel()
	before := allocated()
	rep, err := vault.Verify(ctx, tp.cfg)
	if took := allocated() - before; took > tamperMemory {
		tp.t.Errorf("it took %d MiB to find %q, %v", took>>20, rep.Problem, err)
	}
	if ctx.Err() != nil {
		tp.t.Errorf("it took more than %v to find %q, %v", tamperTime, rep.Problem, err)
	}
	if err != nil {
		return err.Error()
	}
	return rep.Problem
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
