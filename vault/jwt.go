package vault

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// claims are what a token says of itself. They open nothing by themselves: the
// record that jti names decides, and must say the same.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"` // the tenant
	Subject  string   `json:"sub"` // id of the holder
	ID       string   `json:"jti"`
	IssuedAt int64    `json:"iat"` // Unix seconds, as is Expires
	Expires  int64    `json:"exp"`
	Scopes   []string `json:"scopes"`
}

const (
	issuer    = "assd"
	tokenType = "at+jwt" // RFC 9068
	maxToken  = 16 << 10 // bytes of a token that is looked at
)

var errToken = errors.New("the token is not one of this vault's")

// tokenKey signs and checks tokens, and remembers those it has checked.
type tokenKey struct {
	id     string
	tenant string
	key    ed25519.PrivateKey
	header jws.Headers
	known  tokenMemory
}

func newTokenKey(id, tenant string, key ed25519.PrivateKey) (*tokenKey, error) {
	h := jws.NewHeaders()
	if err := errors.Join(h.Set(jws.TypeKey, tokenType), h.Set(jws.KeyIDKey, id)); err != nil {
		return nil, fmt.Errorf("preparing token header: %w", err)
	}
	return &tokenKey{id: id, tenant: tenant, key: key, header: h}, nil
}

func (k *tokenKey) sign(c claims) (string, error) {
	c.Issuer, c.Audience = issuer, k.tenant
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	b, err := jws.Sign(payload, jws.WithKey(jwa.EdDSA(), k.key, jws.WithProtectedHeaders(k.header)))
	if err != nil {
		return "", fmt.Errorf("signing token: %w", err)
	}
	return string(b), nil
}

// check is the claims of a token that this vault signed. Whether it still
// counts, the record says.
func (k *tokenKey) check(token string, now time.Time) (claims, error) {
	if len(token) > maxToken {
		return claims{}, errToken
	}
	sum := sha256.Sum256([]byte(token))
	if c, ok := k.known.get(sum); ok {
		return c, nil
	}
	c, err := k.parse([]byte(token))
	if err != nil {
		return claims{}, errToken
	}
	if len(token) <= rememberedToken {
		k.known.put(sum, c, now)
	}
	return c, nil
}

func (k *tokenKey) parse(token []byte) (c claims, err error) {
	payload, err := jws.Verify(token, jws.WithKey(jwa.EdDSA(), k.key.Public()), jws.WithCompact())
	if err != nil {
		return c, err
	}
	msg, err := jws.Parse(token, jws.WithCompact())
	if err != nil || len(msg.Signatures()) != 1 {
		return c, errToken
	}
	h := msg.Signatures()[0].ProtectedHeaders()
	alg, _ := h.Algorithm() // Verify goes by the key and does not look at it
	typ, _ := h.Type()
	kid, _ := h.KeyID()
	if alg != jwa.EdDSA() || typ != tokenType || kid != k.id {
		return c, errToken
	}
	if err := json.Unmarshal(payload, &c); err != nil || c.Issuer != issuer || c.Audience != k.tenant {
		return c, errToken
	}
	return c, nil
}

// agrees reports whether the claims are those of the record.
func (c claims) agrees(t *token) bool {
	return c.ID == t.ID && c.Subject == t.Holder && c.IssuedAt == t.Created.Unix() &&
		c.Expires == t.Expires.Unix() && slices.Equal(c.Scopes, t.Scopes)
}

// public is the public half as a JSON Web Key.
func (k *tokenKey) public() map[string]string {
	return map[string]string{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": k.id,
		"x": base64.RawURLEncoding.EncodeToString(k.key.Public().(ed25519.PublicKey)),
	}
}

// tokenMemory remembers tokens whose signature has been checked, by their hash.
// It saves the check of the signature and decides nothing.
type tokenMemory struct {
	mu sync.RWMutex
	m  map[[sha256.Size]byte]claims
}

// What is remembered: so many tokens, none longer than so many bytes.
const (
	tokenMemorySize = 16384
	rememberedToken = 2 << 10
)

func (t *tokenMemory) get(sum [sha256.Size]byte) (claims, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	c, ok := t.m[sum]
	return c, ok
}

func (t *tokenMemory) put(sum [sha256.Size]byte, c claims, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.m) >= tokenMemorySize {
		t.forgetExpired(now)
	}
	if t.m == nil || len(t.m) >= tokenMemorySize {
		t.m = make(map[[sha256.Size]byte]claims)
	}
	t.m[sum] = c
}

func (t *tokenMemory) forgetExpired(now time.Time) {
	for sum, c := range t.m {
		if c.Expires <= now.Unix() {
			delete(t.m, sum)
		}
	}
}
