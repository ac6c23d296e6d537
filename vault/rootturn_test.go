package vault_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

func (h *house) rotateRoot(want api.KEKRotation) (api.KEKRotated, error) {
	want.Passphrase, want.Root = h.pass(), true
	return h.v.RotateKEK(ctx, h.as(h.owner), want)
}

func (h *house) mustRotateRoot() api.KEKRotated {
	h.t.Helper()
	r, err := h.rotateRoot(api.KEKRotation{})
	if err != nil {
		h.t.Fatalf("rotating the root key: %v", err)
	}
	return r
}

// recordsOf are all records of the closed vault, as they are stored.
func (h *house) recordsOf(buckets ...string) map[place][]byte {
	h.t.Helper()
	all := map[place][]byte{}
	h.inspect(func(tx *bolt.Tx) {
		for _, b := range buckets {
			tx.Bucket([]byte(b)).ForEach(func(k, v []byte) error { //nolint:errcheck // it returns nil
				all[place{b, string(k)}] = bytes.Clone(v)
				return nil
			})
		}
	})
	return all
}

// macOf is the MAC that a root key gives a record at a place.
func macOf(root *seal.RootKey, at place, raw []byte) []byte {
	mac := hmac.New(sha256.New, root.Derive("record-mac"))
	mac.Write([]byte("ass-record-v1\n"))
	for _, s := range []string{at.bucket, at.key} {
		mac.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s))))
		mac.Write([]byte(s))
	}
	mac.Write(raw[:8])
	mac.Write(raw[recordHeader:])
	return mac.Sum(nil)
}

var recordBuckets = []string{
	"vault", "slots", "keys", "owners", "agents", "names", "credentials", "secrets", "namespaces", "tokens", "approvals", "wishes", "grants", "passphrases", "outbox",
}

