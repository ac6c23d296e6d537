package vault_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

var update = flag.Bool("update", false, "make the frozen vault of the newest format anew; only while that has not been released")

// The vaults that were made when a format was, the newest last.
const (
	frozenDir  = "testdata/vault-v1"
	frozenDir2 = "testdata/vault-v2"
)

// frozen is what lies beside the frozen vault: what went in, to be found again.
type frozen struct {
	Owner, Agent, Token string
	Tenant, VerifyKey   string
	Values              map[string]map[uint64]string // path, version
	Events              uint64
}

// TestFrozenVault opens vaults that were made when their format was: every later
// version must open, read and verify them.
func TestFrozenVault(t *testing.T) {
	if *update {
		freeze(t)
	}
	t.Run("format 1", func(t *testing.T) {
		h := testFrozen(t, frozenDir)
		// The file was made one of today's, and a copy is kept of what it was.
		if got := h.format("vault.db"); got != 2 {
			t.Errorf("the file is of format %d", got)
		}
		if got := h.format("vault.db.format-1"); got != 1 {
			t.Errorf("the copy is of format %d", got)
		}
		h.close()
		if err := os.Rename(h.file("vault.db.format-1"), h.file("vault.db")); err != nil {
			t.Fatal(err)
		}
		copyFile(t, filepath.Join(frozenDir, "head"), h.file("head"))
		if rep := h.verify(); rep.Problem != "" {
			t.Errorf("the copy verifies as %+v", rep)
		}
	})
	t.Run("format 2", func(t *testing.T) {
		h := testFrozen(t, frozenDir2)
		if _, err := os.Lstat(h.file("vault.db.format-1")); err == nil {
			t.Error("a copy was made")
		}
	})
}

// format is that of a data file.
func (h *house) format(name string) (format uint32) {
	h.t.Helper()
	inspectFile(h.t, copyFile(h.t, h.file(name), filepath.Join(h.t.(*testing.T).TempDir(), "copy.db")), func(tx *bolt.Tx) {
		format = binary.BigEndian.Uint32(tx.Bucket([]byte("meta")).Get([]byte("format")))
	})
	return format
}

func testFrozen(t *testing.T, dir string) *house {
	t.Helper()
	var want frozen
	h := thawFrom(t, dir, &want)
	h.owner = want.Owner
	rep := h.verify()
	if rep.Problem != "" || rep.Events != want.Events || rep.Tenant != want.Tenant || rep.VerifyKey != want.VerifyKey {
		t.Errorf("it verifies as %+v", rep)
	}
	h.open()
	if got := h.checked(); got != "ok" {
		t.Errorf("the check of the chain ends with %q", got)
	}
	for p, versions := range want.Values {
		for n, value := range versions {
			if got, err := h.read(h.as(want.Owner), p, n); err != nil || got != value {
				t.Errorf("%s version %d is %q, %v; want %q", p, n, got, err, value)
			}
		}
	}
	sealed := h.raw("values", h.value("frozen/KEY", 2).key)
	if got := h.openByHand(sealed, "frozen/KEY", 2).payload; string(got) != "\x00\x00\x00\x03two"+`{"note":"kept"}` {
		t.Errorf("the sealed value holds %q", got)
	}
	h.mustGet(want.Agent, "frozen/KEY", "two")
	_, err := h.get(want.Agent, "frozen/CRITICAL")
	wantCode(t, "the agent reads critical", err, api.CodeApprovalRequired)
	_, err = h.get(want.Token, "frozen/KEY")
	wantCode(t, "the token, which was revoked", err, api.CodeUnauthorized)
	if info := h.info("frozen/KEY"); info.SecretType != "api_key" || info.Version != 2 {
		t.Errorf("the secret is %+v", info)
	}
	if info := h.mustPut(want.Owner, "frozen/GONE", "again"); info.AccessTier != "sensitive" || info.Version != 2 {
		t.Errorf("where the tombstone is, a new secret is %+v", info)
	}
	return h
}

// freeze makes the frozen vault of the newest format.
func freeze(t *testing.T) {
	t.Helper()
	h := newHouse(t)
	bot := h.limited("frozen-bot", []string{"frozen"}, "secrets:read:*", "secrets:write:frozen/*")
	h.mustPut(h.owner, "frozen/KEY", "one")
	h.mustPut(h.owner, "frozen/KEY", "two", func(w *api.SecretWrite) {
		w.SecretType, w.Metadata = "api_key", map[string]any{"note": "kept"}
	})
	h.mustPut(h.owner, "frozen/CRITICAL", "", tier("critical"))
	h.mustPut(h.owner, "frozen/GONE", "gone", tier("sensitive"))
	h.mustDelete(h.owner, "frozen/GONE")
	tok := h.issue(bot.APIKey, api.TokenRequest{
		Scopes: []string{"secrets:read:frozen/*"}, MaxUses: ptr(3), IPAllowlist: []string{"local", "10.0.0.0/8"},
	})
	h.mustGet(tok.Token, "frozen/KEY", "two")
	h.revokeToken(tok)
	h.agent("gone-bot")
	h.revokeAgent("gone-bot")
	_, err := h.get(bot.APIKey, "elsewhere/KEY")
	wantCode(t, "a refusal", err, api.CodeScopeDenied)
	events := h.events()
	h.close()

	want := frozen{
		Owner: h.owner, Agent: bot.APIKey, Token: tok.Token, Tenant: h.claim.Tenant, VerifyKey: h.claim.VerifyKey,
		Values: map[string]map[uint64]string{"frozen/KEY": {1: "one", 2: "two"}, "frozen/CRITICAL": {1: ""}},
		Events: events,
	}
	h.freezeTo(t, frozenDir2, want)
}

