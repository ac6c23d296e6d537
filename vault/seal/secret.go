package seal

import (
	"bytes"
	"errors"
	"fmt"
)

// Secret is what opens the slots of one kind: a [FileKey], a [Passphrase], a
// [CommandSecret] or a [KeyringKey]. It prints as [REDACTED].
type Secret interface {
	Kind() Kind
	Wipe()
	bytes() ([]byte, error)
}

// Kind is that of the slots it opens.
func (*FileKey) Kind() Kind { return KindFile }

// Kind is that of the slots it opens.
func (Passphrase) Kind() Kind { return KindPassphrase }

// Kind is that of the slots it opens.
func (*CommandSecret) Kind() Kind { return KindCommand }

// Kind is that of the slots it opens.
func (*KeyringKey) Kind() Kind { return KindKeyring }

// Lent is s for whoever wipes what it has used: Wipe does nothing, and s stays its owner's
// to wipe.
func Lent(s Secret) Secret { return lent{s} }

type lent struct{ Secret }

func (lent) Wipe() {}

// Bounds of what a command prints, in bytes, without its last newline. A TPM gives 32
// bytes, a YubiKey 40 digits.
const (
	minPrinted = 16
	maxPrinted = 4 << 10
)

// MaxPrinted is the most that a command may print, in bytes, its last newline included.
const MaxPrinted = maxPrinted + 1

// ErrPrinted means that what a command printed cannot be a secret; the message round it
// says why and holds nothing of it.
var ErrPrinted = errors.New("what the command printed cannot open a slot")

// CommandSecret is what a program printed. It prints as [REDACTED].
type CommandSecret struct{ material }

// NewCommandSecret takes what a program printed over and clears it where it does not
// take it. One newline at the end is dropped; what is left must be 16 bytes to 4 KiB.
// Errors wrap [ErrPrinted].
func NewCommandSecret(printed []byte) (*CommandSecret, error) {
	text := bytes.TrimSuffix(printed, []byte("\n"))
	if len(text) < minPrinted || len(text) > maxPrinted {
		n := len(text)
		clear(printed)
		return nil, fmt.Errorf("%w: it has %d bytes, and must have %d to %d", ErrPrinted, n, minPrinted, maxPrinted)
	}
	return &CommandSecret{materialOf(text[:len(text):len(text)])}, nil
}

// KeyringKey is a random key that the keyring of an operating system keeps as text. It
// prints as [REDACTED].
type KeyringKey struct{ material }

// NewKeyringKey makes a random key, and gives the text to be kept, to be cleared by the
// caller. It has the form of a key file.
func NewKeyringKey() (*KeyringKey, []byte) {
	key := &KeyringKey{newMaterial()}
	raw, err := key.bytes()
	if err != nil {
		panic("seal: NewKeyringKey: " + err.Error()) // it has just been made
	}
	return key, keyLine(raw)
}

// ParseFileKey reads the content of a key file. It fails with [ErrMalformed].
func ParseFileKey(text []byte) (*FileKey, error) {
	if len(text) != keyFileSize {
		return nil, fmt.Errorf("%w: it has %d bytes, not %d", ErrMalformed, len(text), keyFileSize)
	}
	return parseKeyLine(text)
}

// ParseKeyringKey reads the text that NewKeyringKey gave. It fails with [ErrMalformed].
func ParseKeyringKey(text []byte) (*KeyringKey, error) {
	key, err := ParseFileKey(text)
	if err != nil {
		return nil, err
	}
	return &KeyringKey{key.material}, nil
}
