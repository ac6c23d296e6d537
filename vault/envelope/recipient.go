package envelope

import (
	"bytes"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/hybrid"
	"github.com/tink-crypto/tink-go/v2/hybrid/hpke"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ApprovalRecipient is the public half of an [ApprovalKey]: it seals values that
// it cannot open, so that writing needs nobody's passphrase. It is safe for
// concurrent use and prints as its id.
type ApprovalRecipient struct {
	_      [0]func()
	id     string
	handle *keyset.Handle
	kek    tink.HybridEncrypt // built once, as in [Keyring]
}

// OpenApprovalRecipient makes the recipient of what Public gave. Anything but
// one public key of the kind that approval keys have is [ErrApprovalKey].
//
// It cannot tell whose key it is: public must come from where nobody can
// replace it, or values are sealed to someone else.
func OpenApprovalRecipient(id string, public []byte) (*ApprovalRecipient, error) {
	if len(public) > maxKeyset {
		return nil, fmt.Errorf("opening recipient %.40q: %w", id, ErrApprovalKey)
	}
	handle, err := keyset.ReadWithNoSecrets(keyset.NewBinaryReader(bytes.NewReader(public)))
	if err != nil || !holdsOne[*hpke.PublicKey](handle) {
		return nil, fmt.Errorf("opening recipient %.40q: %w", id, ErrApprovalKey) // and not err, which may quote
	}
	return newApprovalRecipient(id, handle)
}

func newApprovalRecipient(id string, handle *keyset.Handle) (*ApprovalRecipient, error) {
	if !validID(approvalPrefix, id) {
		return nil, fmt.Errorf("approval key %.40q: %w", id, errApprovalID)
	}
	kek, err := hybrid.NewHybridEncrypt(handle)
	if err != nil {
		return nil, fmt.Errorf("building recipient %q: %w", id, err)
	}
	return &ApprovalRecipient{id: id, handle: handle, kek: kek}, nil
}

// Format implements [fmt.Formatter].
func (r *ApprovalRecipient) Format(f fmt.State, _ rune) { io.WriteString(f, r.id) }

// ID returns the id that sealed values name.
func (r *ApprovalRecipient) ID() string { return r.id }

// Public returns the keyset, which is not secret.
func (r *ApprovalRecipient) Public() ([]byte, error) {
	var out bytes.Buffer
	if err := r.handle.WriteWithNoSecrets(keyset.NewBinaryWriter(&out)); err != nil {
		return nil, fmt.Errorf("serialising recipient %q: %w", r.id, err)
	}
	return out.Bytes(), nil
}

// Seal encrypts pay for p under a fresh DEK, as a [Keyring] does, but for the
// private half to open.
func (r *ApprovalRecipient) Seal(p Place, pay Payload) ([]byte, error) {
	return approvalWrap(r.id).seal(r.kek, p, pay)
}
