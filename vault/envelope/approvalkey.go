package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/hybrid"
	"github.com/tink-crypto/tink-go/v2/hybrid/hpke"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/key"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrApprovalKey means that bytes are not the half of an approval key that they
// were given as.
var ErrApprovalKey = errors.New("not an approval key")

var errApprovalID = errors.New(`approval key id is not "apk_" and 26 base32 digits`)

// ApprovalKey is the private half of a keyset with one HPKE key (RFC 9180:
// X25519, HKDF-SHA256, AES-256-GCM); it opens what its [ApprovalRecipient]
// seals. It is in memory only while someone has approved a read, safe for
// concurrent use, and prints as its id.
type ApprovalKey struct {
	id string
	// A closure, as in [Plaintext].
	keys func() approvalKeys
}

type approvalKeys struct {
	handle    *keyset.Handle
	decrypt   tink.HybridDecrypt
	recipient *ApprovalRecipient
}

// NewApprovalKey makes a random approval key. id is "apk_" and 26 lower-case
// base32 digits.
func NewApprovalKey(id string) (*ApprovalKey, error) {
	handle, err := keyset.NewHandle(hybrid.DHKEM_X25519_HKDF_SHA256_HKDF_SHA256_AES_256_GCM_Key_Template())
	if err != nil {
		return nil, fmt.Errorf("making approval key %.40q: %w", id, err)
	}
	return newApprovalKey(id, handle)
}

// OpenApprovalKey makes the key of what Private gave; it does not keep private.
// Errors of what private holds are [ErrApprovalKey].
func OpenApprovalKey(id string, private []byte) (*ApprovalKey, error) {
	if len(private) > maxKeyset {
		return nil, fmt.Errorf("opening approval key %.40q: %w", id, ErrApprovalKey)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(private)))
	if err != nil || !holdsOne[*hpke.PrivateKey](handle) {
		return nil, fmt.Errorf("opening approval key %.40q: %w", id, ErrApprovalKey) // and not err, which may quote
	}
	return newApprovalKey(id, handle)
}

func newApprovalKey(id string, handle *keyset.Handle) (*ApprovalKey, error) {
	public, err := handle.Public()
	if err != nil {
		return nil, fmt.Errorf("building approval key %.40q: %w", id, err)
	}
	recipient, err := newApprovalRecipient(id, public)
	if err != nil {
		return nil, err
	}
	decrypt, err := hybrid.NewHybridDecrypt(handle)
	if err != nil {
		return nil, fmt.Errorf("building approval key %q: %w", id, err)
	}
	keys := approvalKeys{handle: handle, decrypt: decrypt, recipient: recipient}
	return &ApprovalKey{id: id, keys: func() approvalKeys { return keys }}, nil
}

// holdsOne reports whether the keyset has one key, a K of the kind that approval
// keys are. Tink lets in any kind it knows.
func holdsOne[K key.Key](handle *keyset.Handle) bool {
	entry, err := handle.Primary()
	if err != nil || handle.Len() != 1 {
		return false
	}
	k, ok := entry.Key().(K)
	if !ok {
		return false
	}
	p, ok := k.Parameters().(*hpke.Parameters)
	return ok && p.KEMID() == hpke.DHKEM_X25519_HKDF_SHA256 && p.KDFID() == hpke.HKDFSHA256 &&
		p.AEADID() == hpke.AES256GCM && p.Variant() == hpke.VariantTink
}

// Format implements [fmt.Formatter].
func (k *ApprovalKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.id+" "+redacted) }

// ID returns the id that the key's sealed values name.
func (k *ApprovalKey) ID() string { return k.id }

// Recipient returns the public half.
func (k *ApprovalKey) Recipient() *ApprovalRecipient { return k.keys().recipient }

// Private returns the keyset in the clear, to be cleared by the caller. It is
// for seal.WrapUnderPassphrase and nothing else, so that it lies nowhere without
// a passphrase round it.
func (k *ApprovalKey) Private() ([]byte, error) {
	var out bytes.Buffer // written to once, so that it leaves no smaller buffers behind
	if err := insecurecleartextkeyset.Write(k.keys().handle, keyset.NewBinaryWriter(&out)); err != nil {
		return nil, fmt.Errorf("serialising approval key %q: %w", k.id, err)
	}
	return out.Bytes(), nil
}

// Open decrypts what the recipient's Seal gave for the same place. The caller
// wipes the value. Whatever is wrong, the error is [ErrDecrypt].
//
// Anyone who has the public half can seal: that it opens does not say that this
// value is the one the vault wrote. Compare its [Digest] with one that is
// authenticated.
func (k *ApprovalKey) Open(p Place, b []byte) (Payload, error) {
	return approvalWrap(k.id).open(k.keys().decrypt, p, b)
}

func approvalWrap(id string) dekWrap { return dekWrap{keyID: id, label: approvalDEKLabel} }
