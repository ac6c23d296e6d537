package chain_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit/chain"
)

// FuzzExport reads hostile exports: whatever comes, the walk ends, says of what is bad
// where that is, and takes nothing that a plain reading of the lines does not bear out.
func FuzzExport(f *testing.F) {
	m := &maker{key: seeded(1), head: chain.Head{Epoch: 1}} // short, so that what is found is soon made small
	m.event("vault.init", names(publicOf(m.key), 1))
	m.sign()
	m.event("secret.read", "")
	m.rotate(seeded(2))
	whole := strings.Join(m.lines, "")
	for _, seed := range []string{
		whole, strings.Join(m.lines[:2], ""), strings.Join(m.lines[:5], ""), whole[:len(whole)/2], whole + "{}\n", "\n" + whole,
		strings.Join(m.lines[1:], ""), m.lines[0] + m.lines[0], m.lines[0] + m.lines[1] + m.lines[1], strings.Repeat(m.lines[1], 4), "", "{", "null\n", "[]\n", "{}\n",
		strings.Replace(whole, `"seq":1,`, `"seq":18446744073709551615,`, 1), strings.Replace(whole, `"epoch":1`, `"epoch":0`, 1),
		strings.Replace(whole, `"prev":"00`, `"prev":"zz`, 1), strings.Replace(whole, `"event":"`, `"event":"\ud800`, 1),
		strings.Replace(whole, `"head":1,`, `"head":1,"seq":1,`, 1), strings.Replace(whole, `"signature":"`, `"signature":"AAAA`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		w, told := chain.NewWalker(), uint64(0)
		err := chain.Export(bytes.NewReader(file), w, func() error { told++; return nil })
		bad := w.Finish()
		if err != nil {
			t.Fatalf("reading memory: %v", err)
		}
		if told != w.Head.Seq && (bad == nil || told+1 != w.Head.Seq) { // by then a signature may have failed
			t.Errorf("%d events are told of, and the walk is at event %d", told, w.Head.Seq)
		}
		if bad != nil {
			if bad.Seq == 0 || bad.Problem == "" || bad.Seq > w.Head.Seq+1 {
				t.Errorf("after %d events: %+v", told, bad)
			}
			return
		}
		if seq, head := plainly(t, file, w); seq != told || head != told {
			t.Errorf("taken: %d events, the last signed head %d; the lines say %d and %d", told, told, seq, head)
		}
	})
}

// plainly reads an export that was taken, line by line, and holds each against the one
// before.
func plainly(t *testing.T, file []byte, w *chain.Walker) (seq, signed uint64) {
	var last chain.Hash
	for text := range bytes.Lines(file) {
		var l struct {
			Seq, Head, Epoch uint64
			Prev, Hash       chain.Hash
			Event            string
			Signature        []byte
		}
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("%q is taken: %v", text, err)
		}
		if l.Head > 0 {
			h := chain.Head{Epoch: l.Epoch, Seq: l.Head, Hash: last}
			if l.Head != seq || !h.Verify(w.Tenant, w.Lineage.Of(l.Epoch), l.Signature) {
				t.Errorf("behind event %d, a head is taken: %q", seq, text)
			}
			signed = l.Head
			continue
		}
		if seq++; l.Seq != seq || l.Prev != last || chain.Link(seq, last, []byte(l.Event)) != l.Hash || !json.Valid([]byte(l.Event)) {
			t.Errorf("as event %d is taken: %q", seq, text)
		}
		last = l.Hash
	}
	return seq, signed
}