// freezeTo writes the files of the closed vault to dir, and want beside them.
func (h *house) freezeTo(t *testing.T, dir string, want any) {
	t.Helper()
	content, err := json.MarshalIndent(want, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "content.json"), append(content, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	compact(t, h.file("vault.db"), filepath.Join(dir, "vault.db"))
	for _, name := range []string{"root.key", "head"} {
		copyFile(t, h.file(name), filepath.Join(dir, name))
	}
}

// compact copies a database without its free pages.
func compact(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	src, err := bolt.Open(from, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := bolt.Open(to, 0o600, &bolt.Options{PageSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	if err := bolt.Compact(dst, src, 1<<20); err != nil {
		t.Error(err)
	}
	if err := dst.Close(); err != nil {
		t.Error(err)
	}
}

// thaw copies the frozen vault to a place where it may be opened.
func thaw(t *testing.T) (h *house, want frozen) {
	t.Helper()
	h = thawFrom(t, frozenDir, &want)
	h.owner = want.Owner
	return h, want
}

// thawFrom copies the vault frozen in dir, and reads what lies beside it.
func thawFrom(t *testing.T, dir string, want any) *house {
	t.Helper()
	c := newClock()
	h := &house{t: t, clock: c, cfg: vault.Config{Dir: t.TempDir(), Now: c.Now}}
	if err := os.Chmod(h.cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vault.db", "root.key", "head"} {
		copyFile(t, filepath.Join(dir, name), h.file(name))
	}
	b, err := os.ReadFile(filepath.Join(dir, "content.json"))
	if err == nil {
		err = json.Unmarshal(b, want)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.end)
	return h
}

// unlocked is the root key of a vault, by its key file.
func unlocked(t tb, h *house, tenant string) *seal.RootKey {
	t.Helper()
	file, err := seal.ReadKeyFile(h.file("root.key"))
	if err != nil {
		t.Fatal(err)
	}
	slot, err := seal.ParseSlot(h.raw("slots", h.lastKey("slots"))[recordHeader:])
	if err != nil {
		t.Fatal(err)
	}
	root, err := slot.Unlock(tenant, file)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestFrozenLayout takes the frozen vault apart by hand, by what ARCHITECTURE
// draws and with none of the code that reads it otherwise.
func TestFrozenLayout(t *testing.T) {
	h, want := thaw(t)
	key := frozenChain(t, h, want)
	frozenRecords(t, h, unlocked(t, h, want.Tenant).Derive("record-mac"), frozenForms)
	frozenHead(t, h, want, key)
	if info, err := os.Stat(filepath.Join(frozenDir, "vault.db")); err != nil || info.Size() > 200<<10 {
		t.Errorf("the frozen vault has %d bytes, %v", info.Size(), err)
	}
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// frozenChain recomputes every link and checks every signature.
func frozenChain(t *testing.T, h *house, want frozen) ed25519.PublicKey {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(want.VerifyKey, "ed25519:"))
	if err != nil {
		t.Fatal(err)
	}
	var seq uint64
	var prev [32]byte
	signed := uint64(0)
	wrote := map[string]uint64{} // which event wrote each record last
	h.inspect(func(tx *bolt.Tx) {
		c := tx.Bucket([]byte("audit")).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if len(k) == 9 && k[8] == 'h' {
				signed = binary.BigEndian.Uint64(k)
				text := slices.Concat([]byte("ass-head-v1\n"), []byte(want.Tenant), v[:8], be64(signed), prev[:])
				if len(v) != 8+64 || signed != seq || !ed25519.Verify(key, text, v[8:]) {
					t.Errorf("head %d does not verify", signed)
				}
				continue
			}
			seq++
			prev = sha256.Sum256(slices.Concat([]byte("ass-audit-v1\n"), be64(seq), prev[:], v[32:]))
			if !bytes.Equal(k, be64(seq)) || !bytes.Equal(v[:32], prev[:]) || !json.Valid(v[32:]) || bytes.ContainsRune(v[32:], '\n') {
				t.Errorf("event %d at %x: %s", seq, k, v[32:])
			}
			frozenMarks(t, seq, v[32:], wrote)
		}
	})
	if seq != want.Events || signed != seq {
		t.Errorf("%d events, signed up to %d, want %d", seq, signed, want.Events)
	}
	return key
}

// frozenMarks checks what an event says of the records it wrote: 16 bytes of
// digest, or nothing for one removed, and behind "@" the event whose record it
// replaced.
func frozenMarks(t *testing.T, seq uint64, event []byte, wrote map[string]uint64) {
	t.Helper()
	form := regexp.MustCompile(`^([A-Za-z0-9_-]{22})?(@[1-9][0-9]*)?$`)
	var ev struct{ Records map[string]string }
	if err := json.Unmarshal(event, &ev); err != nil {
		t.Fatal(err)
	}
	for name, mark := range ev.Records {
		digest, replaced, _ := strings.Cut(mark, "@")
		was := ""
		if n := wrote[name]; n > 0 {
			was = strconv.FormatUint(n, 10)
		}
		if !form.MatchString(mark) || replaced != was {
			t.Errorf("event %d says %q of %s, which event %s wrote", seq, mark, name, was)
		}
		wrote[name] = seq
		if digest == "" {
			delete(wrote, name)
		}
	}
}

type frozenForm struct{ key, members string }

// The members of each record, in the order they are written in, with those
// that may be missing in brackets; and the form of its key.
var frozenForms = map[string]frozenForm{
	"vault":       {`state`, "tenant epoch created kek audit_key token_key [claimed_at] [claimed_by] [claimant]"},
	"slots":       {`slt_[a-z2-7]{26}`, "id kind [argon2] salt wrapped"},
	"keys":        {`(kek/kek|audit/aud|token/jwk)_[a-z2-7]{26}`, "sealed"},
	"owners":      {`own_[a-z2-7]{26}`, "id name key_prefix created"},
	"agents":      {`agt_[a-z2-7]{26}`, "id name [description] [namespaces] [scopes] key_prefix created [revoked]"},
	"names":       {`(owner|agent)/[a-z0-9][a-z0-9._-]*`, "id"},
	"credentials": {`[0-9a-f]{64}`, "kind id"},
	"secrets":     {`[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+`, "id type tier current created updated [deleted] [versions]"},
	"namespaces":  {`[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*`, "count"},
	"tokens":      {`tok_[a-z2-7]{26}`, "id kind holder name scopes [sources] created expires [max_uses] [uses] [revoked]"},
}

// frozenRecords checks the frame, the mark and the members of every record.
func frozenRecords(t *testing.T, h *house, macKey []byte, forms map[string]frozenForm) {
	t.Helper()
	seen := map[string]int{}
	h.inspect(func(tx *bolt.Tx) {
		for bucket, form := range forms {
			keyForm := regexp.MustCompile("^(" + form.key + ")$")
			tx.Bucket([]byte(bucket)).ForEach(func(k, v []byte) error { //nolint:errcheck // it returns nil
				seen[bucket]++
				mac := hmac.New(sha256.New, macKey)
				mac.Write([]byte("ass-record-v1\n"))
				for _, s := range []string{bucket, string(k)} {
					mac.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s))))
					mac.Write([]byte(s))
				}
				mac.Write(v[:8])
				mac.Write(v[recordHeader:])
				if !hmac.Equal(mac.Sum(nil), v[8:recordHeader]) {
					t.Errorf("the mark of %s/%s is another", bucket, k)
				}
				if got := members(t, v[recordHeader:]); !fits(got, strings.Fields(form.members)) || !keyForm.Match(k) {
					t.Errorf("%s/%s has %q, want %q", bucket, k, got, form.members)
				}
				return nil
			})
		}
	})
	for bucket := range maps.Keys(forms) {
		if seen[bucket] == 0 {
			t.Errorf("there is no record in %q", bucket)
		}
	}
}

