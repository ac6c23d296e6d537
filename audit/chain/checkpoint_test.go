package chain_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/agent-secret-store/assd/audit/chain"
)

// What anybody's note library reads, too.
func TestCheckpointIsANote(t *testing.T) {
	c := made(seeded(1)).notes[3]
	n, err := note.Open([]byte(c.String()), note.VerifierList(chain.Verifier(tenant, publicOf(seeded(1)))))
	if err != nil || !strings.HasPrefix(n.Text, "agent-secret-store/"+tenant+"\n") || len(n.Sigs) != 1 {
		t.Fatalf("%+v, %v", n, err)
	}
	if _, err := note.Open([]byte(c.String()), note.VerifierList(chain.Verifier(tenant, publicOf(seeded(9))))); err == nil {
		t.Error("another key verifies it")
	}
}

// The bytes of a checkpoint are kept for years.
func TestCheckpointGolden(t *testing.T) {
	const want = `agent-secret-store/ten_aaaaaaaaaaaaaaaaaaaaaaaaaa
1
HQUyYHCmYAfMy0jfvfOCj6D0jWC8hagrCsFIRqjyAio=
epoch 1

— agent-secret-store/ten_aaaaaaaaaaaaaaaaaaaaaaaaaa 3XTW3/1/IFhvljOs8kNGT1CScKx44mpkWObcaVjHch5riQxc1dnnJjs5GIAfntsK4qDjJrWfSfx9WMiSsIpg7KmdEAY=
`
	if got := made(seeded(1)).notes[0].String(); got != want {
		t.Errorf("it is written as\n%s", got)
	}
}

func TestCheckpointFindsEveryFlippedBit(t *testing.T) {
	c := made(seeded(1)).notes[5]
	keys := chain.Lineage{{Epoch: 1, Since: 1, Key: publicOf(seeded(1))}}
	if err := c.Verify(tenant, keys); err != nil {
		t.Fatal(err)
	}
	text := []byte(c.String())
	for i := range text {
		for bit := range 8 {
			bad := bytes.Clone(text)
			bad[i] ^= 1 << bit
			got, err := chain.ParseCheckpoint(bad)
			if err == nil {
				err = got.Verify(tenant, keys)
			}
			if err == nil {
				t.Fatalf("byte %d bit %d: %q is taken", i, bit, bad)
			}
		}
	}
}

func TestCheckpointRefused(t *testing.T) {
	c := made(seeded(1)).notes[5]
	keys := chain.Lineage{{Epoch: 1, Since: 1, Key: publicOf(seeded(1))}}
	good := c.String()
	for name, bad := range map[string]string{
		"nothing": "", "half": good[:80], "twice": good + good, "no newline": strings.TrimSuffix(good, "\n"), "crlf": strings.ReplaceAll(good, "\n", "\r\n"),
		"long": good + strings.Repeat("x", 5000), "leading zero": strings.Replace(good, "\n", "\n0", 1), "a line more": strings.Replace(good, "epoch 1\n", "epoch 1\nmore\n", 1),
		"another signature": good + "— x AAAAAAAA\n", "base64 with bits left": strings.Replace(good, "=\nepoch", "B\nepoch", 1), "event 0": strings.Replace(good, "\n", "\n-", 1),
	} {
		if _, err := chain.ParseCheckpoint([]byte(bad)); !errors.Is(err, chain.ErrGarbled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Verify("ten_bbbbbbbbbbbbbbbbbbbbbbbbbb", keys); !errors.Is(err, chain.ErrOtherVault) {
		t.Errorf("another vault's: %v", err)
	}
	if err := c.Verify(tenant, chain.Lineage{{Epoch: 2, Since: 1, Key: publicOf(seeded(1))}}); !errors.Is(err, chain.ErrForeignNote) {
		t.Errorf("of another epoch: %v", err)
	}
	for name, tt := range map[string]struct {
		of   string
		keys chain.Lineage
		size uint64
		seq  uint64
		want string
	}{
		"another vault's":      {"ten_bbbbbbbbbbbbbbbbbbbbbbbbbb", keys, c.Seq, 0, "another vault: " + tenant + ", and this one is ten_b"},
		"another key's":        {tenant, chain.Lineage{{Epoch: 1, Since: 1, Key: publicOf(seeded(2))}}, c.Seq, 0, "foreign signature"},
		"cut":                  {tenant, keys, c.Seq - 2, c.Seq - 1, fmt.Sprintf("the trail ends at event %d, and the checkpoint is of event %d", c.Seq-2, c.Seq)},
		"cut before a new key": {tenant, chain.Lineage{{Epoch: 0, Since: 1, Key: publicOf(seeded(1))}}, c.Seq - 2, c.Seq - 1, "unless the checkpoint is forged"},
	} {
		if bad := c.Against(tt.of, tt.keys, tt.size, chain.Hash{}); bad == nil || bad.Seq != tt.seq || !strings.Contains(bad.Problem, tt.want) || (bad.Seq == 0) != (bad.Error() == bad.Problem) {
			t.Errorf("%s: %v", name, bad)
		}
	}
	if bad := c.Against(tenant, keys, c.Seq, c.Hash); bad != nil {
		t.Errorf("the newest: %v", bad)
	}
	other := c.Hash
	other[3] ^= 1
	if bad := c.Compare(c.Seq+5, other); bad == nil || bad.Seq != c.Seq || !strings.Contains(bad.Problem, "another history") {
		t.Errorf("another hash there: %v", bad)
	}
	if bad := c.Compare(c.Seq+5, c.Hash); bad != nil {
		t.Errorf("a part of it: %v", bad)
	}
}

// A key that was replaced signs for nothing behind that, and one that came later for
// nothing before: who stole the old one makes no checkpoints with it.
func TestCheckpointOfAnotherEpoch(t *testing.T) {
	old, next := seeded(1), seeded(2)
	m := made(old)
	w, bad := walk(m.lines)
	if bad != nil || len(w.Lineage) != 2 {
		t.Fatalf("%v, %v", bad, w.Lineage)
	}
	turn := w.Lineage[1].Since
	for _, tc := range []struct {
		key        ed25519.PrivateKey
		epoch, seq uint64
		says       string // "": it is taken
	}{
		{old, 1, 1, ""}, {old, 1, turn, ""}, {next, 2, turn, ""}, {next, 2, turn + 1, ""}, {next, 2, 1 << 40, ""},
		{old, 1, turn + 1, fmt.Sprintf("event %d, and the key of epoch 1 signed events 1 to %d", turn+1, turn)},
		{old, 1, m.head.Seq + 9, "signed events 1 to"},
		{next, 2, turn - 1, fmt.Sprintf("event %d, and the key of epoch 2 signed events from %d on", turn-1, turn)},
	} {
		h := chain.Head{Epoch: tc.epoch, Seq: tc.seq, Hash: m.head.Hash}
		c := chain.NewCheckpoint(tenant, h, publicOf(tc.key), chain.Sign(h, tenant, tc.key).Bytes)
		err := c.Verify(tenant, w.Lineage)
		if tc.says == "" && err != nil || tc.says != "" && (!errors.Is(err, chain.ErrOtherEpoch) || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("event %d by the key of epoch %d: %v; want %q", tc.seq, tc.epoch, err, tc.says)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte(made(seeded(1)).notes[0].String()))
	f.Add([]byte("agent-secret-store/\n0\n\nepoch\n\n— x y\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := chain.ParseCheckpoint(b)
		if err == nil && c.String() != string(b) {
			t.Errorf("%q is written as %q", b, c)
		}
	})
}
