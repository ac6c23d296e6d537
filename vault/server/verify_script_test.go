package server_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/api"
)

// script is where the verifier lies that has nothing of ours.
const script = "../../scripts/verify-audit"

// verifyScript runs scripts/verify-audit.
func verifyScript(t *testing.T, args ...string) (out string, ok bool) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		testenv.Skip(t, "there is no Node to run scripts/verify-audit with")
	}
	b, err := exec.Command(node, append([]string{script}, args...)...).CombinedOutput()
	if exit, failed := err.(*exec.ExitError); err != nil && (!failed || exit.ExitCode() != 1) {
		t.Fatalf("%v: %v\n%s", args, err, b)
	}
	return string(b), err == nil
}

// forge is a trail made by the words of the format alone.
type forge struct {
	tenant string
	epoch  uint64
	key    ed25519.PrivateKey
	prev   [32]byte
	seq    uint64
	lines  []string
}

func seedKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func keyText(k ed25519.PrivateKey) string {
	return "ed25519:" + base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
}

// forged is a trail of n events signed by key, with a head every three.
func forged(n int, key ed25519.PrivateKey) *forge {
	f := &forge{tenant: "ten_" + strings.Repeat("a", 26), epoch: 1, key: key}
	for range n {
		f.add()
		if f.seq%3 == 1 || f.seq == uint64(n) {
			f.sign(f.epoch, f.key)
		}
	}
	return f
}

func (f *forge) add() {
	action, vault := "secret.read", ""
	if f.seq == 0 {
		action, vault = "vault.init", fmt.Sprintf(`,"vault":{"tenant":"%s","verify_key":"%s","epoch":1}`, f.tenant, keyText(f.key))
	}
	f.event(fmt.Sprintf(`{"id":"evt_%d","action":"%s","outcome":"ok","reason":"ünd <\"%d\">"%s}`, f.seq+1, action, f.seq, vault))
}

func (f *forge) event(text string) {
	f.seq++
	prev := fmt.Sprintf("%x", f.prev)
	f.prev = sha256.Sum256(slices.Concat([]byte("ass-audit-v1\n"), be(f.seq), f.prev[:], []byte(text)))
	f.line(api.AuditLine{Seq: f.seq, Prev: prev, Hash: fmt.Sprintf("%x", f.prev), Event: text})
}

func (f *forge) line(x any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(x); err != nil {
		panic(err)
	}
	f.lines = append(f.lines, b.String())
}

func (f *forge) signature(epoch uint64, key ed25519.PrivateKey) []byte {
	return ed25519.Sign(key, slices.Concat([]byte("ass-head-v1\n"+f.tenant), be(epoch), be(f.seq), f.prev[:]))
}

func (f *forge) sign(epoch uint64, key ed25519.PrivateKey) {
	f.line(api.AuditHead{Head: f.seq, Epoch: epoch, Signature: f.signature(epoch, key)})
}

// rotate has next sign from here on; by is who signs for it.
func (f *forge) rotate(next, by ed25519.PrivateKey) {
	f.event(fmt.Sprintf(`{"id":"evt_r","action":"audit.rotate_key","outcome":"ok","vault":{"tenant":"%s","verify_key":"%s","epoch":%d}}`, f.tenant, keyText(next), f.epoch+1))
	f.sign(f.epoch, by)
	f.key, f.epoch = next, f.epoch+1
	f.sign(f.epoch, next)
}

func (f *forge) note() string {
	return fmt.Sprintf("agent-secret-store/%s\n%d\n%s\nepoch %d\n\n— agent-secret-store/%s %s\n", f.tenant, f.seq,
		base64.StdEncoding.EncodeToString(f.prev[:]), f.epoch, f.tenant,
		base64.StdEncoding.EncodeToString(append([]byte("hash"), f.signature(f.epoch, f.key)...)))
}

