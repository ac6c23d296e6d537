package chain_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit/chain"
)

const tenant = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"

func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func publicOf(k ed25519.PrivateKey) chain.Key { return chain.Key(k.Public().(ed25519.PublicKey)) }

// maker makes an export as a daemon does, a line for each event and signature.
type maker struct {
	key   ed25519.PrivateKey
	head  chain.Head
	lines []string
	notes []chain.Checkpoint // of each signed head
}

func (m *maker) line(x any) {
	b, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	m.lines = append(m.lines, string(b)+"\n")
}

// event appends one; more goes at its end.
func (m *maker) event(action, more string) {
	n := m.head.Seq + 1
	text := fmt.Sprintf(`{"id":"evt_%d","time":"2026-03-14T13:%02d:%02d.000Z","actor":{"id":"own_x","kind":"owner","name":"will"},"action":"%s","outcome":"ok"%s}`, n, n/60, n%60, action, more)
	prev := m.head.Hash
	m.head.Seq, m.head.Hash = n, chain.Link(n, prev, []byte(text))
	m.line(map[string]any{"seq": n, "prev": prev, "hash": m.head.Hash, "event": text})
}

func (m *maker) sign() {
	s := chain.Sign(m.head, tenant, m.key)
	m.line(map[string]any{"head": m.head.Seq, "epoch": s.Epoch, "signature": s.Bytes})
	m.notes = append(m.notes, chain.NewCheckpoint(tenant, m.head, publicOf(m.key), s.Bytes))
}

func names(key chain.Key, epoch uint64) string {
	return fmt.Sprintf(`,"vault":{"tenant":"%s","verify_key":"%s","epoch":%d}`, tenant, key, epoch)
}

func (m *maker) rotate(next ed25519.PrivateKey) {
	m.event("audit.rotate_key", names(publicOf(next), m.head.Epoch+1))
	m.sign()
	m.key, m.head.Epoch = next, m.head.Epoch+1
	m.sign()
}

// made is a trail of commits of some events each, with a rotation in the middle.
func made(key ed25519.PrivateKey) *maker {
	next := seeded(key.Seed()[0] + 1)
	m := &maker{key: key, head: chain.Head{Epoch: 1}}
	m.event("vault.init", names(publicOf(key), 1))
	m.sign()
	for i := range 12 {
		for range i % 3 {
			m.event("secret.read", `,"namespace":"a","key":"K","version":1`)
		}
		m.event("secret.write", `,"namespace":"a","key":"K","version":2,"records":{"secrets/a/K":"AAAA"}`)
		if m.sign(); i == 6 {
			m.rotate(next)
		}
	}
	return m
}

func walk(lines []string) (*chain.Walker, *chain.Bad) {
	w := chain.NewWalker()
	if err := chain.Export(strings.NewReader(strings.Join(lines, "")), w, func() error { return nil }); err != nil {
		panic(err)
	}
	return w, w.Finish()
}

func TestExport(t *testing.T) {
	m := made(seeded(1))
	w, bad := walk(m.lines)
	if bad != nil || w.Head != m.head || len(w.Lineage) != 2 || w.Tenant != tenant {
		t.Fatalf("%v, head %+v, lineage %v", bad, w.Head, w.Lineage)
	}
	for _, c := range m.notes {
		if err := c.Verify(tenant, w.Lineage); err != nil {
			t.Errorf("checkpoint of event %d: %v", c.Seq, err)
		}
	}
}

// Each bit of an export is flipped in turn: it is found, or it changes nothing that
// the line says, as the case of a hex digit does.
func TestExportFindsEveryFlippedBit(t *testing.T) {
	m := made(seeded(1))
	for i := range m.lines[:6] {
		for at := range len(m.lines[i]) - 1 {
			for _, bit := range []byte{1, 4, 0x20, 0x80} {
				lines := slices.Clone(m.lines)
				b := []byte(lines[i])
				b[at] ^= bit
				if lines[i] = string(b); same(m.lines[i], lines[i]) {
					continue
				}
				if _, bad := walk(lines); bad == nil {
					t.Fatalf("line %d byte %d: %s", i, at, lines[i])
				}
			}
		}
	}
}