// TestThreat31RotateRoot: another root key is above all that was there, which is read as
// before; the old one opens nothing and authenticates nothing, and no wrap under it is in
// the file.
func TestThreat31RotateRoot(t *testing.T) {
	d := newKeyedDesk(t)
	d.cfg.Argon2 = quick
	d.reopen()
	d.mustImport(d.owner, manyLines(450))
	request := d.askToRead(d.mia.APIKey, guarded)
	text := string(api.NewSlotPassphrase())
	added, err := d.v.AddSlot(ctx, d.as(d.owner), api.SlotAdd{Kind: api.SlotPassphrase, NewPassphrase: &text, Passphrase: d.pass()})
	if err != nil {
		t.Fatal(err)
	}
	old := takeLoot(t, d.file("vault.db"), d.file("root.key"))
	before := map[place][]byte{}
	for _, at := range []string{"slots", "keys", "passphrases"} {
		for _, k := range d.keys(at) {
			before[place{at, k}] = d.raw(at, k)
		}
	}
	d.wantRootRefusals(added.ID, wrongPhrase)

	seq := d.last().Seq
	r, err := d.rotateRoot(api.KEKRotation{SlotPassphrases: []string{text}})
	if err != nil || !r.Root || r.DroppedSlots != nil {
		t.Fatalf("rotated: %+v, %v", r, err)
	}
	d.turned()
	d.wantTurn(seq, "kek.rotate records assd")
	d.wantProtected(critical, "value of critical")
	d.mustGet(d.owner, "app/env/K449", "value 449")
	if now := d.keysOf("root"); now != nil {
		t.Errorf("the old root key is there: %v", now)
	}
	if now := d.slots(); len(now) != 2 || now[0].ID == added.ID || now[1].ID == added.ID || now[0].Opened == now[1].Opened ||
		!slices.ContainsFunc(now, func(s api.Slot) bool {
			return s.AddedBy != nil && *s.AddedBy == "ada" && s.AddedAt.Equal(added.AddedAt)
		}) {
		t.Errorf("slots: %+v", now)
	}
	if _, err := d.approveWith(request, phrase); err != nil {
		t.Errorf("a request from before: %v", err)
	}
	d.close()
	d.wantNothingUnder(old, before)

	p, err := seal.NewPassphrase([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d.cfg.Openers = []vault.Opener{vault.PassphraseOpener(p)}
	d.open()
	d.mustGet(d.owner, "app/env/K7", "value 7")
	d.close()
	d.cfg.Openers = nil
	d.wantOldRootRefused(old, before)
}

// wantRootRefusals: what would lose a slot, and what is a mistake, changes nothing.
func (h *house) wantRootRefusals(lost, wrong string) {
	h.t.Helper()
	seq := h.last().Seq
	_, err := h.rotateRoot(api.KEKRotation{})
	wantCode(h.t, "a slot would be lost", err, api.CodeConflict)
	if !strings.Contains(err.Error(), lost+" (passphrase)") {
		h.t.Errorf("it does not say which: %v", err)
	}
	_, err = h.rotateRoot(api.KEKRotation{SlotPassphrases: []string{wrong}})
	wantCode(h.t, "a passphrase of no slot", err, api.CodeValidation)
	_, err = h.v.RotateKEK(ctx, h.as(h.owner), api.KEKRotation{Passphrase: h.pass(), DropOthers: true})
	wantCode(h.t, "without root", err, api.CodeValidation)
	_, err = h.v.RotateKEK(ctx, h.as(h.owner), api.KEKRotation{Root: true})
	wantCode(h.t, "without the passphrase", err, api.CodeStepUpRequired)
	if now := h.last(); now.Seq != seq+1 || h.status().Turn != nil {
		h.t.Errorf("something was changed: %+v", now)
	}
}

// wantNothingUnder wants no record to be the old root key's, and none of its wraps in the
// bytes of the file.
func (h *house) wantNothingUnder(old *loot, before map[place][]byte) {
	h.t.Helper()
	for at, raw := range h.recordsOf(recordBuckets...) {
		if hmac.Equal(raw[8:recordHeader], macOf(old.root, at, raw)) {
			h.t.Errorf("%s/%s is authenticated by the old root key", at.bucket, at.key)
		}
	}
	file := h.readFile("vault.db")
	for at, raw := range before {
		var wrap struct {
			Sealed, Wrapped json.RawMessage
			Wrap            struct{ Wrapped json.RawMessage }
		}
		if err := unmarshalRecord(raw, &wrap); err != nil {
			h.t.Fatal(err)
		}
		for _, text := range []json.RawMessage{wrap.Sealed, wrap.Wrapped, wrap.Wrap.Wrapped} {
			if len(text) > 0 && bytes.Contains(file, text) {
				h.t.Errorf("the wrap of %s/%s is in the file", at.bucket, at.key)
			}
		}
	}
}

// wantOldRootRefused puts back the old slots, which the key file opens, and then a record
// that the old root key has authenticated.
func (h *house) wantOldRootRefused(old *loot, before map[place][]byte) {
	h.t.Helper()
	now := h.recordsOf("slots")
	for at := range now {
		h.removeRaw(at)
	}
	for at, raw := range before {
		if at.bucket == "slots" {
			h.setRaw(map[place][]byte{at: raw})
		}
	}
	if err := h.tryOpen(); err == nil {
		h.t.Error("old slots open the new file")
	}
	for at := range before {
		if at.bucket == "slots" {
			h.removeRaw(at)
		}
	}
	h.setRaw(now)
	at := place{"owners", h.lastKey("owners")}
	good := h.recordsOf("owners")[at]
	bad := slices.Concat(good[:8], macOf(old.root, at, good), good[recordHeader:])
	h.setRaw(map[place][]byte{at: bad})
	err := h.tryOpen()
	if err == nil {
		_, err = h.v.Slots(ctx, h.as(h.owner))
		h.close()
	}
	if err == nil {
		h.t.Error("a record of the old root key is accepted")
	}
	h.setRaw(map[place][]byte{at: good})
	h.open()
	h.mustGet(h.owner, plain, "value of plain")
}

// TestRotateRootDropsOthers: what cannot be wrapped goes where that is wanted, and the
// last one stays.
func TestRotateRootDropsOthers(t *testing.T) {
	h := newHouse(t)
	key := string(api.NewSlotKey())
	lost := h.mustAddSlot(api.SlotAdd{Kind: api.SlotKeyring, Key: &key})
	r, err := h.rotateRoot(api.KEKRotation{DropOthers: true})
	if err != nil || !slices.Equal(r.DroppedSlots, []string{lost.ID}) {
		t.Fatalf("rotated: %+v, %v", r, err)
	}
	h.turned()
	if n := len(h.slots()); n != 1 || len(h.keys("slots")) != 1 {
		t.Errorf("%d slots are left", n)
	}
	if err := os.Rename(h.file("root.key"), h.file("away.key")); err != nil {
		t.Fatal(err)
	}
	_, err = h.rotateRoot(api.KEKRotation{DropOthers: true})
	wantCode(t, "nothing is at hand", err, api.CodeConflict)
	if err := os.Rename(h.file("away.key"), h.file("root.key")); err != nil {
		t.Fatal(err)
	}
	_, err = h.v.RotateKEK(ctx, h.as(h.agent("mia", "secrets:*:*").APIKey), api.KEKRotation{Root: true})
	wantCode(t, "an agent", err, api.CodeScopeDenied)
	h.reopen()
	h.mustPut(h.owner, "a/K", "v")
	h.mustGet(h.owner, "a/K", "v")
}

// TestRotateRootMeanwhile: stopped before all records are authenticated anew, both keys
// count; a record that was changed is found by who uses it, and by the check of the file.
func TestRotateRootMeanwhile(t *testing.T) {
	h := newHouse(t)
	h.mustImport(h.owner, manyLines(1500))
	h.close()
	root := takeLoot(t, h.file("vault.db"), h.file("root.key")).root
	h.open()
	h.mustRotateRoot()
	h.close()
	if len(h.keysOf("root")) != 1 {
		t.Fatal("the old root key is not kept") // nothing was left to be done, on a machine this fast
	}
	if p := h.verify().Problem; p != "" {
		t.Fatalf("meanwhile: %s", p)
	}
	var at place
	var good []byte
	for p, raw := range h.recordsOf("secrets") {
		if hmac.Equal(raw[8:recordHeader], macOf(root, p, raw)) {
			at, good = p, raw
		}
	}
	if good == nil {
		t.Fatal("no record is the old root key's")
	}
	bad := bytes.Clone(good)
	bad[len(bad)-2] ^= 1
	newer := bytes.Clone(good) // one that claims to be of a time when the old key counts no more
	binary.BigEndian.PutUint64(newer, h.verify().Head.Seq)
	copy(newer[8:], macOf(root, at, newer))
	for name, raw := range map[string][]byte{"changed": bad, "by the old key, later": newer} {
		h.setRaw(map[place][]byte{at: raw})
		if h.verify().Problem == "" {
			t.Errorf("%s: it verifies", name)
		}
		if err := h.tryOpen(); err == nil {
			if got, err := h.get(h.owner, at.key); err == nil {
				t.Errorf("%s: it is read as %q", name, got)
			}
			h.close()
		}
	}
	h.setRaw(map[place][]byte{at: good})
	h.open()
	h.turned()
	for at, raw := range h.recordsWhile(recordBuckets...) {
		if hmac.Equal(raw[8:recordHeader], macOf(root, at, raw)) {
			t.Errorf("%s/%s is authenticated by the old root key", at.bucket, at.key)
		}
	}
	n := 0
	for _, ev := range h.trail(audit.Filter{Action: "root.rotate"}) {
		n += len(ev.Records)
	}
	if n < 1500 {
		t.Errorf("events name %d records", n)
	}
	h.mustGet(h.owner, "app/env/K1499", "value 1499")
}

// recordsWhile is recordsOf, and opens the vault again.
func (h *house) recordsWhile(buckets ...string) map[place][]byte {
	h.t.Helper()
	h.close()
	defer h.open()
	return h.recordsOf(buckets...)
}

// TestRotateRootAfterLong: requests and grants that ended long ago, of which the check of
// the trail knows nothing any more, do no harm.
func TestRotateRootAfterLong(t *testing.T) {
	d := newKeyedDesk(t)
	id := d.askToRead(d.mia.APIKey, guarded)
	if _, err := d.approveWith(id, phrase); err != nil {
		t.Fatal(err)
	}
	d.token(d.mia.APIKey, "secrets:read:"+plain)
	d.clock.advance(5 * audit.TokenLife)
	d.mustGet(d.owner, plain, "value of plain")
	d.mustRotateRoot()
	d.turned()
	d.close()
	if p := d.verify().Problem; p != "" {
		t.Errorf("afterwards: %s", p)
	}
	d.open()
	d.mustGet(d.owner, plain, "value of plain")
}

func init() { children["rootturn"] = rootTurnChild }

// rootTurnChild turns over the root key, again and again, until it is killed.
func rootTurnChild(dir string) error {
	cfg := vault.Config{Dir: dir}
	v, err := vault.Open(cfg)
	if err != nil {
		return err
	}
	h := &house{t: inChild{}, cfg: cfg, v: v, owner: os.Getenv(ownerEnv), phrase: os.Getenv("ROOTTURN_PHRASE")}
	fmt.Println("up")
	for i := 0; ; i++ {
		if _, err := h.rotateRoot(api.KEKRotation{}); err != nil && api.CodeOf(err) != api.CodeConflict {
			return err
		}
		h.acknowledge(fmt.Sprintf("ns%d/K%d", i%3, i%5))
	}
}

// TestKilledWhileRootIsTurnedOver: as with the KEK, with a passphrase and without.
func TestKilledWhileRootIsTurnedOver(t *testing.T) {
	for name, make := range map[string]func(testing.TB) *house{"keyed": newKeyedHouse, "plain": newHouse} {
		h := make(t)
		t.Setenv("ROOTTURN_PHRASE", h.phrase)
		h.cfg.Now = time.Now
		h.mustImport(h.owner, manyLines(600))
		all := acked{writes: map[string]written{}}
		rounds, stages := 2, map[string]int{}
		if testing.Short() {
			rounds = 1
		}
		for range rounds {
			h.close()
			killedAs(t, h, "rootturn", &all)
			if p := h.verify().Problem; p != "" {
				t.Fatalf("%s: killed, it does not verify: %s", name, p)
			}
			stages[fmt.Sprint(len(h.keysOf("root")), len(h.keysOf("kek")))]++
			h.open()
			h.mustGet(h.owner, "app/env/K599", "value 599")
			h.turned()
			h.wantAcked(&all)
			h.only("kek")
			if left := h.keysOf("root"); left != nil {
				t.Errorf("%s: the old root key is there still", name)
			}
		}
		t.Logf("%s: old root keys and keyrings in the file after a kill: %v", name, stages)
	}
}
