package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

const cursorLabel = "ass-cursor-v2\n"

// Errors of [Filter.From].
var (
	ErrCursor      = errors.New("not one that a page of this trail gave")
	ErrOtherCursor = errors.New("of another query, or of another vault")
)

// Cursor is where a query in that tenant's trail goes on, as text: the sequence number
// and a digest of what is asked for and where, so that it is not taken for a place in
// another list. It stays good while events arrive.
func (f Filter) Cursor(tenant string, seq uint64) string {
	return base64.RawURLEncoding.EncodeToString(append(seqKey(seq), f.digest(tenant)...))
}

// From is f from where the cursor says on.
func (f Filter) From(tenant, cursor string) (Filter, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != 8+digestLen || len(cursor) != base64.RawURLEncoding.EncodedLen(len(b)) { // it reads over newlines
		return f, ErrCursor
	}
	if string(b[8:]) != string(f.digest(tenant)) {
		return f, ErrOtherCursor
	}
	if f.Before = binary.BigEndian.Uint64(b); f.Before == 0 {
		return f, ErrCursor
	}
	return f, nil
}

const digestLen = 8

// digest says what is asked for and of whose trail, from wherever on.
func (f Filter) digest(tenant string) []byte {
	b := []byte(cursorLabel)
	for _, part := range [...]string{tenant, f.Namespace, f.Actor, f.Action, stamp(f.Since), stamp(f.Until)} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	h := sha256.Sum256(b)
	return h[:digestLen]
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
