package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/crypto/argon2"
)

// Labels of the two layers, and of the root key's part in the outer one.
const (
	innerLabel    = "ass-passphrase-v1"
	outerLabel    = "ass-passphrase-outer-v1"
	approvalLabel = "approval-wrap"
)

// wrapOverhead is what both layers add, in bytes.
const wrapOverhead = 2 * (subtle.AESGCMIVSize + subtle.AESGCMTagSize)

// HolderRecovery is the holder whose passphrase was generated and put away; the
// other holders are owners.
const HolderRecovery = "recovery"

// Errors of wraps. That the outer layer does not open is [ErrOpen].
var (
	ErrWrap            = errors.New("malformed passphrase wrap")
	ErrWrongPassphrase = errors.New("wrong passphrase")
)

// PassphraseWrap is a key in two layers, the passphrase of one holder inside
// and the root key outside, so that neither opens it alone. On disk:
//
//	{"argon2":{…},"salt":"32 bytes, base64","wrapped":"57 bytes to 64 KiB and 56, base64"}
//
//	key     = HKDF-SHA256(Argon2id(passphrase, salt, argon2), info "ass-passphrase-v1/approval")
//	inner   = AES-256-GCM(key, plaintext, ad with "ass-passphrase-v1"): nonce ‖ sealed ‖ tag
//	wrapped = AES-256-GCM(root's key "ass-v1/approval-wrap", inner, ad with "ass-passphrase-outer-v1")
//	ad      = len16 ‖ label ‖ len16 ‖ "approval" ‖ len16 ‖ tenant ‖ len16 ‖ key id ‖ len16 ‖ holder ‖ len16 ‖ salt ‖
//	          memory in KiB, 4 bytes ‖ time, 4 bytes ‖ threads, 1 byte
//
// BUG(seal): x/crypto/argon2 leaves its working memory, and x/text and AES
// their copies, to the garbage collector; only this package's own copies are
// cleared.
type PassphraseWrap struct {
	Argon2  Argon2Params `json:"argon2"`
	Salt    []byte       `json:"salt"`
	Wrapped []byte       `json:"wrapped"`
}

// ApprovalAEAD returns the outer layer of wraps: AES-256-GCM under a key of its
// own label. It works on when the root key is wiped, and opens nothing else.
func (r *RootKey) ApprovalAEAD() (tink.AEAD, error) { return r.AEAD(approvalLabel) }

// WrapUnderPassphrase wraps plaintext, 1 byte to 64 KiB, for one holder: an
// owner's id or [HolderRecovery]. outer is that of [RootKey.ApprovalAEAD]. It
// takes the time and memory that params say.
func WrapUnderPassphrase(outer tink.AEAD, tenant, keyID, holder string, p Passphrase, params Argon2Params, plaintext []byte) (PassphraseWrap, error) {
	w := PassphraseWrap{Argon2: params, Salt: make([]byte, saltSize)}
	rand.Read(w.Salt)
	var err error
	if w.Wrapped, err = w.seal(outer, wrapPlace{tenant, keyID, holder}, p, plaintext); err != nil {
		return PassphraseWrap{}, fmt.Errorf("wrapping key %q for %q: %w", keyID, holder, err)
	}
	return w, nil
}

func (w PassphraseWrap) seal(outer tink.AEAD, at wrapPlace, p Passphrase, plaintext []byte) ([]byte, error) {
	if len(plaintext) == 0 || len(plaintext) > maxPlain {
		return nil, fmt.Errorf("not 1 to %d bytes", maxPlain)
	}
	if err := w.checkInputs(); err != nil {
		return nil, err
	}
	innerAD, outerAD, err := w.associatedData(at)
	if err != nil {
		return nil, err
	}
	inner, err := w.inner(p)
	if err != nil {
		return nil, err
	}
	blob, err := inner.Encrypt(plaintext, innerAD)
	if err != nil {
		return nil, err
	}
	return outer.Encrypt(blob, outerAD)
}

