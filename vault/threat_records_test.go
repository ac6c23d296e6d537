package vault_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func credentialKey(key string) string {
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:])
}

// scene is a vault with something of everything to attack.
type scene struct {
	*house
	other     *house // another vault, whose genuine records are foreign here
	mia, max  api.AgentCreated
	tok, used api.TokenResponse // mia's; used has had one of its two uses
}

const (
	critical = "production/CRITICAL"
	plain    = "production/PLAIN"
	hidden   = "staging/HIDDEN"
)

func newScene(t *testing.T) *scene {
	s := &scene{house: newHouse(t), other: newHouse(t)}
	s.mustPut(s.owner, critical, "value of critical", tier("critical"))
	s.mustPut(s.owner, plain, "value of plain")
	s.mustPut(s.owner, hidden, "value of hidden")
	s.mia = s.limited("mia", []string{"production"}, "secrets:*:*")
	s.max = s.limited("max", []string{"staging"}, "secrets:*:*")
	s.tok = s.token(s.mia.APIKey, "secrets:read:"+plain)
	s.used = s.issue(s.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:production/*"}, MaxUses: ptr(2)})
	s.mustGet(s.used.Token, plain, "value of plain")
	return s
}

// attack is an edit of the file and what then must not work.
type attack struct {
	name  string
	edit  func(s *scene) // of the closed vault
	use   func(s *scene) error
	names string // what the refusal names
	finds string // what verify says
}

func (s *scene) rewrite(t *testing.T, bucket, key, old, other string) {
	t.Helper()
	s.setRaw(map[place][]byte{{bucket, key}: replaced(t, s.raw(bucket, key), old, other)})
}

// forged is a record that someone without the key writes; it claims to be of
// the event that is the last one.
func forged(seq uint64, content string) []byte {
	mac := make([]byte, 32)
	rand.Read(mac)
	return append(append(binary.BigEndian.AppendUint64(nil, seq), mac...), content...)
}

const forgedKey = "ask_live_0000000000000000000000000000000000000000000" // its checksum is appended

func TestThreat01RecordsThatDecide(t *testing.T) {
	readCritical := func(s *scene) error { _, err := s.get(s.mia.APIKey, critical); return err }
	readHidden := func(s *scene) error { _, err := s.get(s.mia.APIKey, hidden); return err }
	readByToken := func(s *scene) error { _, err := s.get(s.tok.Token, plain); return err }
	for _, a := range []attack{
		{
			name: "an owner added by hand",
			edit: func(s *scene) {
				s.setRaw(map[place][]byte{
					{"owners", "own_aaaaaaaaaaaaaaaaaaaaaaaaaa"}:     forged(3, `{"id":"own_aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"eve","key_prefix":"ask_live_000000","created":"2026-03-01T12:00:00Z"}`),
					{"credentials", credentialKey(keyOf(forgedKey))}: forged(3, `{"kind":"owner","id":"own_aaaaaaaaaaaaaaaaaaaaaaaaaa"}`),
				})
			},
			use:   func(s *scene) error { _, err := s.get(keyOf(forgedKey), critical); return err },
			names: "record credentials/", finds: "inserted",
		},
		{
			name: "an owner of another vault added",
			edit: func(s *scene) {
				own, cred := place{"owners", s.other.claim.OwnerID}, place{"credentials", credentialKey(s.other.owner)}
				s.setRaw(map[place][]byte{own: s.other.raw(own.bucket, own.key), cred: s.other.raw(cred.bucket, cred.key)})
			},
			use:   func(s *scene) error { _, err := s.get(s.other.owner, critical); return err },
			names: "record credentials/", finds: "record ",
		},
		{
			name:  "a tier lowered",
			edit:  func(s *scene) { s.rewrite(t, "secrets", critical, `"tier":"critical"`, `"tier":"standard"`) },
			use:   readCritical,
			names: "record secrets/" + critical, finds: "record secrets/" + critical + ": changed",
		},
		{
			name:  "an agent's namespaces widened",
			edit:  func(s *scene) { s.rewrite(t, "agents", s.mia.ID, `["production"]`, `["staging"]`) },
			use:   readHidden,
			names: "record agents/", finds: "changed",
		},
		{
			name:  "another agent's record in an agent's place",
			edit:  func(s *scene) { s.setRaw(map[place][]byte{{"agents", s.mia.ID}: s.raw("agents", s.max.ID)}) },
			use:   readHidden,
			names: "record agents/", finds: "record agents/",
		},
		{
			name: "a key pointed at another identity",
			edit: func(s *scene) {
				s.rewrite(t, "credentials", credentialKey(s.mia.APIKey), s.mia.ID, s.max.ID)
			},
			use:   readHidden,
			names: "record credentials/", finds: "record credentials/",
		},
		{
			name: "a key's record moved under another key",
			edit: func(s *scene) {
				s.setRaw(map[place][]byte{{"credentials", credentialKey(s.mia.APIKey)}: s.raw("credentials", credentialKey(s.owner))})
			},
			use:   readCritical,
			names: "record credentials/", finds: "record credentials/",
		},
		{
			name:  "a token's scopes widened",
			edit:  func(s *scene) { s.rewrite(t, "tokens", s.tok.TokenID, plain, "production/*") },
			use:   readByToken,
			names: "record tokens/", finds: "record tokens/",
		},
		{
			name:  "a token's uses put back",
			edit:  func(s *scene) { s.rewrite(t, "tokens", s.used.TokenID, `,"uses":1`, ``) },
			use:   func(s *scene) error { _, err := s.get(s.used.Token, plain); return err },
			names: "record tokens/", finds: "record tokens/",
		},
		{
			name: "a token's end put off",
			edit: func(s *scene) {
				s.rewrite(t, "tokens", s.tok.TokenID, s.tok.ExpiresAt.UTC().Format(time.RFC3339), "2036-01-01T00:00:00Z")
			},
			use:   readByToken,
			names: "record tokens/", finds: "record tokens/",
		},
		{
			name:  "the sequence number changed",
			edit:  func(s *scene) { s.bumpSeq("secrets", critical) },
			use:   readCritical,
			names: "record secrets/", finds: "record secrets/",
		},
		{
			name:  "the mark of a record changed",
			edit:  func(s *scene) { s.flip("secrets", critical, 8) },
			use:   readCritical,
			names: "record secrets/", // not found without the key: the digest is that of the content
		},
		{
			name:  "a record cut short",
			edit:  func(s *scene) { s.setRaw(map[place][]byte{{"secrets", critical}: []byte("short")}) },
			use:   readCritical,
			names: "record secrets/", finds: "malformed",
		},
	} {
		t.Run("closed/"+a.name, func(t *testing.T) {
			s := newScene(t)
			s.close()
			a.edit(s)
			if a.finds != "" {
				wantProblem(t, s.verify(), a.finds)
			}
			s.open()
			wantTampered(t, "its use", a.use(s), a.names)
			if got := s.checked(); a.finds != "" && !strings.HasPrefix(got, "broken") {
				t.Errorf("the check of the chain ends with %q", got)
			}
		})
	}
	t.Run("closed/put back", testPutBackWhileClosed)
	t.Run("closed/removed", testRemovedWhileClosed)
	t.Run("running", testRecordsWhileRunning)
}

func (h *house) bumpSeq(bucket, key string) {
	raw := h.raw(bucket, key)
	binary.BigEndian.PutUint64(raw, binary.BigEndian.Uint64(raw)+1)
	h.setRaw(map[place][]byte{{bucket, key}: raw})
}

func (h *house) flip(bucket, key string, i int) {
	raw := h.raw(bucket, key)
	raw[i] ^= 1
	h.setRaw(map[place][]byte{{bucket, key}: raw})
}

// Older states of a record are genuine: only the trail tells.
func testPutBackWhileClosed(t *testing.T) {
	for _, tc := range []struct {
		name, bucket string
		key          func(s *scene) string
		change       func(s *scene)
	}{
		{"a revoked agent", "agents", func(s *scene) string { return s.mia.ID }, func(s *scene) { s.revokeAgent("mia") }},
		{"a revoked token", "tokens", func(s *scene) string { return s.tok.TokenID }, func(s *scene) { s.revokeToken(s.tok) }},
		{"a used token", "tokens", func(s *scene) string { return s.used.TokenID }, func(s *scene) { s.mustGet(s.used.Token, plain, "value of plain") }},
		{"a raised tier", "secrets", func(*scene) string { return plain }, func(s *scene) { s.mustPut(s.owner, plain, "v2", tier("critical")) }},
		{"a deleted secret", "secrets", func(*scene) string { return plain }, func(s *scene) { s.mustDelete(s.owner, plain) }},
		{"a count", "namespaces", func(*scene) string { return "production" }, func(s *scene) { s.mustPut(s.owner, "production/NEW", "v") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t)
			at := place{tc.bucket, tc.key(s)}
			older := s.raw(at.bucket, at.key)
			tc.change(s)
			s.close()
			s.setRaw(map[place][]byte{at: older})
			wantProblem(t, s.verify(), "record "+at.bucket+"/"+at.key+": put back")
			s.open()
			if got := s.checked(); !strings.Contains(got, "put back") {
				t.Errorf("the check of the chain ends with %q", got)
			}
			select {
			case <-s.v.Dead():
			case <-time.After(time.Minute):
				t.Error("the vault goes on serving")
			}
			if s.v.Alive() == nil {
				t.Error("the vault says that it may serve")
			}
		})
	}
}

// TestThreat01UsedBeforeTheCheck puts a revoked token back and uses it after
// the start, before the check of the whole chain has come to it. The use writes
// the record anew, with an event; verify is to find all the same that what the
// event replaced was not what the last event before it had written.
func TestThreat01UsedBeforeTheCheck(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	tok := h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:read:*"}, MaxUses: ptr(9)})
	at := place{"tokens", tok.TokenID}
	live := h.raw(at.bucket, at.key)
	h.revokeToken(tok)
	h.close()
	h.setRaw(map[place][]byte{at: live})
	v, err := vault.OpenUnchecked(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.v = v
	if _, err := h.get(tok.Token, plain); err != nil {
		return // better still
	}
	h.close()
	wantProblem(t, h.verify(), "record tokens/"+tok.TokenID)
}

func testRemovedWhileClosed(t *testing.T) {
	for _, tc := range []struct {
		name string
		at   func(s *scene) place
	}{
		{"an agent", func(s *scene) place { return place{"agents", s.mia.ID} }},
		{"a name", func(*scene) place { return place{"names", "agent/mia"} }},
		{"a key", func(s *scene) place { return place{"credentials", credentialKey(s.owner)} }},
		{"a secret", func(*scene) place { return place{"secrets", critical} }},
		{"an owner", func(s *scene) place { return place{"owners", s.claim.OwnerID} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t)
			at := tc.at(s)
			s.close()
			s.removeRaw(at)
			wantProblem(t, s.verify(), "record "+at.bucket+"/"+at.key+": missing")
			s.open()
			if got := s.checked(); !strings.Contains(got, "missing") {
				t.Errorf("the check of the chain ends with %q", got)
			}
		})
	}
}

func (h *house) revokeToken(tok api.TokenResponse) {
	h.t.Helper()
	if err := h.v.RevokeToken(ctx, h.as(h.owner), tok.TokenID); err != nil {
		h.t.Fatalf("revoking a token: %v", err)
	}
}

// testRecordsWhileRunning writes into the file under the running vault, after
// each record has been used, so that a memory of checked records is warm.
func testRecordsWhileRunning(t *testing.T) {
	s := newScene(t)
	s.mustGet(s.mia.APIKey, plain, "value of plain")
	s.mustGet(s.tok.Token, plain, "value of plain")
	_, err := s.get(s.mia.APIKey, critical)
	wantCode(t, "an agent reads critical", err, api.CodeApprovalRequired)
	if got := s.checked(); got != "ok" {
		t.Fatal(got)
	}

	refused := func(bucket, key, old, other string, use func() error) {
		t.Helper()
		now := s.raw(bucket, key)
		changed := replaced(t, now, old, other)
		s.patch(now, changed)
		wantTampered(t, fmt.Sprintf("%s/%s: %s for %s", bucket, key, other, old), use(), "record "+bucket+"/"+key)
		s.patch(changed, now)
		if err := use(); api.CodeOf(err) == api.CodeInternal && err != nil {
			t.Errorf("%s/%s: made whole again: %v", bucket, key, err)
		}
	}
	get := func(who, p string) func() error {
		return func() error { _, err := s.get(who, p); return err }
	}
	miaKey := credentialKey(s.mia.APIKey)
	refused("secrets", critical, `"tier":"critical"`, `"tier":"standard"`, get(s.mia.APIKey, critical))
	refused("credentials", miaKey, `"agent","id":"`+s.mia.ID, `"owner","id":"`+s.claim.OwnerID, get(s.mia.APIKey, critical))
	refused("credentials", miaKey, s.mia.ID, s.max.ID, get(s.mia.APIKey, hidden))
	refused("agents", s.mia.ID, `["production"]`, `["productioo"]`, get(s.mia.APIKey, plain))
	refused("tokens", s.tok.TokenID, plain, "production/*LAIN", get(s.tok.Token, plain))
	refused("tokens", s.used.TokenID, `"uses":1`, `"uses":0`, get(s.used.Token, hidden))
	refused("owners", s.claim.OwnerID, `"name":"ada"`, `"name":"eve"`, get(s.owner, plain))

	testPutBackWhileRunning(t, s)
}

// testPutBackWhileRunning puts genuine older states into the file: the running
// vault remembers which event wrote each record last.
func testPutBackWhileRunning(t *testing.T, s *scene) {
	putBack := func(bucket, key string, change func(), use func() error) {
		t.Helper()
		older := s.raw(bucket, key)
		change()
		now := s.raw(bucket, key)
		s.swap(key, now, older)
		if got := s.raw(bucket, key); !bytes.Equal(got, older) {
			t.Fatalf("%s/%s was not put back", bucket, key)
		}
		wantTampered(t, "put back "+bucket+"/"+key, use(), "record "+bucket+"/"+key)
		s.setLive(key, older, now)
	}
	read := func(who, p string) func() error {
		return func() error { _, err := s.get(who, p); return err }
	}
	putBack("secrets", hidden, func() { s.mustPut(s.owner, hidden, "v2", tier("sensitive")) }, read(s.max.APIKey, hidden))
	putBack("tokens", s.tok.TokenID, func() { s.revokeToken(s.tok) }, read(s.tok.Token, plain))
	putBack("tokens", s.used.TokenID, func() { s.mustGet(s.used.Token, plain, "value of plain") }, read(s.used.Token, plain))
	// Also where nothing but names is told, from a snapshot.
	putBack("agents", s.mia.ID, func() { s.revokeAgent("mia") }, func() error {
		_, err := s.v.Me(ctx, s.as(s.mia.APIKey))
		wantTampered(t, "who am I, put back", err, "record agents/"+s.mia.ID)
		return read(s.mia.APIKey, plain)()
	})

	// The same once more for a vault that was opened since and has touched
	// none of the records: it learns of them by checking the chain.
	max := s.raw("agents", s.max.ID)
	s.revokeAgent("max")
	s.reopen()
	if got := s.checked(); got != "ok" {
		t.Fatal(got)
	}
	now := s.raw("agents", s.max.ID)
	s.swap(s.max.ID, now, max)
	_, err := s.get(s.max.APIKey, hidden)
	wantTampered(t, "a record from before the start put back", err, "record agents/")
	s.setLive(s.max.ID, max, now)
}

// setLive undoes swap.
func (h *house) setLive(key string, older, now []byte) {
	h.t.Helper()
	b := make([]byte, 4)
	binary.LittleEndian.PutUint32(b, uint32(len(now)))
	file := h.fileBytes()
	for _, at := range h.find(older) {
		if e := element(file, at, key, len(older)); e >= 0 && bytes.Equal(file[at+len(older):at+len(now)], now[len(older):]) {
			h.writeAt(now, at)
			h.writeAt(b, e+12)
		}
	}
	h.find(now)
}

func TestThreat02AssociatedData(t *testing.T) {
	read := func(s *scene, p string) error { _, err := s.get(s.owner, p); return err }
	for _, a := range []struct {
		name string
		edit func(s *scene) map[place][]byte
		path string // of the secret that must not open any more
	}{
		{"moved to another secret", func(s *scene) map[place][]byte {
			return map[place][]byte{s.value(plain, 1): s.raw("values", s.value(critical, 1).key)}
		}, plain},
		{"swapped with another secret's", func(s *scene) map[place][]byte {
			return map[place][]byte{
				s.value(plain, 1):    s.raw("values", s.value(critical, 1).key),
				s.value(critical, 1): s.raw("values", s.value(plain, 1).key),
			}
		}, critical},
		{"an older version in the newer's place", func(s *scene) map[place][]byte {
			return map[place][]byte{s.value("a/TWO", 2): s.raw("values", s.value("a/TWO", 1).key)}
		}, "a/TWO"},
		{"from another vault", func(s *scene) map[place][]byte {
			return map[place][]byte{s.value(plain, 1): s.other.raw("values", s.other.value(plain, 1).key)}
		}, plain},
		{"the DEK of another", func(s *scene) map[place][]byte {
			a, b := s.raw("values", s.value("a/TWO", 1).key), s.raw("values", s.value("a/TWO", 2).key)
			return map[place][]byte{s.value("a/TWO", 2): append(bytes.Clone(a[:wrapEnd(a)]), b[wrapEnd(b):]...)}
		}, "a/TWO"},
		{"emptied", func(s *scene) map[place][]byte {
			return map[place][]byte{s.value(plain, 1): {}}
		}, plain},
	} {
		t.Run(a.name, func(t *testing.T) {
			s := newScene(t)
			s.other.mustPut(s.other.owner, plain, "the other vault's")
			s.mustPut(s.owner, "a/TWO", "first")
			s.mustPut(s.owner, "a/TWO", "second")
			edit, before := a.edit(s), s.events()
			s.close()
			s.setRaw(edit)
			if a.name != "the DEK of another" { // the wrap is not in the digest: it changes with the KEK
				wantProblem(t, s.verify(), "value of "+a.path)
			}
			s.open()
			wantTampered(t, "a read", read(s, a.path), "value of "+a.path)
			for _, ev := range s.trail(audit.Filter{Action: "secret.read"}) {
				if ev.Seq > before {
					t.Errorf("event %d says that it was read", ev.Seq)
				}
			}
		})
	}
	t.Run("of another history", testValueOfAnotherHistory)
	t.Run("every byte", testEveryByteOfValue)
	t.Run("roles", testRolesOfKeys)
}

// testValueOfAnotherHistory: tenant, path and version can come again, after an
// older copy was put back and accepted; the id of the secret does not.
func testValueOfAnotherHistory(t *testing.T) {
	h := newHouse(t)
	h.close()
	older := h.keep("vault.db")
	h.open()
	h.mustPut(h.owner, plain, "of another history")
	sealed := h.raw("values", h.value(plain, 1).key)
	h.close()
	older()
	if err := vault.AcceptRollback(h.cfg); err != nil {
		t.Fatal(err)
	}
	h.open()
	h.mustPut(h.owner, plain, "of this one")
	at := h.value(plain, 1)
	h.close()
	h.setRaw(map[place][]byte{at: sealed})
	h.open()
	_, err := h.get(h.owner, plain)
	wantTampered(t, "a read", err, "value of "+plain)
}

// value is where the sealed value of a version lies.
func (h *house) value(p string, n uint64) place {
	h.t.Helper()
	info := h.info(p)
	return place{"values", string(binary.BigEndian.AppendUint64([]byte(info.ID+"/"), n))}
}

// info is what a listing says of the secret at p.
func (h *house) info(p string) api.SecretInfo {
	h.t.Helper()
	at := path(h.t, p)
	list, err := h.v.List(ctx, h.as(h.owner), at.Namespace())
	if err != nil {
		h.t.Fatalf("listing: %v", err)
	}
	for _, i := range list.Items {
		if i.Key == at.Key() {
			return i
		}
	}
	h.t.Fatalf("no secret %s is listed", p)
	return api.SecretInfo{}
}

// wrapEnd is the length of kek id and wrapped DEK, each behind its length.
func wrapEnd(b []byte) int {
	id := 2 + int(binary.BigEndian.Uint16(b))
	return id + 2 + int(binary.BigEndian.Uint16(b[id:]))
}

// testEveryByteOfValue flips each byte under the running vault.
func testEveryByteOfValue(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	sealed := h.raw("values", h.value(plain, 1).key)
	at := h.find(sealed)
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 0x40
		for _, off := range at {
			h.writeAt(bad[i:i+1], off+i)
		}
		if _, err := h.get(h.owner, plain); err == nil {
			t.Fatalf("byte %d flipped, and the value opens", i)
		}
		for _, off := range at {
			h.writeAt(sealed[i:i+1], off+i)
		}
	}
	h.mustGet(h.owner, plain, "v")
}

// testRolesOfKeys puts the blob of one key in another's place.
func testRolesOfKeys(t *testing.T) {
	role := func(s *scene, prefix string) place {
		for _, k := range s.keys("keys") {
			if strings.HasPrefix(k, prefix) {
				return place{"keys", k}
			}
		}
		t.Fatalf("no key %s", prefix)
		return place{}
	}
	for _, tc := range []struct{ name, to, from string }{
		{"audit key as token key", "token/", "audit/"},
		{"token key as audit key", "audit/", "token/"},
		{"audit key as KEK", "kek/", "audit/"},
		{"KEK as token key", "token/", "kek/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t)
			s.close()
			to, from := role(s, tc.to), role(s, tc.from)
			// The content of the one with the frame of the other too, so that it
			// is not the record's place alone that gives it away.
			frame, blob := s.raw(to.bucket, to.key), s.raw(from.bucket, from.key)
			for _, raw := range [][]byte{blob, append(bytes.Clone(frame[:recordHeader]), blob[recordHeader:]...)} {
				s.setRaw(map[place][]byte{to: raw})
				wantProblem(t, s.verify(), "record keys/")
				if err := s.tryOpen(); err == nil {
					t.Fatal("the vault opens")
				}
			}
		})
	}
	t.Run("the KEK of another vault", func(t *testing.T) {
		s := newScene(t)
		s.close()
		s.setRaw(map[place][]byte{role(s, "kek/"): s.other.raw("keys", s.other.keys("keys")[1])})
		if err := s.tryOpen(); err == nil {
			t.Fatal("the vault opens")
		}
	})
}

func TestThreat03DeleteAndCreateAnew(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	first := h.mustPut(h.owner, plain, "one", tier("sensitive"))
	second := h.mustPut(h.owner, plain, "two")
	h.mustDelete(bot.APIKey, plain)
	again, err := h.put(bot.APIKey, plain, "mine", tier("standard"))
	if err != nil {
		t.Fatal(err)
	}
	if again.AccessTier != "sensitive" || again.Version != second.Version+1 || again.ID == first.ID {
		t.Errorf("made anew it is %s, version %d, id reused %v", again.AccessTier, again.Version, again.ID == first.ID)
	}
	_, err = h.get(bot.APIKey, plain)
	wantCode(t, "its maker reads it", err, api.CodeApprovalRequired)
	_, err = h.read(h.as(h.owner), plain, 1)
	wantCode(t, "a version from before the deletion", err, api.CodeSecretNotFound)

	_, err = h.put(bot.APIKey, plain, "x", lowerTo("standard"))
	wantCode(t, "an agent lowers the tier", err, api.CodeScopeDenied)
	if info := h.mustPut(h.owner, plain, "x", tier("standard")); info.AccessTier != "sensitive" {
		t.Errorf("an owner lowered the tier without saying so: %s", info.AccessTier)
	}
	if info := h.mustPut(h.owner, plain, "x", lowerTo("standard")); info.AccessTier != "standard" {
		t.Errorf("an owner could not lower the tier: %s", info.AccessTier)
	}
	h.mustGet(bot.APIKey, plain, "x")

	h.mustPut(h.owner, plain, "y", tier("critical"))
	wantCode(t, "an agent deletes critical", h.delete(bot.APIKey, plain), api.CodeApprovalRequired)
	h.mustDelete(h.owner, plain)
	_, err = h.put(bot.APIKey, plain, "mine")
	wantCode(t, "an agent makes a critical path anew", err, api.CodeApprovalRequired)

	t.Run("raced", testIDsAreNotReused)
	t.Run("tombstone removed", testTombstoneRemoved)
}

// TestVersionsKept: the newest ten versions, and nothing of those that were replaced
// more than a week ago. What else is kept, TestThreat27 says.
func TestVersionsKept(t *testing.T) {
	h := newHouse(t)
	for n := range 13 {
		h.clock.advance(8 * day)
		h.mustPut(h.owner, plain, valueOf(uint64(n)+1))
	}
	for n := uint64(1); n <= 14; n++ {
		got, err := h.read(h.as(h.owner), plain, n)
		want := api.CodeSecretNotFound
		if n > 3 && n <= 13 {
			want = ""
		}
		wantCode(t, fmt.Sprintf("version %d", n), err, want)
		if err == nil && got != valueOf(n) {
			t.Errorf("version %d is %q", n, got)
		}
	}
	if got := len(h.keys("values")); got != 10 {
		t.Errorf("%d values are kept", got)
	}
	h.mustDelete(h.owner, plain)
	if got := len(h.keys("values")); got != 0 {
		t.Errorf("%d values of a deleted secret are kept", got)
	}
}

// testIDsAreNotReused lets a write be prepared for a secret that is deleted
// before the write commits.
func testIDsAreNotReused(t *testing.T) {
	h := newHouse(t)
	first := h.mustPut(h.owner, plain, "one")
	deleted, put := make(chan error, 1), make(chan api.SecretInfo, 1)
	inWriter, release := make(chan struct{}), make(chan struct{})
	h.clock.onNow(func() { // the deletion's: it is on the writer's goroutine
		h.clock.onNow(nil)
		close(inWriter)
		<-release
	})
	req := h.as(h.owner)
	go func() { deleted <- h.v.Delete(ctx, req, path(t, plain)) }()
	<-inWriter
	go func() {
		info, err := h.v.Put(ctx, req, path(t, plain), write("two"))
		if err != nil {
			t.Error(err)
		}
		put <- info
	}()
	time.Sleep(20 * time.Millisecond) // the write is sealed and queued; when not, nothing is tested
	close(release)
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if info := <-put; info.ID == first.ID || info.Version != 2 {
		t.Errorf("made anew it is version %d, id reused: %v", info.Version, info.ID == first.ID)
	}
	h.mustGet(h.owner, plain, "two")
}

func testTombstoneRemoved(t *testing.T) {
	s := newScene(t)
	s.mustDelete(s.owner, critical)
	tomb := s.raw("secrets", critical)
	if got := s.checked(); got != "ok" {
		t.Fatal(got)
	}

	// Running: the key of the tombstone is made another, so that it is not found.
	gone := "production/CRITICAM"
	s.patch(append([]byte(critical), tomb...), append([]byte(gone), tomb...))
	_, err := s.put(s.mia.APIKey, critical, "mine")
	wantTampered(t, "a write where the tombstone has gone", err, "record secrets/"+critical)
	s.patch(append([]byte(gone), tomb...), append([]byte(critical), tomb...))

	s.close()
	s.removeRaw(place{"secrets", critical})
	wantProblem(t, s.verify(), "record secrets/"+critical+": missing")
	s.open()
	if got := s.checked(); !strings.Contains(got, "missing") {
		t.Errorf("the check of the chain ends with %q", got)
	}
	if s.v.Alive() == nil {
		t.Error("the vault says that it may serve")
	}
}

func TestThreat04WhoSigns(t *testing.T) {
	s := newScene(t)
	key := s.v.VerifyKey()
	s.reopen()
	if got := s.v.VerifyKey(); got != key {
		t.Errorf("after a start the key is %s, it was %s", got, key)
	}
	if got := s.trail(audit.Filter{Action: "vault.init"})[0].Vault; got == nil || got.VerifyKey != key || got.Tenant != s.v.Tenant() {
		t.Errorf("event 1 carries %+v, want %s of %s", got, key, s.v.Tenant())
	}
	if rep := closedReport(s); rep.VerifyKey != key || rep.Problem != "" {
		t.Errorf("verify reports key %s, problem %q", rep.VerifyKey, rep.Problem)
	}

	for _, tc := range []struct {
		name string
		edit func(s *scene)
	}{
		{"the newest head signed by another", func(s *scene) {
			s.setRaw(map[place][]byte{s.newestHead(): s.other.raw("audit", s.other.newestHead().key)})
		}},
		{"the newest head removed", func(s *scene) { s.removeRaw(s.newestHead()) }},
		{"the newest event removed", func(s *scene) { s.removeRaw(s.newestEvent()) }},
		{"the epoch changed", func(s *scene) { s.flip("audit", s.newestHead().key, 7) }},
		{"the newest event changed", func(s *scene) { s.flip("audit", s.newestEvent().key, 40) }},
		{"the trail of another vault", func(s *scene) { s.replaceTrail() }},
		{"the state of another vault", func(s *scene) {
			s.setRaw(map[place][]byte{{"vault", "state"}: s.other.raw("vault", "state")})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t)
			s.close()
			tc.edit(s)
			if rep := s.verify(); rep.Problem == "" {
				t.Error("verify finds nothing")
			}
			if err := s.tryOpen(); err == nil {
				t.Error("the vault opens")
			}
		})
	}
}

func closedReport(s *scene) vault.Report {
	s.close()
	rep := s.verify()
	s.open()
	return rep
}

func (h *house) lastKey(bucket string) string {
	keys := h.keys(bucket)
	return keys[len(keys)-1]
}

// The signed head of an event lies right behind it.
func (h *house) newestHead() place { return place{"audit", h.lastKey("audit")} }

func (h *house) newestEvent() place {
	head := h.newestHead()
	return place{"audit", strings.TrimSuffix(head.key, "h")}
}

// replaceTrail gives the vault the whole trail of the other, which is sound in
// itself and signed throughout.
func (s *scene) replaceTrail() {
	foreign := map[place][]byte{}
	for _, k := range s.other.keys("audit") {
		foreign[place{"audit", k}] = s.other.raw("audit", k)
	}
	s.edit(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket([]byte("audit")); err != nil {
			return err
		}
		_, err := tx.CreateBucket([]byte("audit"))
		return err
	})
	s.setRaw(foreign)
}
