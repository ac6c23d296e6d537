package envelope

import (
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/agent-secret-store/assd/vault/seal"
)

// Errors of opening. Both say no more on purpose.
var (
	ErrDecrypt   = errors.New("sealed value does not open")
	ErrKeyring   = errors.New("keyring does not open")
	errKeyringID = errors.New(`keyring id is not "kek_" and 26 base32 digits`)
)

// Keyring is a KEK: a Tink keyset whose keys wrap the DEKs of values. It is
// safe for concurrent use and prints as its id.
//
// BUG(envelope): Tink and crypto/aes copy every key they are given and cannot
// be told to clear the copies; only this package's own copies are cleared.
type Keyring struct {
	_      [0]func()
	id     string
	handle *keyset.Handle
	kek    tink.AEAD // built once: building it costs more than a whole read
}

// NewKeyring makes a keyring with one random AES-256-GCM key. id is "kek_" and
// 26 lower-case base32 digits.
func NewKeyring(id string) (*Keyring, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making keyring %q: %w", id, err)
	}
	return newKeyring(id, handle)
}

func newKeyring(id string, handle *keyset.Handle) (*Keyring, error) {
	if !validID(keyringPrefix, id) {
		return nil, fmt.Errorf("keyring %.40q: %w", id, errKeyringID)
	}
	kek, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("building keyring %q: %w", id, err)
	}
	return &Keyring{id: id, handle: handle, kek: kek}, nil
}

// ID names the keyring in what it seals.
func (k *Keyring) ID() string { return k.id }

// Format implements [fmt.Formatter].
func (k *Keyring) Format(f fmt.State, _ rune) { io.WriteString(f, k.id+" "+redacted) }

// Marshal returns the keyset sealed under root: the bytes that root's Open
// knows as [seal.RoleKEK] of this tenant and id.
func (k *Keyring) Marshal(root *seal.RootKey, tenant string) ([]byte, error) {
	wrap, ad, err := wrapping(root, tenant, k.id)
	if err != nil {
		return nil, fmt.Errorf("sealing keyring %q: %w", k.id, err)
	}
	var out encryptedKeyset
	if err := k.handle.WriteWithAssociatedData(&out, wrap, ad); err != nil {
		return nil, fmt.Errorf("sealing keyring %q: %w", k.id, err)
	}
	return out.blob, nil
}

// encryptedKeyset is where Tink writes a sealed keyset to and reads it from. It
// carries the ciphertext alone: beside it Tink would store a description of the
// keys in the clear that nothing authenticates and nobody needs. A keyset that
// is not sealed it refuses.
type encryptedKeyset struct{ blob []byte }

var errBareKeyset = errors.New("a keyset is never stored bare")

var (
	_ keyset.Writer = (*encryptedKeyset)(nil)
	_ keyset.Reader = (*encryptedKeyset)(nil)
)

func (e *encryptedKeyset) Write(*tinkpb.Keyset) error { return errBareKeyset }

func (e *encryptedKeyset) WriteEncrypted(k *tinkpb.EncryptedKeyset) error {
	e.blob = k.GetEncryptedKeyset()
	return nil
}

func (e *encryptedKeyset) Read() (*tinkpb.Keyset, error) { return nil, errBareKeyset }

func (e *encryptedKeyset) ReadEncrypted() (*tinkpb.EncryptedKeyset, error) {
	return &tinkpb.EncryptedKeyset{EncryptedKeyset: e.blob}, nil
}

// OpenKeyring opens what Marshal gave. It fails with [ErrKeyring] for another
// root key, tenant or id, and for changed bytes.
func OpenKeyring(root *seal.RootKey, tenant, id string, blob []byte) (*Keyring, error) {
	wrap, ad, err := wrapping(root, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("opening keyring %q: %w", id, err)
	}
	handle, err := keyset.ReadWithAssociatedData(&encryptedKeyset{blob}, wrap, ad)
	if err != nil {
		return nil, fmt.Errorf("opening keyring %q: %w", id, ErrKeyring)
	}
	return newKeyring(id, handle)
}

func wrapping(root *seal.RootKey, tenant, id string) (tink.AEAD, []byte, error) {
	ad, err := seal.AssociatedData(seal.RoleKEK, tenant, id)
	if err != nil {
		return nil, nil, err
	}
	wrap, err := root.WrapAEAD()
	return wrap, ad, err
}

// Seal encrypts pay for p under a fresh DEK. It fails when the payload is over
// [MaxValue] or [MaxMetadata], or p is not complete.
func (k *Keyring) Seal(p Place, pay Payload) ([]byte, error) {
	return k.wrap().seal(k.kek, p, pay)
}

// Open decrypts what Seal or Rewrap gave for the same place. The caller wipes the value.
// Whatever is wrong, the error is [ErrDecrypt].
func (k *Keyring) Open(p Place, b []byte) (Payload, error) {
	return k.wrap().open(k.kek, p, b)
}

func (k *Keyring) wrap() dekWrap {
	return dekWrap{keyID: k.id, label: dekLabel, takesOver: true}
}
