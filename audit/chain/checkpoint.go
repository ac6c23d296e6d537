package chain

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// MaxCheckpoint is the most bytes of a checkpoint.
const MaxCheckpoint = 4 << 10

// Checkpoint is a signed head as a signed note (c2sp.org/signed-note), to be kept
// elsewhere:
//
//	agent-secret-store/TENANT
//	SIZE
//	base64 of the hash of event SIZE
//	epoch N
//
//	— agent-secret-store/TENANT base64 of the key's hash, 4 bytes ‖ signature
//
// The signature is not of that text but of the head that it says, [Head.Message]: the
// audit key signs nothing else. So the signature's type is a name of our own.
type Checkpoint struct {
	Tenant string
	Head
	Signature []byte
	keyHash   uint32
}

const (
	origin        = "agent-secret-store/"
	signatureType = "\xffass-head-v1" // c2sp.org/signed-note: 0xff and a name of one's own
)

// keyHash is how a note names the key: the first 4 bytes of SHA-256 of its name, a
// newline, the type of the signature, and the key.
func (k Key) keyHash(tenant string) uint32 {
	h := sha256.New()
	h.Write([]byte(origin + tenant + "\n" + signatureType))
	h.Write(k)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// NewCheckpoint is the checkpoint of a signed head.
func NewCheckpoint(tenant string, h Head, key Key, signature []byte) Checkpoint {
	return Checkpoint{tenant, h, bytes.Clone(signature), key.keyHash(tenant)}
}

// text is what comes before the signature.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s%s\n%d\n%s\nepoch %d\n", origin, c.Tenant, c.Seq, base64.StdEncoding.EncodeToString(c.Hash[:]), c.Epoch)
}

// String is the whole note, with a newline at its end.
func (c Checkpoint) String() string {
	b, err := note.Sign(&note.Note{Text: c.text()}, stored(c))
	if err != nil { // a tenant is no name
		return ""
	}
	return string(b)
}

// stored is a note.Signer that has signed already.
type stored Checkpoint

func (s stored) Name() string                { return origin + s.Tenant }
func (s stored) KeyHash() uint32             { return s.keyHash }
func (s stored) Sign([]byte) ([]byte, error) { return s.Signature, nil }

// verifier is the note.Verifier of a key: it makes the head of the text anew and holds
// the signature against that.
type verifier struct {
	tenant string
	key    Key
}

func (v verifier) Name() string    { return origin + v.tenant }
func (v verifier) KeyHash() uint32 { return v.key.keyHash(v.tenant) }

func (v verifier) Verify(text, signature []byte) bool {
	tenant, h, err := parseText(string(text))
	return err == nil && tenant == v.tenant && h.Verify(tenant, v.key, signature)
}

// Verifier checks the notes that key has signed for that tenant.
func Verifier(tenant string, key Key) note.Verifier { return verifier{tenant, key} }

// What a checkpoint can be refused for.
var (
	ErrGarbled     = errors.New("the checkpoint is garbled")
	ErrOtherVault  = errors.New("the checkpoint is of another vault")
	ErrForeignNote = errors.New("foreign signature: the checkpoint was changed, or is signed by no key of this trail")
	ErrOtherEpoch  = errors.New("foreign signature: the checkpoint is of an event that its key does not sign for")
)

// ParseCheckpoint reads a checkpoint; its signature is still to be checked, by
// [Checkpoint.Verify]. Nothing but what String prints is accepted: ErrGarbled.
func ParseCheckpoint(b []byte) (Checkpoint, error) {
	if len(b) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w: longer than %d bytes", ErrGarbled, MaxCheckpoint)
	}
	text, signed, ok := strings.Cut(string(b), "\n\n")
	if !ok {
		return Checkpoint{}, fmt.Errorf("%w: it has no text and signature with an empty line between", ErrGarbled)
	}
	tenant, h, err := parseText(text + "\n")
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{Tenant: tenant, Head: h}
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(strings.TrimPrefix(signed, "— "+origin+tenant+" "), "\n"))
	if err != nil || len(raw) != 4+ed25519.SignatureSize {
		return Checkpoint{}, fmt.Errorf("%w: its last line is no signature of %s%s", ErrGarbled, origin, tenant)
	}
	c.keyHash, c.Signature = binary.BigEndian.Uint32(raw), raw[4:]
	if c.String() != string(b) {
		return Checkpoint{}, fmt.Errorf("%w: it is not written as a checkpoint is", ErrGarbled)
	}
	return c, nil
}

