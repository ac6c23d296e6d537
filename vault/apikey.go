package vault

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// A key is a prefix, 256 random bits in base62, and a CRC-32 in base62, so that
// a typo is told from a wrong key and scanners can match keys.
const (
	ownerPrefix = api.OwnerKeyPrefix
	agentPrefix = api.AgentKeyPrefix
	keyBody     = 43 // base62 digits of 256 bits
	keyCheck    = 6  // base62 digits of 32 bits
	keyShown    = 6  // characters of the body that listings show
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var errKeyTypo = errors.New("the key is mistyped or cut: its checksum does not match")

// newKey is a fresh key and the prefix of it that may be shown.
func newKey(prefix string) (key, shown string) {
	var b [32]byte
	rand.Read(b[:])
	body := prefix + toBase62(new(big.Int).SetBytes(b[:]), keyBody)
	return body + checksum(body), body[:len(prefix)+keyShown]
}

func toBase62(n *big.Int, digits int) string {
	out := make([]byte, digits)
	base, rest := big.NewInt(int64(len(base62))), new(big.Int)
	for i := digits - 1; i >= 0; i-- {
		n.DivMod(n, base, rest)
		out[i] = base62[rest.Int64()]
	}
	return string(out)
}

func checksum(body string) string {
	return toBase62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), keyCheck)
}

// isKey reports whether s means to be a key rather than a token.
func isKey(s string) bool {
	return strings.HasPrefix(s, ownerPrefix) || strings.HasPrefix(s, agentPrefix)
}

// hashKey checks the checksum of a key and returns the hash it is stored under.
func hashKey(s string) (string, error) {
	cut := len(s) - keyCheck
	if cut <= keyBody || checksum(s[:cut]) != s[cut:] {
		return "", errKeyTypo
	}
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:]), nil
}
