package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

const cursorLabel = "ass-cursor-v1\n"

// Errors of [Filter.From].
var (
	ErrCursor      = errors.New("not one that a page of this trail gave")
	ErrOtherCursor = errors.New("of another query")
)

// Cursor is where a query goes on, as text: the sequence number and a digest of what
// is asked for, so that it is not taken for a place in another list. It stays good
// while events arrive.
func (f Filter) Cursor(seq uint64) string {
	return base64.RawURLEncoding.EncodeToString(append(seqKey(seq), f.digest()...))
}

// From is f from where the cursor says on.
func (f Filter) From(cursor string) (Filter, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != 8+digestLen || len(cursor) != base64.RawURLEncoding.EncodedLen(len(b)) { // it reads over newlines
		return f, ErrCursor
	}
	if string(b[8:]) != string(f.digest()) {
		return f, ErrOtherCursor
	}
	if f.Before = binary.BigEndian.Uint64(b); f.Before == 0 {
		return f, ErrCursor
	}
	return f, nil
}

const digestLen = 8

// digest says what is asked for, from wherever on.
func (f Filter) digest() []byte {
	b := []byte(cursorLabel)
	for _, part := range [...]string{f.Namespace, f.Actor, f.Action, stamp(f.Since), stamp(f.Until)} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	h := sha256.Sum256(b)
	return h[:digestLen]
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