func be(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// file writes text to a file of its own.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestVerifyScriptOnTheVault: what a vault exports is good.
func TestVerifyScriptOnTheVault(t *testing.T) {
	d := start(t)
	d.put("a/K", "v")
	d.want(d.call("GET", "/v1/secrets/a/K", d.owner, ""), "")
	key := into[api.Me](d, d.call("GET", "/v1/me", d.owner, "")).VerifyKey
	plain := file(t, string(d.want(d.call("GET", "/v1/audit/export", d.owner, ""), "").body))
	signed := file(t, string(d.want(d.call("GET", "/v1/audit/export?heads=true", d.owner, ""), "").body))
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{plain}, "compared with nothing"},
		{[]string{signed}, "compared with nothing"},
		{[]string{signed, "--key", key}, "proved by the key given"},
	} {
		if out, ok := verifyScript(t, tc.args...); !ok || !strings.Contains(out, tc.says) {
			t.Errorf("%v: %s", tc.args, out)
		}
	}
	if out, ok := verifyScript(t, plain, "nosuch"); ok || !strings.Contains(out, "nosuch: cannot read (ENOENT)") {
		t.Errorf("without a file: %s", out)
	}
	if b, err := exec.Command("node", script, plain, "--key", "ed25519:x").CombinedOutput(); err == nil || !strings.Contains(string(b), "44 characters of base64") {
		t.Errorf("a malformed key: %v, %s", err, b)
	}
	if out, ok := verifyScript(t, plain, "--key", key); ok || !strings.Contains(out, "nothing here is signed") {
		t.Errorf("without a signature: %s", out)
	}
	some := file(t, string(d.want(d.call("GET", "/v1/audit/export?action=secret", d.owner, ""), "").body))
	if out, ok := verifyScript(t, some); ok || !strings.Contains(out, "event 1: it is missing") {
		t.Errorf("of some events: %s", out)
	}
}