// same reports whether two lines say the same to whoever reads JSON.
func same(a, b string) bool {
	type line struct {
		Seq, Head, Epoch uint64
		Prev, Hash       *chain.Hash
		Event            *string
		Signature        []byte
	}
	var x, y line
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return bytes.Equal(p, q)
}

// Every structural edit at every line.
func TestExportFindsEveryEdit(t *testing.T) {
	m := made(seeded(1))
	isEvent := func(i int) bool { return strings.Contains(m.lines[i], `"event":`) }
	edits := map[string]func(i int) []string{
		"removed":    func(i int) []string { return slices.Delete(slices.Clone(m.lines), i, i+1) },
		"duplicated": func(i int) []string { return slices.Insert(slices.Clone(m.lines), i, m.lines[i]) },
		"swapped": func(i int) []string {
			l := slices.Clone(m.lines)
			for j := i + 1; j < len(l); j++ {
				if isEvent(j) {
					l[i], l[j] = l[j], l[i]
					return l
				}
			}
			return append(l, l[0])
		},
		"inserted":  func(i int) []string { return slices.Insert(slices.Clone(m.lines), i, m.lines[len(m.lines)-2]) },
		"no line":   func(i int) []string { return slices.Insert(slices.Clone(m.lines), i, "{}\n") },
		"cut short": func(i int) []string { return append(slices.Clone(m.lines[:i]), m.lines[i][:len(m.lines[i])/2]) },
	}
	for name, edit := range edits {
		for i := range m.lines {
			if !isEvent(i) && name == "removed" && i < len(m.lines)-1 && !turning(m.lines, i) {
				continue // a head in the middle is no loss
			}
			if name == "inserted" && i == len(m.lines)-2 {
				continue // that is a duplicate
			}
			if _, bad := walk(edit(i)); bad == nil || bad.Seq == 0 {
				t.Errorf("line %d %s: %v", i, name, bad)
			}
		}
	}
}

// turning reports whether line i is a signature of a head that has two.
func turning(lines []string, i int) bool {
	head := func(j int) bool { return j > 0 && j < len(lines) && strings.Contains(lines[j], `"head":`) }
	return head(i) && (head(i-1) || head(i+1))
}

// A tail cut anywhere but at a signed head is found from the export alone, and there
// with any later checkpoint.
func TestExportFindsCuts(t *testing.T) {
	m := made(seeded(1))
	for i := 1; i < len(m.lines); i++ {
		w, bad := walk(m.lines[:i])
		atHead := strings.Contains(m.lines[i-1], `"head":`) && !(turning(m.lines, i-1) && turning(m.lines, i))
		if (bad == nil) != atHead {
			t.Fatalf("cut before line %d: %v", i, bad)
		}
		if bad != nil {
			continue
		}
		for _, c := range m.notes {
			if found := c.Compare(w.Head.Seq, chain.Hash{}); c.Seq > w.Head.Seq && (found == nil || !strings.Contains(found.Problem, "cut or rolled back") || found.Seq != w.Head.Seq+1) {
				t.Errorf("cut to %d, with the checkpoint of %d: %v", w.Head.Seq, c.Seq, found)
			}
		}
	}
}

// A chain made anew with another key is consistent, and neither of that key nor of a
// checkpoint that was kept.
func TestExportResigned(t *testing.T) {
	m, other := made(seeded(1)), made(seeded(9))
	w, bad := walk(other.lines)
	if bad != nil || w.Lineage.Has(publicOf(seeded(1))) {
		t.Fatalf("%v, %v", bad, w.Lineage)
	}
	for _, c := range m.notes {
		if err := c.Verify(tenant, w.Lineage); err == nil {
			t.Errorf("the checkpoint of event %d is taken", c.Seq)
		}
	}
	lines := slices.Clone(m.lines) // one head alone signed by another key
	lines[1] = other.lines[1]
	if _, bad := walk(lines); bad == nil || bad.Seq != 1 || !strings.Contains(bad.Problem, "foreign signature") {
		t.Errorf("foreign head: %v", bad)
	}
}
