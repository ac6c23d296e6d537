package vault_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// onDisk is the events in the file as it is on the disk now, oldest first.
func (h *house) onDisk() (events []audit.Event) {
	h.t.Helper()
	h.inspect(func(tx *bolt.Tx) {
		tx.Bucket([]byte("audit")).ForEach(func(k, v []byte) error { //nolint:errcheck // it returns nil
			if len(k) == 8 {
				ev, err := audit.DecodeEvent(v[sha256.Size:])
				if err != nil {
					h.t.Errorf("event %x: %v", k, err)
				}
				events = append(events, ev)
			}
			return nil
		})
	})
	return events
}

// TestGuarantee2EventBesideChange: whatever an act changes in the file, its
// event is in the same commit and names each record with its content.
func TestGuarantee2EventBesideChange(t *testing.T) {
	h := newHouse(t)
	var bot api.AgentCreated
	var tok api.TokenResponse
	for _, step := range []struct {
		action  audit.Action
		records []string // buckets of the records written, sorted as they stand
		act     func()
	}{
		{audit.AgentCreate, []string{"agents", "credentials", "names"}, func() { bot = h.agent("bot", "secrets:*:*") }},
		{audit.SecretWrite, []string{"namespaces", "secrets"}, func() { h.mustPut(bot.APIKey, plain, "v1") }},
		{audit.SecretWrite, []string{"secrets"}, func() { h.mustPut(bot.APIKey, plain, "v2") }},
		{audit.TokenCreate, []string{"tokens"}, func() {
			tok = h.issue(bot.APIKey, api.TokenRequest{Scopes: []string{"secrets:*:*"}, MaxUses: ptr(9)})
		}},
		{audit.SecretRead, []string{"tokens"}, func() { h.mustGet(tok.Token, plain, "v2") }},
		{audit.SecretRead, nil, func() { h.mustGet(bot.APIKey, plain, "v2") }},
		{audit.SecretList, []string{"tokens"}, func() {
			if _, err := h.v.List(ctx, h.as(tok.Token), ns(t, "production")); err != nil {
				t.Error(err)
			}
		}},
		{audit.SecretDelete, []string{"namespaces", "secrets", "tokens"}, func() { h.mustDelete(tok.Token, plain) }},
		{audit.TokenRevoke, []string{"tokens"}, func() { h.revokeToken(tok) }},
		{audit.AgentRevoke, []string{"agents", "names"}, func() { h.revokeAgent("bot") }},
	} {
		wrote := h.writers()
		step.act()
		events := h.onDisk()
		ev := events[len(events)-1]
		if ev.Action != step.action || ev.Outcome != audit.OK {
			t.Errorf("the newest event on the disk is %s %s, want %s", ev.Action, ev.Outcome, step.action)
			continue
		}
		buckets := map[string]bool{}
		for name, mark := range ev.Records {
			bucket, key, _ := strings.Cut(name, "/")
			buckets[bucket] = true
			if want := h.markOf(bucket, key, wrote[name]); mark != want {
				t.Errorf("%s says %q of %s, want %q", ev.Action, mark, name, want)
			}
		}
		for _, want := range step.records {
			if !buckets[want] {
				t.Errorf("%s names %v, not %q", ev.Action, ev.Records, want)
			}
		}
		if len(buckets) != len(step.records) {
			t.Errorf("%s names %v, want %v", ev.Action, ev.Records, step.records)
		}
	}
}

// writers is which event wrote each record on the disk.
func (h *house) writers() map[string]uint64 {
	h.t.Helper()
	seq := map[string]uint64{}
	h.inspect(func(tx *bolt.Tx) {
		for bucket := range frozenForms {
			tx.Bucket([]byte(bucket)).ForEach(func(k, v []byte) error { //nolint:errcheck // it returns nil
				seq[bucket+"/"+string(k)] = binary.BigEndian.Uint64(v)
				return nil
			})
		}
	})
	return seq
}

// markOf is what an event is to say of a record on the disk that replaced the
// one of event was.
func (h *house) markOf(bucket, key string, was uint64) (mark string) {
	h.t.Helper()
	h.inspect(func(tx *bolt.Tx) {
		if raw := tx.Bucket([]byte(bucket)).Get([]byte(key)); raw != nil {
			sum := sha256.Sum256(raw)
			mark = base64.RawURLEncoding.EncodeToString(sum[:16])
		}
	})
	if was > 0 {
		mark += fmt.Sprintf("@%d", was)
	}
	return mark
}

