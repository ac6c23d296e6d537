package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// Bounds of a passphrase, after normalisation.
const (
	minPassphrase = 8       // characters
	maxPassphrase = 1 << 10 // bytes

	// maxTyped bounds what is normalised at all, in bytes: wide enough that no
	// spelling of a passphrase within maxPassphrase is refused.
	maxTyped = 4 * maxPassphrase
)

const (
	generatedDigits = 28 // base32, 140 bits
	generatedGroup  = 4
)

// ErrPassphrase means that a text cannot be a passphrase; the message round it
// says why and holds nothing of the text.
var ErrPassphrase = errors.New("passphrase cannot be used")

// Passphrase is what a person types to open a [PassphraseWrap] or a slot. It prints as
// [REDACTED], refuses to be marshalled and cannot be compared with ==; copies
// share the bytes. The zero value is none and fails with [ErrWiped].
type Passphrase struct{ material }

// NewPassphrase takes text over and clears it, whether it is taken or not. It
// wants UTF-8 of 8 characters to 1024 bytes and no control character or one
// that Unicode has not assigned. The text is normalised as a password (RFC
// 8265, OpaqueString), so that it does not depend on the keyboard it was typed
// on: composed and decomposed letters are the same, as are spaces of all kinds;
// case, width and spaces at the ends count. Errors wrap [ErrPassphrase].
func NewPassphrase(text []byte) (Passphrase, error) {
	defer clear(text)
	if len(text) > maxTyped {
		return Passphrase{}, tooLong()
	}
	if !utf8.Valid(text) {
		return Passphrase{}, fmt.Errorf("%w: it is not UTF-8 text", ErrPassphrase)
	}
	if len(text) == 0 {
		return Passphrase{}, tooShort()
	}
	normal, err := precis.OpaqueString.Bytes(text) // never text itself
	if err != nil {
		return Passphrase{}, fmt.Errorf("%w: it has a control character or another that a password must not have", ErrPassphrase)
	}
	if err := checkLength(normal); err != nil {
		clear(normal)
		return Passphrase{}, err
	}
	return Passphrase{materialOf(normal)}, nil
}

func checkLength(normal []byte) error {
	switch {
	case len(normal) > maxPassphrase:
		return tooLong()
	case utf8.RuneCount(normal) < minPassphrase:
		return tooShort()
	}
	return nil
}

func tooLong() error {
	return fmt.Errorf("%w: it is longer than %d bytes", ErrPassphrase, maxPassphrase)
}

func tooShort() error {
	return fmt.Errorf("%w: it has fewer than %d characters", ErrPassphrase, minPassphrase)
}

// GeneratePassphrase makes a passphrase of 140 random bits, lower-case base32
// in groups of four with dashes between, and also returns the text, which is
// shown once and cannot be had from the passphrase again.
func GeneratePassphrase() (Passphrase, string) {
	digits := strings.ToLower(rand.Text() + rand.Text())[:generatedDigits]
	text := make([]byte, 0, generatedDigits+generatedDigits/generatedGroup)
	for i := range generatedDigits {
		if i > 0 && i%generatedGroup == 0 {
			text = append(text, '-')
		}
		text = append(text, digits[i])
	}
	shown := string(text)
	return Passphrase{materialOf(text)}, shown // ASCII is normal as it is
}