// Unwrap returns what was wrapped, to be cleared by the caller. It fails with
// [ErrWrap] when Check does; with [ErrOpen], before it computes anything long,
// for another root key, tenant, key id or holder and for changed bytes or
// parameters; and with [ErrWrongPassphrase].
func (w PassphraseWrap) Unwrap(outer tink.AEAD, tenant, keyID, holder string, p Passphrase) ([]byte, error) {
	plain, err := w.open(outer, wrapPlace{tenant, keyID, holder}, p)
	if err != nil {
		return nil, fmt.Errorf("unwrapping key %q for %q: %w", keyID, holder, err)
	}
	return plain, nil
}

func (w PassphraseWrap) open(outer tink.AEAD, at wrapPlace, p Passphrase) ([]byte, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	innerAD, outerAD, err := w.associatedData(at)
	if err != nil {
		return nil, err
	}
	blob, err := outer.Decrypt(w.Wrapped, outerAD)
	if err != nil {
		return nil, ErrOpen
	}
	inner, err := w.inner(p)
	if err != nil {
		return nil, err
	}
	plain, err := inner.Decrypt(blob, innerAD)
	if err != nil {
		return nil, ErrWrongPassphrase
	}
	return plain, nil
}

// Rewrap is w under the outer layer of another root key: what is inside, and what it is
// bound to, stays. It takes no passphrase. It fails as Unwrap does with [ErrWrap] and
// [ErrOpen].
func (w PassphraseWrap) Rewrap(outer, next tink.AEAD, tenant, keyID, holder string) (PassphraseWrap, error) {
	fail := func(err error) (PassphraseWrap, error) {
		return PassphraseWrap{}, fmt.Errorf("wrapping key %q for %q anew: %w", keyID, holder, err)
	}
	if err := w.Check(); err != nil {
		return fail(err)
	}
	ad, err := w.labelled(outerLabel, wrapPlace{tenant, keyID, holder})
	if err != nil {
		return fail(err)
	}
	inner, err := outer.Decrypt(w.Wrapped, ad)
	if err != nil {
		return fail(ErrOpen)
	}
	if w.Wrapped, err = next.Encrypt(inner, ad); err != nil {
		return fail(err)
	}
	return w, nil
}

// Check reports the first size or parameter that is out of bounds, without
// computing anything. Errors wrap [ErrWrap].
func (w PassphraseWrap) Check() error {
	if n := len(w.Wrapped); n <= wrapOverhead || n > wrapOverhead+maxPlain {
		return fmt.Errorf("%w: wrapped key has %d bytes", ErrWrap, n)
	}
	return w.checkInputs()
}

func (w PassphraseWrap) checkInputs() error {
	if len(w.Salt) != saltSize {
		return fmt.Errorf("%w: salt has %d bytes, not %d", ErrWrap, len(w.Salt), saltSize)
	}
	if err := w.Argon2.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrWrap, err)
	}
	return nil
}

// inner returns the cipher of the inner layer. It is what takes long.
func (w PassphraseWrap) inner(p Passphrase) (tink.AEAD, error) {
	text, err := p.bytes()
	if err != nil {
		return nil, err
	}
	stretched := argon2.IDKey(text, w.Salt, w.Argon2.Time, w.Argon2.MemoryKiB, w.Argon2.Threads, keySize)
	defer clear(stretched)
	key, err := hkdf.Key(sha256.New, stretched, nil, innerLabel+"/"+string(RoleApproval), keySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return subtle.NewAESGCM(key)
}

// wrapPlace is what a wrap is for; it opens for nothing else.
type wrapPlace struct{ tenant, keyID, holder string }

func (w PassphraseWrap) associatedData(at wrapPlace) (inner, outer []byte, err error) {
	if inner, err = w.labelled(innerLabel, at); err != nil {
		return nil, nil, err
	}
	outer, err = w.labelled(outerLabel, at)
	return inner, outer, err
}

func (w PassphraseWrap) labelled(label string, at wrapPlace) ([]byte, error) {
	b := lengthPrefixed(label, string(RoleApproval), at.tenant, at.keyID, at.holder, string(w.Salt))
	w.Argon2.addTo(b)
	return b.Bytes()
}