// TestGuarantee2ValueAfterEvent: when a value leaves, its event is on the disk;
// while the event is held up, so is the value.
func TestGuarantee2ValueAfterEvent(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	for range 5 {
		req := h.as(h.owner)
		if _, err := h.read(req, plain, 0); err != nil {
			t.Fatal(err)
		}
		events := h.onDisk()
		if ev := events[len(events)-1]; ev.Action != audit.SecretRead || ev.RequestID != req.RequestID || ev.Version != 1 {
			t.Fatalf("the value has left, the newest event on the disk is %s of %q", ev.Action, ev.RequestID)
		}
	}

	// The writer stands still in the midst of a read's event.
	held, release := make(chan struct{}), make(chan struct{})
	before := len(h.onDisk())
	got := make(chan error, 1)
	req := h.as(h.owner)
	h.clock.onNow(func() {
		h.clock.onNow(nil)
		close(held)
		<-release
	})
	go func() {
		_, err := h.read(req, plain, 0)
		got <- err
	}()
	<-held
	select {
	case <-got:
		t.Error("the value left before its event was written")
	case <-time.After(50 * time.Millisecond):
	}
	if now := len(h.onDisk()); now != before {
		t.Errorf("%d events are on the disk, %d were", now, before)
	}
	close(release)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestGuarantee2NoEventNoValue: where the trail cannot be written, nothing is
// released; the disks that are full have tests of their own.
func TestGuarantee2NoEventNoValue(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	tok := h.token(h.owner, "secrets:read:*")
	v := h.v
	h.close()
	for _, text := range []string{h.owner, tok.Token} {
		req := vault.Request{Credential: v.Present(text), Origin: local(1000)}
		r, list, err := v.Get(ctx, req, policy.RequestPath{Path: path(t, plain)}, 0)
		if err == nil || r != nil || list != nil {
			t.Errorf("a closed vault answers %v, %v, %v", r, list, err)
		}
	}
	h.open()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if r, _, err := h.v.Get(gone, h.as(h.owner), policy.RequestPath{Path: path(t, plain)}, 0); err == nil || r != nil {
		t.Errorf("a read that was given up answers %v, %v", r, err)
	}
	if ev := h.last(); ev.Action == audit.SecretRead {
		t.Error("a read that was given up is in the trail")
	}
}

// TestGuarantee2RefusalsAreEvents: each kind of refusal leaves an event with
// who, what and why, and changes nothing else.
func TestGuarantee2RefusalsAreEvents(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	h.mustPut(h.owner, critical, "v", tier("critical"))
	h.mustPut(h.owner, "production/CRITICAL2", "v", tier("critical"))
	bot := h.limited("bot", []string{"production"}, "secrets:read:*")
	tok := h.token(bot.APIKey, "secrets:read:"+plain)
	for _, tc := range []struct {
		action audit.Action
		actor  string // kind
		act    func() error
	}{
		{audit.SecretRead.Denied(), "agent", func() error { _, err := h.get(bot.APIKey, hidden); return err }},
		{audit.SecretRead.Denied(), "agent", func() error { _, err := h.get(bot.APIKey, critical); return err }},
		{audit.SecretRead.Denied(), "agent", func() error { _, err := h.get(tok.Token, "production/OTHER"); return err }},
		{audit.SecretWrite.Denied(), "agent", func() error { _, err := h.put(bot.APIKey, plain, "x"); return err }},
		{audit.SecretDelete.Denied(), "agent", func() error { return h.delete(bot.APIKey, plain) }},
		{audit.SecretList.Denied(), "agent", func() error {
			_, err := h.v.List(ctx, h.as(bot.APIKey), ns(t, "staging"))
			return err
		}},
		{audit.SecretRead.Denied(), "agent", func() error {
			_, err := h.v.IssueToken(ctx, h.as(bot.APIKey), api.TokenRequest{Scopes: []string{"secrets:read:production/CRITICAL2"}})
			return err
		}},
		{audit.TokenCreate.Denied(), "agent", func() error {
			_, err := h.v.IssueToken(ctx, h.as(bot.APIKey), api.TokenRequest{Scopes: []string{"secrets:write:*"}})
			return err
		}},
		{audit.TokenRevoke.Denied(), "agent", func() error { return h.v.RevokeToken(ctx, h.as(tok.Token), tok.TokenID) }},
		{audit.AgentCreate.Denied(), "agent", func() error {
			_, err := h.v.CreateAgent(ctx, h.as(bot.APIKey), api.AgentCreate{Name: "x"})
			return err
		}},
		{audit.AgentRevoke.Denied(), "agent", func() error { return h.v.RevokeAgent(ctx, h.as(bot.APIKey), "bot") }},
		{audit.AgentList.Denied(), "agent", func() error { _, err := h.v.Agents(ctx, h.as(bot.APIKey)); return err }},
		{audit.TokenList.Denied(), "agent", func() error { _, err := h.v.Tokens(ctx, h.as(tok.Token)); return err }},
		{audit.AuditRead.Denied(), "agent", func() error {
			_, _, _, err := h.v.Audit(ctx, h.as(bot.APIKey), audit.Filter{}, 1)
			return err
		}},
		{audit.AuthFailed, "unknown", func() error { _, err := h.get("ask_live_typo", plain); return err }},
		{audit.AuthFailed, "unknown", func() error {
			_, err := h.v.Me(ctx, h.from("", remote("10.0.0.1")))
			return err
		}},
	} {
		before := h.onDisk()
		err := tc.act()
		if err == nil {
			t.Errorf("%s: allowed", tc.action)
			continue
		}
		after := h.onDisk()
		ev, events := after[len(after)-1], 1
		if ev.Approval != "" { // and the request for an approval that it opened
			events = 2
		}
		if len(after) != len(before)+events || ev.Action != tc.action || ev.Outcome != audit.Denied ||
			ev.Actor.Kind != tc.actor || ev.Reason == "" || ev.Records != nil || ev.Source == nil || ev.RequestID == "" {
			t.Errorf("%s: %d events, the newest %+v", tc.action, len(after)-len(before), ev)
		}
	}
	h.mustGet(h.owner, plain, "v")
}

// TestGuarantee4EnvelopePerVersion: equal values of one secret share not a byte
// of key or ciphertext, and nothing of value or metadata is in the file.
func TestGuarantee4EnvelopePerVersion(t *testing.T) {
	h := newHouse(t)
	const value, note = "a value that is quite long enough to be found", "a note that should not be found either"
	meta := func(w *api.SecretWrite) { w.Metadata = map[string]any{"note": note} }
	first, second := h.mustPut(h.owner, plain, value, meta), h.mustPut(h.owner, plain, value, meta)
	if first.ID != second.ID || first.Version != 1 || second.Version != 2 {
		t.Fatalf("versions %d and %d of %s and %s", first.Version, second.Version, first.ID, second.ID)
	}
	a, b := h.raw("values", h.value(plain, 1).key), h.raw("values", h.value(plain, 2).key)
	x, y := h.openByHand(a, plain, 1), h.openByHand(b, plain, 2)
	if bytes.Equal(x.dek, y.dek) || bytes.Equal(x.wrapped, y.wrapped) || bytes.Equal(x.ciphertext[12:], y.ciphertext[12:]) {
		t.Error("two versions share a key or a ciphertext")
	}
	want := slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(value))), []byte(value), []byte(`{"note":"`+note+`"}`))
	if len(x.dek) != 32 || !bytes.Equal(x.payload, want) {
		t.Errorf("under a key of %d bytes the payload is %q, want %q", len(x.dek), x.payload, want)
	}
	file := h.fileBytes()
	for _, text := range []string{value, note, "quite long enough", base64.StdEncoding.EncodeToString([]byte(value))[:40]} {
		if bytes.Contains(file, []byte(text)) {
			t.Errorf("the file holds %q", text)
		}
	}
	r, _, err := h.v.Get(ctx, h.as(h.owner), policy.RequestPath{Path: path(t, plain)}, 1)
	if err != nil || string(r.Value.Reveal()) != value || r.Metadata["note"] != note {
		t.Errorf("it reads as %v, %v", r, err)
	}
}