// parseText reads the lines before the signature.
func parseText(text string) (tenant string, h Head, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[4] != "" {
		return "", h, fmt.Errorf("%w: its text is not of four lines", ErrGarbled)
	}
	tenant, ok := strings.CutPrefix(lines[0], origin)
	if !ok || !IsTenant(tenant) {
		return "", h, fmt.Errorf("%w: line 1 is not %q and a tenant", ErrGarbled, origin)
	}
	if h.Seq, err = strconv.ParseUint(lines[1], 10, 63); err != nil || h.Seq == 0 {
		return "", h, fmt.Errorf("%w: line 2 is no number of events", ErrGarbled)
	}
	hash, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(hash) != len(h.Hash) {
		return "", h, fmt.Errorf("%w: line 3 is no hash in base64", ErrGarbled)
	}
	copy(h.Hash[:], hash)
	epoch, ok := strings.CutPrefix(lines[3], "epoch ")
	if h.Epoch, err = strconv.ParseUint(epoch, 10, 63); err != nil || !ok {
		return "", h, fmt.Errorf("%w: line 4 is not \"epoch\" and a number", ErrGarbled)
	}
	return tenant, h, nil
}

const tenantLength = len("ten_") + 26

// IsTenant reports whether s is written as the name of a tenant is, so that it is safe as
// the name of a file too.
func IsTenant(s string) bool {
	if len(s) != tenantLength || !strings.HasPrefix(s, "ten_") {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// Verify checks that c is of that vault, signed by the key of its epoch, and of an event
// that this key signed for: ErrOtherVault, ErrForeignNote or ErrOtherEpoch. The last one is
// of a key that went on signing after it was replaced, or of a trail that was put back
// and given other keys; which of them, Compare tells.
func (c Checkpoint) Verify(tenant string, keys Lineage) error {
	if c.Tenant != tenant {
		return fmt.Errorf("%w: %s, and this one is %s", ErrOtherVault, c.Tenant, tenant)
	}
	key := keys.Of(c.Epoch)
	if key == nil {
		return ErrForeignNote
	}
	if _, err := note.Open([]byte(c.String()), note.VerifierList(Verifier(tenant, key))); err != nil {
		return ErrForeignNote
	}
	if first, last := keys.span(c.Epoch); c.Seq < first || c.Seq > last {
		return fmt.Errorf("%w: it is of event %d, and the key of epoch %d signed events %s", ErrOtherEpoch, c.Seq, c.Epoch, between(first, last))
	}
	return nil
}

func between(first, last uint64) string {
	if last == math.MaxUint64 {
		return fmt.Sprintf("from %d on", first)
	}
	return fmt.Sprintf("%d to %d", first, last)
}

// Against says what is wrong with a trail of that vault and those keys, of size events
// and with that hash at event c.Seq (none where it ends before); nil where it goes on from
// c. What is wrong with c itself is no event's: number 0.
func (c Checkpoint) Against(tenant string, keys Lineage, size uint64, at Hash) *Bad {
	err := c.Verify(tenant, keys)
	switch {
	case err == nil:
		return c.Compare(size, at)
	case errors.Is(err, ErrOtherEpoch):
		if bad := c.Compare(size, at); bad != nil { // says more than what its key signs
			return bad
		}
		return &Bad{c.Seq, err.Error()}
	case c.Tenant == tenant && c.Seq > size && c.Epoch > keys.Newest().Epoch:
		return &Bad{size + 1, fmt.Sprintf("cut or rolled back, unless the checkpoint is forged: the trail ends at event %d, in epoch %d of its key, and the checkpoint is of event %d, in epoch %d",
			size, keys.Newest().Epoch, c.Seq, c.Epoch)}
	}
	return &Bad{0, err.Error()}
}

// Compare says what is wrong with a trail of size events that has that hash at event
// c.Seq (none where it ends before), nil where c is a part of it.
func (c Checkpoint) Compare(size uint64, at Hash) *Bad {
	switch {
	case size < c.Seq:
		return &Bad{size + 1, fmt.Sprintf("cut or rolled back: the trail ends at event %d, and the checkpoint is of event %d", size, c.Seq)}
	case at != c.Hash:
		return &Bad{c.Seq, fmt.Sprintf("another history: event %d is not the one of the checkpoint; what differs may be before it", c.Seq)}
	}
	return nil
}