// members are the names in a JSON object, in order.
func members(t *testing.T, b []byte) (names []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// fits reports whether names are those of form, leaving out what may be missing.
func fits(names, form []string) bool {
	i := 0
	for _, f := range form {
		name := strings.Trim(f, "[]")
		if i < len(names) && names[i] == name {
			i++
		} else if name == f {
			return false
		}
	}
	return i == len(names)
}

// frozenHead checks the file that keeps the newest head.
func frozenHead(t *testing.T, h *house, want frozen, key ed25519.PublicKey) {
	t.Helper()
	b := h.readFile("head")
	var line struct {
		Tenant, Key, Hash string
		Epoch, Seq        uint64
		Signature         []byte
	}
	if err := json.Unmarshal(b, &line); err != nil {
		t.Fatal(err)
	}
	if len(b) != 512 || b[511] != '\n' || line.Tenant != want.Tenant || line.Key != want.VerifyKey ||
		line.Epoch != 1 || line.Seq != want.Events || len(line.Signature) != 64 {
		t.Errorf("the head file is %s", b)
	}
	kept, err := audit.ReadHeadFile(h.file("head"), want.Tenant, chain.Lineage{{Epoch: 1, Since: 1, Key: chain.Key(key)}})
	if err != nil || kept.Hash.String() != line.Hash {
		t.Errorf("it reads as %+v, %v", kept, err)
	}
}