// TestGuarantee6KeysAndTokens: a key is in the file as its hash alone and a
// token not at all; neither is in an error or an event.
func TestGuarantee6KeysAndTokens(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	bot := h.agent("bot", "secrets:*:*")
	tok := h.token(bot.APIKey, "secrets:*:*")
	h.mustGet(tok.Token, plain, "v")
	typo := bot.APIKey[:len(bot.APIKey)-1] + "!"
	_, err := h.get(typo, plain)
	wantCode(t, "a mistyped key", err, api.CodeUnauthorized)
	if strings.Contains(err.Error(), typo[10:30]) {
		t.Errorf("the error repeats the key: %v", err)
	}
	for kind, key := range map[string]string{"owner": h.owner, "agent": bot.APIKey} {
		sum := sha256.Sum256([]byte(key))
		var c struct{ Kind, ID string }
		if err := json.Unmarshal(h.raw("credentials", hex.EncodeToString(sum[:]))[recordHeader:], &c); err != nil || c.Kind != kind {
			t.Errorf("the hash of a key of an %s leads to %+v, %v", kind, c, err)
		}
	}
	h.reopen()
	for _, name := range []string{"vault.db", "head", "reserve"} {
		b := h.readFile(name)
		for what, text := range map[string]string{"the owner's key": h.owner[20:], "the agent's key": bot.APIKey[20:], "the token": tok.Token[100:160]} {
			if bytes.Contains(b, []byte(text)) {
				t.Errorf("%s holds %s", name, what)
			}
		}
	}
}