// TestVerifyScriptFindsEdits: every edit of the lines is found, at the event that it
// is at.
func TestVerifyScriptFindsEdits(t *testing.T) {
	mine, thief := seedKey(1), seedKey(2)
	f := forged(9, mine) // lines: 1 h 2 3 4 h 5 6 7 h 8 9 h
	turned := forged(4, mine)
	turned.rotate(thief, mine)
	turned.add()
	turned.sign(2, thief)
	usurped := forged(4, mine)
	usurped.rotate(thief, thief)
	silent := forged(4, mine) // no head at all where the key changes
	silent.rotate(thief, mine)
	silent.lines = silent.lines[:len(silent.lines)-2]
	atEnd := strings.Join(silent.lines, "")
	silent.add()
	silent.sign(2, thief)
	late := forged(4, mine)
	late.rotate(thief, mine)
	late.add()
	late.sign(1, mine)
	old := forged(4, mine)
	half := forged(4, mine) // the old key's signature alone
	half.rotate(thief, mine)
	half.lines = half.lines[:len(half.lines)-1]
	half.add()
	half.sign(2, thief)
	headless := func(f *forge) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(f.lines), func(l string) bool { return strings.HasPrefix(l, `{"head"`) }), "")
	}
	remade := forged(9, thief)
	all := func(f *forge) string { return strings.Join(f.lines, "") }
	without := func(i int) string { return strings.Join(slices.Delete(slices.Clone(f.lines), i, i+1), "") }
	swapped := slices.Clone(f.lines)
	swapped[2], swapped[3] = swapped[3], swapped[2]
	other := forged(9, mine)
	other.tenant = "ten_" + strings.Repeat("b", 26)
	key := keyText(mine)
	for name, tc := range map[string]struct {
		text, note, key, says string
		ok                    bool
	}{
		"good":                        {text: all(f), note: f.note(), key: key, says: "events 1 to 9", ok: true},
		"good, without a key":         {text: all(f), note: f.note(), says: "that the key is the right one is not proved", ok: true},
		"good, an older checkpoint":   {text: all(f), note: old.note(), key: key, says: "events 1 to 9", ok: true},
		"good, a new key":             {text: all(turned), note: turned.note(), key: key, says: "events 1 to 6", ok: true},
		"good, by the new key":        {text: all(turned), note: turned.note(), key: keyText(thief), says: "events 1 to 6", ok: true},
		"good, counted":               {text: all(turned), says: "6 events, chain whole, 4 signed heads (1 by the key before as well), last hash", ok: true},
		"an event removed":            {text: without(3), says: "event 3: it is missing"},
		"the first removed":           {text: without(0), says: "event 1"},
		"two swapped":                 {text: strings.Join(swapped, ""), says: "event 2: it is missing: the next one is 3"},
		"one twice":                   {text: strings.Join(slices.Insert(slices.Clone(f.lines), 3, f.lines[2]), ""), says: "event 3: it is missing: the next one is 2"},
		"one inserted":                {text: strings.Join(slices.Insert(slices.Clone(f.lines), 3, turned.lines[len(turned.lines)-5]), ""), says: "event 3"},
		"a head moved":                {text: strings.Join(slices.Insert(slices.Clone(f.lines), 3, f.lines[1]), ""), says: "event 2: a signed head that is not its own"},
		"cut between":                 {text: strings.Join(f.lines[:8], ""), says: "event 6: no signed head follows"},
		"cut at a head, a checkpoint": {text: strings.Join(f.lines[:6], ""), note: f.note(), says: "event 5: it is missing: the export ends at 4"},
		"cut in a line":               {text: all(f)[:len(all(f))/2], says: "cut inside its line"},
		"cut before its last newline": {text: strings.TrimSuffix(all(f), "\n"), says: "cut inside its line"},
		"nothing":                     {text: "", says: "empty"},
		"ended in an error":           {text: f.lines[0] + `{"error":{"code":"INTERNAL","message":"m"},"detail":"m"}` + "\n", says: "event 2: the export ended in an error"},
		"made anew, with a key":       {text: all(remade), note: remade.note(), key: key, says: "not one of this trail"},
		"made anew, a checkpoint":     {text: all(remade), note: f.note(), says: "event 9: it is not the one of the checkpoint"},
		"another vault's checkpoint":  {text: all(f), note: other.note(), says: "of another vault"},
		"a garbled checkpoint":        {text: all(f), note: strings.Replace(f.note(), "\n9\n", "\n09\n", 1), says: "garbled"},
		"a checkpoint signed anew":    {text: all(f), note: strings.Replace(f.note(), strings.Fields(f.note())[7], strings.Fields(remade.note())[7], 1), says: "signature of the checkpoint"},
		"a key that nobody signed":    {text: all(usurped), key: key, says: "event 5: foreign signature"},
		"a change with no head":       {text: all(silent), note: old.note(), key: key, says: "event 5: foreign signature: the old key did not sign"},
		"one with no key":             {text: all(silent), note: old.note(), says: "event 5: foreign signature: the old key did not sign"},
		"one at the end":              {text: atEnd, says: "event 5"},
		"the old key's alone":         {text: all(half), key: key, says: "event 5: foreign signature: the old key did not sign"},
		"no heads, the old key":       {text: headless(usurped), note: usurped.note(), key: key, says: "nothing here is signed by the key of --key"},
		"no heads, an old checkpoint": {text: headless(usurped), note: old.note(), key: key, says: "--key proves events 1 to 4 alone: nothing here that it signed, or a key that it signed for, covers 5 to 5, where event 5 names another key"},
		"no heads, no key":            {text: headless(usurped), note: usurped.note(), says: "event 5 names another key, and nothing here shows", ok: true},
		"no heads, the new key":       {text: headless(turned), note: turned.note(), key: keyText(thief), says: "events 1 to 6", ok: true},
		"no heads":                    {text: headless(f), note: f.note(), key: key, says: "events 1 to 9", ok: true},
		"notes, the last one":         {text: all(f), note: old.note() + "\n" + f.note() + "\n", key: key, says: "events 1 to 9", ok: true},
		"notes, the last of another":  {text: all(f), note: f.note() + "\n" + other.note(), says: "of another vault"},
		"notes, the last one cut":     {text: all(f), note: other.note() + "\n" + f.note() + "\n" + other.note()[:len(other.note())/2], key: key, says: "events 1 to 9", ok: true},
		"notes, cut and gone on":      {text: all(f), note: other.note()[:40] + "\n" + f.note(), key: key, says: "events 1 to 9", ok: true},
		"notes, one of another past":  {text: all(f), note: remade.note() + "\n" + f.note(), says: "event 9: it is not the one of the checkpoint"},
		"notes, put back":             {text: all(old), note: f.note() + "\n" + old.note(), key: key, says: "event 5: it is missing: the export ends at 4, the checkpoint is of 9"},
		"notes, an older one forged":  {text: all(f), note: strings.Replace(old.note(), old.note()[len(old.note())-40:], f.note()[len(f.note())-40:], 1) + "\n" + f.note(), says: "signature of the checkpoint of 4 events"},
		"notes, all of them":          {text: all(f), note: strings.Repeat(old.note()+"\n", 500) + f.note(), key: key, says: "events 1 to 9", ok: true},
		"notes, the last one garbled": {text: all(f), note: f.note() + "\n" + strings.Replace(f.note(), "epoch", "Epoch", 1), says: "garbled"},
		"csv":                         {text: "seq,time,actor_id\r\n1,2026,daemon\r\n", says: "this is no jsonl export"},
		"a filter":                    {text: headless(f)[len(f.lines[0]):], says: "a filtered export cannot be proved"},
		"the old key goes on":         {text: all(late), key: key, says: "event 6: foreign signature"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{file(t, tc.text)}
			if tc.note != "" {
				args = append(args, file(t, tc.note))
			}
			if tc.key != "" {
				args = append(args, "--key", tc.key)
			}
			if out, ok := verifyScript(t, args...); ok != tc.ok || !strings.Contains(out, tc.says) {
				t.Errorf("passes: %v; want %v and %q\n%s", ok, tc.ok, tc.says, out)
			}
		})
	}
}

