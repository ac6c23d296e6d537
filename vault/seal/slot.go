package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/crypto/argon2"
)

const (
	slotLabel   = "ass-slot-v1"
	saltSize    = 32 // bytes
	wrappedSize = subtle.AESGCMIVSize + keySize + subtle.AESGCMTagSize
	maxSlotJSON = 4 << 10 // bytes
)

// Errors of slots. ErrWrongKey also stands for a changed slot and for one of
// another tenant: cryptography cannot tell them apart.
var (
	ErrWrongKey = errors.New("key does not open this slot")
	ErrKind     = errors.New("slot is not of the kind that this key opens")
	ErrSlot     = errors.New("malformed slot")
)

// Kind says what opens a slot. A slot never says where that is found: commands
// and paths come from the operator, not from the file.
type Kind string

// The kinds of slot.
const (
	KindFile       Kind = "file"       // a key file
	KindPassphrase Kind = "passphrase" // a passphrase, through Argon2id
	KindCommand    Kind = "command"    // the output of a program
	KindKeyring    Kind = "keyring"    // an entry of the OS keyring
)

// Slot is one wrap of the root key. On disk it is the JSON object that Marshal
// gives:
//
//	{"id":"slt_…","kind":"file","argon2":{…},"salt":"32 bytes, base64","wrapped":"60 bytes, base64"}
//
//	slot key = HKDF-SHA256(secret, salt, "ass-slot-v1/" ‖ kind)   secret: with argon2, Argon2id(secret, salt, argon2)
//	wrapped  = AES-256-GCM(slot key, root key, ad): nonce ‖ sealed ‖ tag
//	ad       = len16 ‖ "ass-slot-v1" ‖ len16 ‖ tenant ‖ len16 ‖ id ‖ len16 ‖ kind ‖ len16 ‖ salt ‖
//	           memory in KiB, 4 bytes ‖ time, 4 bytes ‖ threads, 1 byte   (zero without argon2)
type Slot struct {
	ID      SlotID        `json:"id"`
	Kind    Kind          `json:"kind"`
	Argon2  *Argon2Params `json:"argon2,omitempty"` // always with a passphrase, and with a command, which may print a weak one
	Salt    []byte        `json:"salt"`
	Wrapped []byte        `json:"wrapped"`
}

// NewSlot wraps root under secret, bound to tenant. cost is what a passphrase or what a
// command printed is stretched with; a key, which is random, is not.
func NewSlot(root *RootKey, tenant string, secret Secret, cost Argon2Params) (Slot, error) {
	s := Slot{ID: newSlotID(), Kind: secret.Kind(), Salt: make([]byte, saltSize)}
	rand.Read(s.Salt)
	if s.Kind == KindPassphrase || s.Kind == KindCommand {
		if err := cost.Check(); err != nil {
			return Slot{}, fmt.Errorf("making slot: %w", err)
		}
		s.Argon2 = &cost
	}
	aead, ad, err := s.aead(tenant, secret)
	if err != nil {
		return Slot{}, fmt.Errorf("making slot: %w", err)
	}
	plain, err := root.bytes()
	if err != nil {
		return Slot{}, fmt.Errorf("making slot: %w", err)
	}
	if s.Wrapped, err = aead.Encrypt(plain, ad); err != nil {
		return Slot{}, fmt.Errorf("wrapping root key: %w", err)
	}
	return s, nil
}

// Unlock returns the root key. It fails with [ErrKind] for a slot that no secret of that
// kind opens, and with [ErrWrongKey]. With argon2 it takes the time and memory that
// those parameters say.
func (s Slot) Unlock(tenant string, secret Secret) (*RootKey, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.Kind != secret.Kind() {
		return nil, fmt.Errorf("unlocking %s slot %q: %w", s.Kind, s.ID, ErrKind)
	}
	aead, ad, err := s.aead(tenant, secret)
	if err != nil {
		return nil, fmt.Errorf("unlocking slot %q: %w", s.ID, err)
	}
	plain, err := aead.Decrypt(s.Wrapped, ad)
	if err != nil {
		return nil, fmt.Errorf("unlocking slot %q: %w", s.ID, ErrWrongKey)
	}
	return &RootKey{materialOf(plain)}, nil
}

// aead returns the cipher of the slot for secret, and the associated data.
func (s Slot) aead(tenant string, secret Secret) (tink.AEAD, []byte, error) {
	ad, err := s.associatedData(tenant)
	if err != nil {
		return nil, nil, err
	}
	text, err := secret.bytes()
	if err != nil {
		return nil, nil, err
	}
	if s.Argon2 != nil {
		text = argon2.IDKey(text, s.Salt, s.Argon2.Time, s.Argon2.MemoryKiB, s.Argon2.Threads, keySize)
		defer clear(text)
	}
	slotKey, err := hkdf.Key(sha256.New, text, s.Salt, slotLabel+"/"+string(s.Kind), keySize)
	if err != nil {
		return nil, nil, err
	}
	defer clear(slotKey)
	aead, err := subtle.NewAESGCM(slotKey)
	return aead, ad, err
}

func (s Slot) associatedData(tenant string) ([]byte, error) {
	var p Argon2Params
	if s.Argon2 != nil {
		p = *s.Argon2
	}
	b := lengthPrefixed(slotLabel, tenant, string(s.ID), string(s.Kind), string(s.Salt))
	p.addTo(b)
	return b.Bytes()
}

// ParseSlot reads what Marshal wrote and nothing else: the same members in the
// same spelling, at most 4 KiB, every bound kept. Errors wrap [ErrSlot].
func ParseSlot(b []byte) (Slot, error) {
	if len(b) > maxSlotJSON {
		return Slot{}, fmt.Errorf("%w: over %d bytes", ErrSlot, maxSlotJSON)
	}
	var s Slot
	if err := json.Unmarshal(b, &s); err != nil {
		return Slot{}, fmt.Errorf("%w: not the JSON object of a slot", ErrSlot)
	}
	if err := s.check(); err != nil {
		return Slot{}, err
	}
	// encoding/json forgives unknown, repeated and differently spelled members.
	if again, err := s.Marshal(); err != nil || !bytes.Equal(again, b) {
		return Slot{}, fmt.Errorf("%w: unknown, repeated or differently written members", ErrSlot)
	}
	return s, nil
}

// Marshal writes the slot as JSON.
func (s Slot) Marshal() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

func (s Slot) check() error {
	switch {
	case !s.ID.Valid():
		return fmt.Errorf("%w: bad id %.40q", ErrSlot, s.ID)
	case len(s.Salt) != saltSize:
		return fmt.Errorf("%w: salt has %d bytes, not %d", ErrSlot, len(s.Salt), saltSize)
	case len(s.Wrapped) != wrappedSize:
		return fmt.Errorf("%w: wrapped key has %d bytes, not %d", ErrSlot, len(s.Wrapped), wrappedSize)
	}
	return s.checkKind()
}

func (s Slot) checkKind() error {
	switch s.Kind {
	case KindFile, KindKeyring:
		if s.Argon2 != nil {
			return fmt.Errorf("%w: %s slot with argon2 parameters", ErrSlot, s.Kind)
		}
	case KindPassphrase:
		if s.Argon2 == nil {
			return fmt.Errorf("%w: passphrase slot without argon2 parameters", ErrSlot)
		}
	case KindCommand:
	default:
		return fmt.Errorf("%w: unknown kind %.40q", ErrSlot, s.Kind)
	}
	if s.Argon2 == nil {
		return nil
	}
	if err := s.Argon2.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrSlot, err)
	}
	return nil
}