// TestGuarantee6BitesAtOnce: the very next call of one who was revoked is
// refused, by a warm memory of tokens too, and after a start.
func TestGuarantee6BitesAtOnce(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	bot, max := h.agent("bot", "secrets:*:*"), h.agent("max", "secrets:*:*")
	gone, kept, theirs := h.token(bot.APIKey, "secrets:*:*"), h.token(bot.APIKey, "secrets:*:*"), h.token(max.APIKey, "secrets:*:*")
	for _, tok := range []api.TokenResponse{gone, kept, theirs} {
		h.mustGet(tok.Token, plain, "v")
	}
	if err := h.v.RevokeToken(ctx, h.as(bot.APIKey), gone.TokenID); err != nil {
		t.Fatal(err)
	}
	h.revokeAgent("max")
	for range 2 {
		for what, text := range map[string]string{"a revoked token": gone.Token, "a revoked agent's token": theirs.Token, "a revoked agent's key": max.APIKey} {
			_, err := h.get(text, plain)
			wantCode(t, what+" reads", err, api.CodeUnauthorized)
			_, err = h.put(text, plain, "x")
			wantCode(t, what+" writes", err, api.CodeUnauthorized)
			_, err = h.v.Me(ctx, h.as(text))
			wantCode(t, what+" asks who it is", err, api.CodeUnauthorized)
			_, err = h.v.IssueToken(ctx, h.as(text), api.TokenRequest{Scopes: []string{"secrets:read:*"}})
			wantCode(t, what+" makes a token", err, api.CodeUnauthorized)
		}
		h.mustGet(kept.Token, plain, "v")
		h.reopen()
	}
}

// byHand is a sealed value taken apart, with none of the code that does it
// otherwise but Tink's.
type byHand struct{ wrapped, ciphertext, dek, payload []byte }

func len16(texts ...string) (b []byte) {
	for _, s := range texts {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	return b
}

func cut16(b []byte) (first, rest []byte) {
	n := 2 + int(binary.BigEndian.Uint16(b))
	return b[2:n], b[n:]
}

// openByHand opens what ARCHITECTURE draws as a sealed value.
func (h *house) openByHand(sealed []byte, p string, version uint64) (out byHand) {
	h.t.Helper()
	kek, rest := cut16(sealed)
	out.wrapped, out.ciphertext = cut16(rest)
	bound := func(label string) []byte {
		b := len16(label, h.v.Tenant(), h.info(p).ID, p)
		return append(binary.BigEndian.AppendUint64(b, version), len16(string(kek))...)
	}
	var err error
	if out.dek, err = h.kek(string(kek)).Decrypt(out.wrapped, bound("ass-dek-v1")); err != nil {
		h.t.Fatal(err)
	}
	block, err := aes.NewCipher(out.dek)
	if err != nil {
		h.t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		h.t.Fatal(err)
	}
	if out.payload, err = gcm.Open(nil, out.ciphertext[:12], out.ciphertext[12:], bound("ass-value-v1")); err != nil {
		h.t.Fatal(err)
	}
	return out
}

// sealedKeyset is the ciphertext of a keyset, as Tink reads it.
type sealedKeyset []byte

func (s sealedKeyset) Read() (*tinkpb.Keyset, error) { return nil, errors.ErrUnsupported }

func (s sealedKeyset) ReadEncrypted() (*tinkpb.EncryptedKeyset, error) {
	return &tinkpb.EncryptedKeyset{EncryptedKeyset: s}, nil
}

// kek is the keyset of that id, opened with the root key.
func (h *house) kek(id string) tink.AEAD {
	h.t.Helper()
	var blob struct{ Sealed []byte }
	err := json.Unmarshal(h.raw("keys", "kek/"+id)[recordHeader:], &blob)
	if err != nil {
		h.t.Fatal(err)
	}
	wrap, err := unlocked(h.t, h, h.v.Tenant()).WrapAEAD()
	if err != nil {
		h.t.Fatal(err)
	}
	handle, err := keyset.ReadWithAssociatedData(sealedKeyset(blob.Sealed), wrap, len16("ass-key-v1", "kek", h.v.Tenant(), id))
	if err != nil {
		h.t.Fatal(err)
	}
	kek, err := aead.New(handle)
	if err != nil {
		h.t.Fatal(err)
	}
	return kek
}
