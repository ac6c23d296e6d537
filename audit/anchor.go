package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/agent-secret-store/assd/store"
)

// anchors are the few records that decide about everything else: whether there is
// an approval key, a lockdown, a policy. The trail knows who wrote any record last,
// but to ask it takes a walk over all of it, and a start does not wait for that. So
// each event says in which state it found these few, and the newest one, which a
// start checks, vouches for them: one that was put back while the daemon was stopped
// is found before anything rests on it, and one that is put back later as well.
type anchors struct {
	objects []Object
	seqs    []uint64 // of the events that wrote them last; 0: there is none
}

const anchorLabel = "ass-anchor-v1\n"

func newAnchors(objects []Object) anchors {
	return anchors{objects, make([]uint64, len(objects))}
}

// mark is what an event says of them; "" without any. It is the first 9 bytes of
// SHA-256 over a label and the numbers, in base64url.
func (a *anchors) mark() string {
	if len(a.objects) == 0 {
		return ""
	}
	h := sha256.New()
	h.Write([]byte(anchorLabel))
	for i, o := range a.objects {
		h.Write([]byte(o.String()))
		h.Write([]byte{0})
		h.Write(binary.BigEndian.AppendUint64(nil, a.seqs[i]))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

// note takes over what an event writes, and returns what undoes that.
func (a *anchors) note(seq uint64, changes []Change) (undo func()) {
	was := append([]uint64(nil), a.seqs...)
	for _, c := range changes {
		for i, o := range a.objects {
			if c.Object != o {
				continue
			}
			if a.seqs[i] = seq; c.Content == nil {
				a.seqs[i] = removed
			}
		}
	}
	return func() { a.seqs = was }
}

// load takes the numbers from the records, and holds them against what the newest
// event says. One from before there were anchors says nothing.
func (a *anchors) load(r store.Reader, said string) error {
	for i, o := range a.objects {
		rec, _ := ParseRecord(r.Get(o.Bucket, []byte(o.Key)))
		a.seqs[i] = rec.Seq
	}
	if said != "" && said != a.mark() {
		return &TamperError{What: "the records that decide about the vault (state, lockdown, policy, configuration)",
			Problem: "one of them is not in the state that the newest event of the trail found: it was put back or removed"}
	}
	return nil
}
