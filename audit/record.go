package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/agent-secret-store/assd/store"
)

const recordLabel = "ass-record-v1\n"

// Object names a record: its bucket and its key in it.
type Object struct {
	Bucket store.Bucket
	Key    string
}

func (o Object) String() string { return string(o.Bucket) + "/" + o.Key }

// objectOf reads what String prints.
func objectOf(name string) Object {
	bucket, key, _ := strings.Cut(name, "/")
	return Object{store.Bucket(bucket), key}
}

// Change is a record to be written with an event. Nil Content removes it.
type Change struct {
	Object
	Content []byte
}

// TamperError says that a record or an event was changed by something else
// than the daemon. What names it, Problem says how it shows.
type TamperError struct {
	What    string
	Problem string
}

func (e *TamperError) Error() string { return fmt.Sprintf("%s: %s", e.What, e.Problem) }

// A stored record: seq ‖ MAC ‖ content.
const recordHeader = 8 + sha256.Size

// Record is a stored record taken apart. Its MAC has not been checked.
type Record struct {
	Seq     uint64
	MAC     []byte
	Content []byte
}

// ParseRecord takes a stored record apart; it reports false when it is too
// short to be one.
func ParseRecord(v []byte) (Record, bool) {
	if len(v) <= recordHeader {
		return Record{}, false
	}
	return Record{Seq: binary.BigEndian.Uint64(v), MAC: v[8:recordHeader], Content: v[recordHeader:]}, true
}

// recordMAC binds content to its place and to the event that wrote it.
func recordMAC(key []byte, o Object, seq uint64, content []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(recordLabel))
	for _, s := range []string{string(o.Bucket), o.Key} {
		m.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s))))
		m.Write([]byte(s))
	}
	m.Write(seqKey(seq))
	m.Write(content)
	return m.Sum(nil)
}

func encodeRecord(key []byte, o Object, seq uint64, content []byte) []byte {
	v := binary.BigEndian.AppendUint64(make([]byte, 0, recordHeader+len(content)), seq)
	v = append(v, recordMAC(key, o, seq, content)...)
	return append(v, content...)
}

// mark is what an event says of one record it wrote: the digest of it as stored,
// or "" for one removed; and, behind "@", the event that wrote what it replaced.
type mark struct {
	digest   string
	replaces uint64 // 0: there was none
}

func (m mark) of(stored []byte) mark {
	if stored != nil {
		m.digest = digest(stored)
	}
	return m
}

func (m mark) String() string {
	if m.replaces == 0 {
		return m.digest
	}
	return m.digest + "@" + strconv.FormatUint(m.replaces, 10)
}

func parseMark(s string) (mark, error) {
	digest, seq, replaces := strings.Cut(s, "@")
	if !replaces {
		return mark{digest: digest}, nil
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || n == 0 {
		return mark{}, errors.New("malformed mark of a record")
	}
	return mark{digest, n}, nil
}

// digest is how an event names a stored record: the first 16 bytes of SHA-256 in
// base64url.
func digest(stored []byte) string {
	h := sha256.Sum256(stored)
	return base64.RawURLEncoding.EncodeToString(h[:16])
}
