package vault_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/envelope"
)

func (h *house) rotateKEK() api.KEKRotated {
	h.t.Helper()
	r, err := h.v.RotateKEK(ctx, h.as(h.owner), api.KEKRotation{Passphrase: h.pass()})
	if err != nil {
		h.t.Fatalf("rotating the KEK: %v", err)
	}
	return r
}

func (h *house) status() api.VaultStatus {
	h.t.Helper()
	s, err := h.v.Status(ctx, h.as(h.owner))
	if err != nil {
		h.t.Fatalf("asking for the status: %v", err)
	}
	return s
}

// turned waits until the keys are turned over.
func (h *house) turned() {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		s := h.status()
		if s.Turn == nil {
			return
		}
		if s.Turn.Problem != "" || time.Now().After(end) {
			h.t.Fatalf("the keys are not turned over: %+v", *s.Turn)
		}
	}
}

// keysOf are the ids in the bucket of keys with a role.
func (h *house) keysOf(role string) (ids []string) {
	h.t.Helper()
	for _, k := range h.keys("keys") {
		if id, ok := strings.CutPrefix(k, role+"/"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// only wants one key of a role, and says which it is.
func (h *house) only(role string) string {
	h.t.Helper()
	ids := h.keysOf(role)
	if len(ids) != 1 {
		h.t.Fatalf("keys with the role %s: %v", role, ids)
	}
	return ids[0]
}

// TestThreat31RotateKEK: all keys are others, what was there is read as before, of every
// version and tier, and the old keyset opens nothing any more.
func TestThreat31RotateKEK(t *testing.T) {
	d := &desk{house: newKeyedHouse(t)}
	d.mia = d.agent("mia", "secrets:*:*")
	for n := 1; n <= versionsEach; n++ {
		d.mustPut(d.owner, plain, fmt.Sprintf("value %d of %s", n, plain), meta("note"))
	}
	d.mustPut(d.owner, critical, "value of critical", tier("critical"))
	d.mustPut(d.owner, "big/ONE", strings.Repeat("x", 1<<20))
	d.mustImport(d.owner, manyLines(300))
	token := d.token(d.mia.APIKey, "secrets:read:"+plain)
	before := map[string]string{"kek": d.only("kek"), "audit": d.only("audit"), "token": d.only("token")}
	old := takeLoot(t, d.file("vault.db"), d.file("root.key"))
	sealed := d.raw("keys", "kek/"+before["kek"])[recordHeader:]
	seq := d.last().Seq
	verify := d.v.VerifyKey()

	r := d.rotateKEK()
	if r.Replaced != before["kek"] || r.KEK == r.Replaced || r.VerifyKey == verify || r.VerifyKey != d.v.VerifyKey() || r.Epoch != 2 {
		t.Errorf("rotated: %+v", r)
	}
	_, err := d.get(token.Token, plain)
	wantCode(t, "a token from before", err, api.CodeUnauthorized)
	d.turned()
	for role, was := range before {
		if now := d.only(role); now == was {
			t.Errorf("the key with the role %s is still %s", role, now)
		}
	}
	for n := uint64(1); n <= versionsEach; n++ {
		if got, err := d.read(d.as(d.owner), plain, n); err != nil || got != fmt.Sprintf("value %d of %s", n, plain) {
			t.Errorf("version %d: %q, %v", n, got, err)
		}
	}
	d.mustGet(d.token(d.mia.APIKey, "secrets:read:"+plain).Token, plain, fmt.Sprintf("value %d of %s", versionsEach, plain))
	d.wantProtected(critical, "value of critical")
	d.wantTurn(seq)
	if s := d.status(); s.KEK != r.KEK || s.KEKSince.IsZero() || s.Epoch != 2 || s.Slots != 1 || !s.Claimed || s.Format != store.Format || s.FileBytes == 0 {
		t.Errorf("status %+v", s)
	}
	d.reopen()
	d.mustPut(d.owner, plain, "after it")
	d.mustGet(d.owner, plain, "after it")
	d.close()

	now := takeLoot(t, d.file("vault.db"), d.file("root.key"))
	old.file = now.file
	if leaks := old.leaks(); len(leaks) > 0 {
		t.Errorf("the old keyring opens from the file: %v", leaks)
	}
	if bytes.Contains(now.file, sealed) || bytes.Contains(now.file, sealed[20:60]) {
		t.Error("the old keyset is in the file still")
	}
	for p, header := range now.headers {
		for _, v := range header.Versions {
			b := now.sealed(p, v.N)
			if id, _ := envelope.SealedBy(b); id == now.keyed {
				continue
			}
			if _, err := old.keyring.Open(now.place(p, v.N), b); err == nil {
				t.Errorf("the old keyring opens %s", p)
			}
			if _, err := old.keyring.Open(now.place(p, v.N), bytes.Replace(b, []byte(r.KEK), []byte(r.Replaced), 1)); err == nil {
				t.Errorf("the old keyring opens %s", p)
			}
		}
	}
}

// wantTurn wants the events of a whole turn behind seq, and nothing in them but ids;
// first is what comes before the DEKs are wrapped anew.
func (h *house) wantTurn(seq uint64, first ...string) {
	h.t.Helper()
	var got []string
	for _, ev := range h.trail(audit.Filter{}) {
		if ev.Seq > seq && (ev.Action == audit.KEKRotate || ev.Action == audit.AuditRotateKey || ev.Action == audit.VaultCompact) {
			word, rest, _ := strings.Cut(ev.Reason, " ")
			if ev.Action == audit.VaultCompact {
				word, _, _ = strings.Cut(rest, ",") // how large it was is told, and how large it is
			}
			got = append(got, string(ev.Action)+" "+word+" "+ev.Actor.Name)
		}
	}
	want := []string{"kek.rotate begun: " + h.claim.Name, "audit.rotate_key  " + h.claim.Name}
	want = append(append(want, first...), "kek.rotate all assd", "vault.compact bytes before assd", "kek.rotate done: assd")
	if !slices.Equal(got, want) {
		h.t.Errorf("events %q, want %q", got, want)
	}
}

// TestRotateKEKTwice: one at a time; and a value that was wrapped anew twice opens.
func TestRotateKEKTwice(t *testing.T) {
	h := newHouse(t)
	h.mustImport(h.owner, manyLines(400))
	h.rotateKEK()
	_, err := h.v.RotateKEK(ctx, h.as(h.owner), api.KEKRotation{})
	wantCode(t, "a second one", err, api.CodeConflict)
	h.mustPut(h.owner, "app/env/K7", "new") // sealed to the new one, or the old one wrapped anew
	h.turned()
	h.rotateKEK()
	h.reopen() // a stop in the middle
	h.turned()
	h.mustGet(h.owner, "app/env/K7", "new")
	h.mustGet(h.owner, "app/env/K399", "value 399")
}

func manyLines(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "K%d=value %d\n", i, i)
	}
	return text.String()
}

func TestRotateKEKIsOwnersOnly(t *testing.T) {
	d := newKeyedDesk(t)
	_, err := d.v.RotateKEK(ctx, d.as(d.mia.APIKey), api.KEKRotation{})
	wantCode(t, "an agent", err, api.CodeScopeDenied)
	if got := d.last().Action; got != audit.KEKRotate.Denied() {
		t.Errorf("the last event is %s", got)
	}
	_, err = d.v.Status(ctx, d.as(d.mia.APIKey))
	wantCode(t, "an agent that asks for the status", err, api.CodeScopeDenied)
	_, err = d.v.RotateKEK(ctx, d.as(d.owner), api.KEKRotation{})
	wantCode(t, "an owner without the passphrase", err, api.CodeStepUpRequired)
	if s := d.status(); s.Turn != nil || s.Epoch != 1 || d.only("kek") != s.KEK {
		t.Errorf("something was changed: %+v", s)
	}
}

// TestRotateKEKBesideReaders: while values are wrapped anew, all are read and written,
// without a fault and by what is there. In a long run there are 20,000 of them.
func TestRotateKEKBesideReaders(t *testing.T) {
	h := newHouse(t)
	many := 1500
	if n, err := strconv.Atoi(os.Getenv("KEK_SECRETS")); err == nil {
		many = n
	}
	for from := 0; from < many; from += 5000 {
		h.mustImport(h.owner, manyLines(min(many, from+5000))[len(manyLines(from)):])
	}
	var readers sync.WaitGroup
	var mu sync.Mutex
	slowest, reads := time.Duration(0), 0
	stop := make(chan struct{})
	for g := range 4 {
		readers.Go(func() {
			for i := g; ; i += 7 {
				select {
				case <-stop:
					return
				default:
				}
				began, n := time.Now(), i%many
				h.readOne(t, n, g == 0)
				mu.Lock()
				slowest, reads = max(slowest, time.Since(began)), reads+1
				mu.Unlock()
			}
		})
	}
	began := time.Now()
	h.rotateKEK()
	h.turned()
	took := time.Since(began)
	close(stop)
	readers.Wait()
	t.Logf("%d secrets in %v; %d acts beside it, the slowest took %v", many, took, reads, slowest)
}

// readOne reads the secret n, or writes it anew and reads that.
func (h *house) readOne(t *testing.T, n int, writes bool) {
	p, want := fmt.Sprintf("app/env/K%d", n), fmt.Sprintf("value %d", n)
	if writes {
		if _, err := h.v.Put(ctx, h.as(h.owner), path(t, p), write(want)); err != nil {
			t.Errorf("writing %s: %v", p, err)
		}
	}
	if got, err := h.get(h.owner, p); err != nil || got != want {
		t.Errorf("%s: %q, %v", p, got, err)
	}
}

// TestRotateKEKStaysForWhatDoesNotOpen: a value that was changed keeps the old key, so
// that it can be put back; its name is told, and what else there is goes on.
func TestRotateKEKStaysForWhatDoesNotOpen(t *testing.T) {
	h := newHouse(t)
	h.mustImport(h.owner, manyLines(30))
	at := h.value("app/env/K3", 1)
	h.close()
	good := h.raw(at.bucket, at.key)
	bad := bytes.Clone(good)
	bad[50] ^= 1 // of the wrapped DEK
	h.setRaw(map[place][]byte{at: bad})
	h.open()
	r := h.rotateKEK()
	var turn *api.KeyTurn
	eventually(t, "it stays", func() bool { turn = h.status().Turn; return turn == nil || turn.Problem != "" })
	if turn == nil || !strings.Contains(turn.Problem, "version 1 of app/env/K3 ") || turn.Done != 29 || turn.Total != 30 {
		t.Fatalf("it stays at %+v", turn)
	}
	h.mustGet(h.owner, "app/env/K4", "value 4")
	h.close()
	h.setRaw(map[place][]byte{at: good})
	h.open()
	h.turned()
	h.mustGet(h.owner, "app/env/K3", "value 3")
	if got := h.only("kek"); got != r.KEK {
		t.Errorf("the keyring is %s", got)
	}
}

func init() { children["turn"] = turnChild }

// turnChild turns over the keys, again and again, until it is killed.
func turnChild(dir string) error {
	cfg := vault.Config{Dir: dir}
	v, err := vault.Open(cfg)
	if err != nil {
		return err
	}
	h := &house{t: inChild{}, cfg: cfg, v: v, owner: os.Getenv(ownerEnv)}
	fmt.Println("up")
	for i := 0; ; i++ {
		_, err := h.v.RotateKEK(ctx, h.as(h.owner), api.KEKRotation{})
		if err != nil && api.CodeOf(err) != api.CodeConflict {
			return err
		}
		h.acknowledge(fmt.Sprintf("ns%d/K%d", i%3, i%5))
	}
}

// TestKilledWhileKeysAreTurnedOver: a kill -9 at any moment loses nothing, and the next
// start goes on to the end.
func TestKilledWhileKeysAreTurnedOver(t *testing.T) {
	h := newHouse(t)
	h.cfg.Now = time.Now
	h.mustImport(h.owner, manyLines(700))
	all := acked{writes: map[string]written{}}
	rounds, stages := 4, map[string]int{}
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		h.close()
		killedAs(t, h, "turn", &all)
		if p := h.verify().Problem; p != "" {
			t.Fatalf("killed, it does not verify: %s", p)
		}
		stages[fmt.Sprint(len(h.keysOf("kek")))]++
		h.open()
		h.mustGet(h.owner, "app/env/K600", "value 600")
		h.turned()
		h.wantAcked(&all)
		for _, n := range []int{0, 333, 699} {
			h.mustGet(h.owner, fmt.Sprintf("app/env/K%d", n), fmt.Sprintf("value %d", n))
		}
		h.only("kek")
		h.only("token")
	}
	t.Logf("keyrings in the file after a kill: %v", stages)
}