// flips has the verifier look at a file with one bit of a byte changed, for each byte, and says
// which changes it did not find. It is one process, since a start takes longer.
const flips = `
const fs = require('node:fs');
const { check, readCheckpoints } = require(process.argv[1]);
const [, , good, checkpoint, what] = process.argv;
const bytes = fs.readFileSync(what === 'note' ? checkpoint : good), spoilt = good + '.spoilt';
let passed = [], looked = 0;
for (let i = 0; i < bytes.length; i++) {
  const bit = 1 << i % 8, b = Buffer.from(bytes); b[i] ^= bit;
  fs.writeFileSync(spoilt, b);
  looked++;
  try {
    if (what === 'note') check(good, readCheckpoints(spoilt)); else check(spoilt, readCheckpoints(checkpoint));
    passed.push([i, bit]);
  } catch (e) { if (e.constructor.name !== 'Bad') throw e; }
}
console.log(JSON.stringify({ looked, passed }));
`

// TestVerifyScriptFindsFlips: a changed byte anywhere in an export or a checkpoint is
// found, unless the JSON says the same; in a checkpoint, but for the hint at the key.
func TestVerifyScriptFindsFlips(t *testing.T) {
	f := forged(5, seedKey(1))
	f.rotate(seedKey(3), seedKey(1))
	text, note := strings.Join(f.lines, ""), f.note()
	good, checkpoint := file(t, text), file(t, note)
	if out, ok := verifyScript(t, good, checkpoint); !ok {
		t.Fatal(out)
	}
	path, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	for what, of := range map[string]string{"export": text, "note": note} {
		b, err := exec.Command("node", "-e", flips, path, good, checkpoint, what).Output()
		var got struct {
			Looked int
			Passed [][2]int
		}
		if err != nil || json.Unmarshal(b, &got) != nil || got.Looked != len(of) {
			t.Fatalf("%s: %v %s", what, err, b)
		}
		for _, at := range got.Passed {
			spoilt := []byte(of)
			spoilt[at[0]] ^= byte(at[1])
			if what == "export" && !sameLines(of, string(spoilt)) || what == "note" && !hintOnly(of, at[0]) {
				t.Errorf("%s: byte %d, bit %d is not found: %q", what, at[0], at[1], spoilt[max(0, at[0]-20):min(len(spoilt), at[0]+20)])
			}
		}
	}
}

// sameLines reports whether two texts of jsonl say the same.
func sameLines(a, b string) bool {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	return len(x) == len(y) && slices.EqualFunc(x, y, func(a, b string) bool {
		var u, v any
		return a == b || json.Unmarshal([]byte(a), &u) == nil && json.Unmarshal([]byte(b), &v) == nil && asJSON(u) == asJSON(v)
	})
}

// hintOnly reports whether the byte at i of a note is in the name or the hash that
// tell keys apart, which prove nothing.
func hintOnly(note string, i int) bool {
	from := strings.Index(note, "— ") + len("— ")
	return i >= from && i <= strings.LastIndex(note, " ")+6
}
