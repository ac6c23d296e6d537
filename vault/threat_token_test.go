package vault_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// jwt is a token taken apart; sign puts it together again.
type jwt struct{ header, claims map[string]any }

var b64 = base64.RawURLEncoding

func parseJWT(t testing.TB, text string) jwt {
	t.Helper()
	var j jwt
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	for i, into := range []*map[string]any{&j.header, &j.claims} {
		b, err := b64.DecodeString(parts[i])
		if err == nil {
			d := json.NewDecoder(strings.NewReader(string(b)))
			d.UseNumber()
			err = d.Decode(into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return j
}

// with is j with one field of header ("header.kid") or claims changed; nil
// removes it.
func (j jwt) with(field string, value any) jwt {
	out := jwt{maps.Clone(j.header), maps.Clone(j.claims)}
	into, name := out.claims, field
	if rest, ok := strings.CutPrefix(field, "header."); ok {
		into, name = out.header, rest
	}
	if value == nil {
		delete(into, name)
	} else {
		into[name] = value
	}
	return out
}

func (j jwt) signed(sign func([]byte) []byte) string {
	h, _ := json.Marshal(j.header)
	c, _ := json.Marshal(j.claims)
	text := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	return text + "." + b64.EncodeToString(sign([]byte(text)))
}

func signEd(key ed25519.PrivateKey) func([]byte) []byte {
	return func(b []byte) []byte { return ed25519.Sign(key, b) }
}

// stolenKey is the key that signs the tokens of h, taken with its key file: the
// strongest forger there can be.
func stolenKey(t *testing.T, h *house) ed25519.PrivateKey {
	t.Helper()
	root := unlocked(t, h, h.v.Tenant())
	var blob struct{ Sealed []byte }
	name := h.lastKey("keys") // token/…, the last in order
	if err := json.Unmarshal(h.raw("keys", name)[recordHeader:], &blob); err != nil {
		t.Fatal(err)
	}
	seed, err := root.Open(seal.RoleToken, h.v.Tenant(), strings.TrimPrefix(name, "token/"), blob.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func TestThreat09ATokenIsAHandle(t *testing.T) {
	t.Run("forged", testForgedTokens)
	t.Run("expired", testExpiredTokens)
	t.Run("revoked and its record deleted", testDeletedTokenRecord)
	t.Run("max uses", testMaxUses)
	t.Run("max uses and refusals", testMaxUsesAndRefusals)
	t.Run("addresses", testAddresses)
	t.Run("within its holder", testTokenWithinHolder)
	t.Run("tokens make no tokens", func(t *testing.T) {
		h := newHouse(t)
		tok := h.token(h.owner, "secrets:*:*")
		_, err := h.v.IssueToken(ctx, h.as(tok.Token), api.TokenRequest{Scopes: []string{"secrets:read:*"}})
		wantCode(t, "a token issues", err, api.CodeScopeDenied)
		wantCode(t, "a token revokes", h.v.RevokeToken(ctx, h.as(tok.Token), tok.TokenID), api.CodeScopeDenied)
		_, err = h.v.CreateAgent(ctx, h.as(tok.Token), api.AgentCreate{Name: "x"})
		wantCode(t, "an owner's token makes an agent", err, api.CodeScopeDenied)
		_, _, _, err = h.v.Audit(ctx, h.as(tok.Token), audit.Filter{}, 10)
		wantCode(t, "an owner's token reads the trail", err, api.CodeScopeDenied)
	})
}

func testForgedTokens(t *testing.T) {
	h, other := newHouse(t), newHouse(t)
	h.mustPut(h.owner, plain, "v")
	other.mustPut(other.owner, plain, "v")
	bot, max := h.agent("bot", "secrets:read:*"), h.agent("max", "secrets:*:*")
	tok := h.token(bot.APIKey, "secrets:read:"+plain)
	wide := h.token(max.APIKey, "secrets:*:*")
	foreign := other.token(other.owner, "secrets:*:*")

	j, key := parseJWT(t, tok.Token), stolenKey(t, h)
	ours := signEd(key)
	h.mustGet(j.signed(ours), plain, "v") // the forger's tools work

	_, strange, _ := ed25519.GenerateKey(rand.Reader)
	public := key.Public().(ed25519.PublicKey)
	hs256 := func(b []byte) []byte {
		m := hmac.New(sha256.New, public)
		m.Write(b)
		return m.Sum(nil)
	}
	none := func([]byte) []byte { return nil }
	parts := strings.Split(tok.Token, ".")
	wider := strings.Split(j.with("scopes", []string{"secrets:*:*"}).signed(ours), ".")

	forged := map[string]string{
		"alg none":                         j.with("header.alg", "none").signed(none),
		"alg none, signature kept":         j.with("header.alg", "none").signed(ours),
		"HS256 by the public key":          j.with("header.alg", "HS256").signed(hs256),
		"EdDSA by name, HS256 by nature":   j.signed(hs256),
		"another's key, our kid":           j.signed(signEd(strange)),
		"another's key and kid":            j.with("header.kid", "jwk_aaaaaaaaaaaaaaaaaaaaaaaaaa").signed(signEd(strange)),
		"another tenant's token":           foreign.Token,
		"changed claims, signature kept":   parts[0] + "." + wider[1] + "." + parts[2],
		"no signature":                     parts[0] + "." + parts[1] + ".",
		"two parts":                        parts[0] + "." + parts[1],
		"junk behind":                      tok.Token + ".x",
		"JSON serialization":               fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, parts[1], parts[0], parts[2]),
		"our key, another kid":             j.with("header.kid", "jwk_aaaaaaaaaaaaaaaaaaaaaaaaaa").signed(ours),
		"our key, no kid":                  j.with("header.kid", nil).signed(ours),
		"our key, another typ":             j.with("header.typ", "JWT").signed(ours),
		"our key, no typ":                  j.with("header.typ", nil).signed(ours),
		"our key, another alg":             j.with("header.alg", "ES256").signed(ours),
		"our key, a critical extension":    j.with("header.crit", []string{"b64"}).with("header.b64", false).signed(ours),
		"our key, another issuer":          j.with("iss", "other").signed(ours),
		"our key, another audience":        j.with("aud", other.v.Tenant()).signed(ours),
		"our key, no audience":             j.with("aud", nil).signed(ours),
		"our key, more scopes":             j.with("scopes", []string{"secrets:read:" + plain, "secrets:*:*"}).signed(ours),
		"our key, no scopes":               j.with("scopes", nil).signed(ours),
		"our key, a later end":             j.with("exp", tok.ExpiresAt.Unix()+1).signed(ours),
		"our key, no end":                  j.with("exp", nil).signed(ours),
		"our key, an earlier beginning":    j.with("iat", tok.ExpiresAt.Unix()-3600).signed(ours),
		"our key, another's id":            j.with("jti", wide.TokenID).signed(ours),
		"our key, another holder":          j.with("sub", max.ID).signed(ours),
		"our key, another's id and holder": j.with("jti", wide.TokenID).with("sub", max.ID).signed(ours),
		"our key, an id that never was":    j.with("jti", "tok_aaaaaaaaaaaaaaaaaaaaaaaaaa").signed(ours),
		"our key, no id":                   j.with("jti", nil).signed(ours),
		"our key, an id of a path":         j.with("jti", plain).signed(ours),
		"a record's own key as token":      tok.TokenID,
		"very long":                        tok.Token + strings.Repeat("A", 1<<20),
		"nothing":                          "",
		"a dot":                            ".",
	}
	for name, text := range forged {
		if _, err := h.get(text, plain); api.CodeOf(err) != api.CodeUnauthorized || err == nil {
			t.Errorf("%s: %v, want UNAUTHORIZED", name, err)
		}
		if _, err := h.put(text, plain, "mine"); api.CodeOf(err) != api.CodeUnauthorized || err == nil {
			t.Errorf("%s, a write: %v, want UNAUTHORIZED", name, err)
		}
	}
	h.mustGet(tok.Token, plain, "v")
}

func testExpiredTokens(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	tok := h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:read:*"}, TTL: ptr(api.TTL(time.Minute))})
	fresh := h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:read:*"}, TTL: ptr(api.TTL(time.Hour))})
	h.clock.advance(time.Minute - time.Millisecond)
	h.mustGet(tok.Token, plain, "v")
	h.clock.advance(time.Millisecond)
	_, err := h.get(tok.Token, plain)
	wantCode(t, "at its end", err, api.CodeUnauthorized)

	// The clock is put back; the trail knows better.
	h.clock.advance(-30 * time.Minute)
	_, err = h.get(tok.Token, plain)
	wantCode(t, "with the clock put back", err, api.CodeUnauthorized)
	h.mustGet(fresh.Token, plain, "v")
	ev := h.last()
	if ev.Clock == nil || !ev.Clock.Time.Equal(h.clock.Now()) || !ev.Time.Time.After(h.clock.Now()) {
		t.Errorf("event %d at %v notes the clock %v, which shows %v", ev.Seq, ev.Time, ev.Clock, h.clock.Now())
	}
	h.reopen()
	_, err = h.get(tok.Token, plain)
	wantCode(t, "after a start with the clock put back", err, api.CodeUnauthorized)
}

// TestExpiredTokensGo: the record of a token goes some time after its end, and
// put back into the file it opens nothing.
func TestExpiredTokensGo(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	var old []api.TokenResponse
	for range 20 {
		old = append(old, h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:read:*"}, TTL: ptr(api.TTL(time.Minute))}))
	}
	raw := map[place][]byte{}
	for _, tok := range old {
		at := place{"tokens", tok.TokenID}
		raw[at] = h.raw(at.bucket, at.key)
		hint := place{"expiry", string(binary.BigEndian.AppendUint64(nil, uint64(tok.ExpiresAt.Unix()))) + tok.TokenID}
		raw[hint] = []byte{}
	}
	h.clock.advance(2 * time.Minute)
	for range 3 {
		h.token(h.owner, "secrets:read:*")
	}
	if got := len(h.keys("tokens")); got != 3 {
		t.Errorf("%d records of tokens are left, want the 3 that live", got)
	}
	if got := len(h.keys("expiry")); got != 3 {
		t.Errorf("%d hints are left, want 3", got)
	}
	if got := h.checked(); got != "ok" {
		t.Fatal(got)
	}
	if got := closedReport(&scene{house: h}); got.Problem != "" {
		t.Errorf("without the expired records: %s", got.Problem)
	}

	h.close()
	h.setRaw(raw)
	h.clock.advance(-2 * time.Minute) // back to when they lived
	h.open()
	for range 2 { // before and after the check of the chain
		for _, tok := range old {
			if _, err := h.get(tok.Token, plain); err == nil {
				t.Fatal("a token came back")
			}
		}
		h.checked()
	}
	h.clock.advance(2 * time.Minute)
	list, err := h.v.Tokens(ctx, h.as(h.owner))
	if err != nil || len(list) != 3 {
		t.Errorf("%d tokens are listed as live, want 3; %v", len(list), err)
	}
	_, err = h.v.IssueToken(ctx, h.as(h.owner), api.TokenRequest{Scopes: []string{"secrets:read:*"}})
	wantCode(t, "a new token beside them", err, "")
}

// TestExpiryHints: what stands in the bucket of expiries is a hint and ends no
// token before its time.
func TestExpiryHints(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	tok := h.token(h.owner, "secrets:read:*")
	h.close()
	h.setRaw(map[place][]byte{
		{"expiry", string(make([]byte, 8)) + tok.TokenID}: {},
		{"expiry", string(make([]byte, 8)) + "tok_none"}:  {},
		{"expiry", "short"}: {},
	})
	h.tampered = false // it is no record, so the vault verifies
	h.open()
	h.token(h.owner, "secrets:read:*")
	h.mustGet(tok.Token, plain, "v")
}

func testDeletedTokenRecord(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	tok, live := h.token(h.owner, "secrets:read:*"), h.token(h.owner, "secrets:read:*")
	h.revokeToken(tok)
	_, err := h.get(tok.Token, plain)
	wantCode(t, "revoked", err, api.CodeUnauthorized)
	h.close()
	h.removeRaw(place{"tokens", tok.TokenID}, place{"tokens", live.TokenID})
	h.open()
	for _, text := range []string{tok.Token, live.Token} {
		_, err = h.get(text, plain)
		wantCode(t, "its record deleted", err, api.CodeUnauthorized)
	}
	h.checked()
	for _, text := range []string{tok.Token, live.Token} {
		_, err = h.get(text, plain)
		wantCode(t, "its record deleted, the chain checked", err, api.CodeUnauthorized)
	}
}

func testMaxUses(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	const uses = 37
	tok := h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:*:*"}, MaxUses: ptr(uses)})
	var wg sync.WaitGroup
	var served atomic.Int64
	for i := range 64 {
		wg.Go(func() {
			var err error
			switch i % 3 { // every kind of use counts
			case 0:
				_, err = h.get(tok.Token, plain)
			case 1:
				_, err = h.put(tok.Token, fmt.Sprintf("a/K%d", i), "v")
			default:
				_, err = h.v.List(ctx, h.as(tok.Token), ns(t, "production"))
			}
			if err == nil {
				served.Add(1)
			} else {
				wantCode(t, "a use too many", err, api.CodeUnauthorized)
			}
		})
	}
	wg.Wait()
	if served.Load() != uses {
		t.Errorf("%d uses of %d", served.Load(), uses)
	}
	used := 0
	for _, ev := range h.trail(audit.Filter{}) {
		if ev.TokenID == tok.TokenID && ev.Outcome == audit.OK && ev.Action != audit.TokenCreate {
			used++
		}
	}
	if used != uses {
		t.Errorf("the trail has %d uses of %d", used, uses)
	}
	h.reopen()
	_, err := h.get(tok.Token, plain)
	wantCode(t, "used up, after a start", err, api.CodeUnauthorized)
}

// testMaxUsesAndRefusals: what is refused is no use.
func testMaxUsesAndRefusals(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	tok := h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:read:production/*"}, MaxUses: ptr(1)})
	_, err := h.get(tok.Token, hidden)
	wantCode(t, "beyond it", err, api.CodeScopeDenied)
	_, err = h.put(tok.Token, plain, "x")
	wantCode(t, "another act", err, api.CodeScopeDenied)
	_, err = h.get(tok.Token, "production/MISSING")
	wantCode(t, "what is not there", err, api.CodeSecretNotFound)
	h.mustGet(tok.Token, plain, "v")
	_, err = h.get(tok.Token, plain)
	wantCode(t, "once more", err, api.CodeUnauthorized)
}

func testAddresses(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	for _, tc := range []struct {
		list    []string
		in, out []vault.Origin
	}{
		{[]string{"local"}, []vault.Origin{local(0), local(1000)}, []vault.Origin{remote("127.0.0.1"), remote("::1"), {}}},
		{[]string{"10.1.2.3"}, []vault.Origin{remote("10.1.2.3")}, []vault.Origin{local(1000), remote("10.1.2.4"), remote("::a01:203"), {}}},
		{[]string{"10.1.0.0/16", "192.168.1.1"}, []vault.Origin{remote("10.1.255.255"), remote("192.168.1.1")},
			[]vault.Origin{remote("10.2.0.0"), remote("192.168.1.2"), local(1000)}},
		{[]string{"10.1.2.3/16"}, []vault.Origin{remote("10.1.9.9")}, []vault.Origin{remote("10.2.2.3")}},
		{[]string{"::ffff:10.1.2.3"}, []vault.Origin{remote("10.1.2.3")}, []vault.Origin{remote("10.1.2.4"), local(1000)}},
		{[]string{"::ffff:10.1.0.0/112"}, []vault.Origin{remote("10.1.2.3")}, []vault.Origin{remote("10.2.2.3"), local(1000)}},
		{[]string{"fe80::1%eth0"}, []vault.Origin{remote("fe80::1")}, []vault.Origin{remote("fe80::2")}},
		{[]string{"2001:db8::/32"}, []vault.Origin{remote("2001:db8:1::1")}, []vault.Origin{remote("2001:db9::1"), remote("10.1.2.3"), local(1000)}},
		{[]string{"::1", "local"}, []vault.Origin{remote("::1"), local(1)}, []vault.Origin{remote("127.0.0.1")}},
		{[]string{"0.0.0.0/0"}, []vault.Origin{remote("8.8.8.8")}, []vault.Origin{remote("2001:db8::1"), local(1000)}},
		{nil, []vault.Origin{local(1000), remote("8.8.8.8"), remote("::1")}, nil},
	} {
		tok := h.issue(h.owner, api.TokenRequest{Scopes: []string{"secrets:read:*"}, IPAllowlist: tc.list})
		for _, o := range tc.in {
			if _, err := h.read(h.from(tok.Token, o), plain, 0); err != nil {
				t.Errorf("%q from %s local=%v: %v", tc.list, o.Addr, o.Local, err)
			}
		}
		for _, o := range tc.out {
			if _, err := h.read(h.from(tok.Token, o), plain, 0); err == nil || api.CodeOf(err) != api.CodeUnauthorized {
				t.Errorf("%q from %s local=%v: %v, want UNAUTHORIZED", tc.list, o.Addr, o.Local, err)
			}
		}
	}
	for _, bad := range []string{"", "localhost", "10.1.2", "10.1.2.3/33", "fe80::1%eth0/64", "Local", " local", "010.1.2.3", "10.0.0.0/08", "::ffff:10.1.0.0/95"} {
		_, err := h.v.IssueToken(ctx, h.as(h.owner), api.TokenRequest{Scopes: []string{"secrets:read:*"}, IPAllowlist: []string{bad}})
		wantCode(t, fmt.Sprintf("an allow-list of %q", bad), err, api.CodeValidation)
	}
}

func testTokenWithinHolder(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	h.mustPut(h.owner, hidden, "v")
	bot := h.limited("bot", []string{"production"}, "secrets:read:*", "secrets:write:production/*")
	for scope, want := range map[string]api.Code{
		"secrets:read:production/*":    "",
		"secrets:read:" + plain:        "",
		"secrets:write:production/a/*": "",
		"read:secrets":                 "",
		"namespaces:read":              "",
		"manage:agents":                "",
		"secrets:read:*":               api.CodeScopeDenied,
		"secrets:read:" + hidden:       api.CodeScopeDenied,
		"secrets:delete:" + plain:      api.CodeScopeDenied,
		"secrets:*:production/*":       api.CodeScopeDenied,
		"secrets:rotate:production/*":  api.CodeScopeDenied,
		"secrets:read:productio/*":     api.CodeScopeDenied,
		"secrets:read:production2/*":   api.CodeScopeDenied,
		"secrets:read:*/PLAIN":         api.CodeScopeDenied,
		"secrets:read:production*":     api.CodeValidation,
		"secrets:read:production/../x": api.CodeValidation,
		"secrets:read":                 "",
		"everything":                   api.CodeValidation,
	} {
		got, err := h.v.IssueToken(ctx, h.as(bot.APIKey), api.TokenRequest{Scopes: []string{scope}})
		wantCode(t, scope, err, want)
		if err != nil && got.Token != "" {
			t.Errorf("%s: a token came with the refusal", scope)
		}
	}
	// A relative scope is over the holder's namespaces.
	tok := h.token(bot.APIKey, "read:secrets")
	h.mustGet(tok.Token, plain, "v")
	_, err := h.get(tok.Token, hidden)
	wantCode(t, "beyond the holder's namespaces", err, api.CodeScopeDenied)
	// A refusal that names one secret is the refused act itself.
	ev := h.trail(audit.Filter{Action: "secret.read", Namespace: "staging"})
	if len(ev) == 0 || ev[0].Action != audit.SecretRead.Denied() || ev[0].Key != "HIDDEN" || ev[0].Actor.ID != bot.ID {
		t.Errorf("the refusal of a scope on one secret is told as %+v", ev)
	}
}
