package audit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// chunk is how many entries are looked at in one read transaction.
const chunk = 1000

// Report is what Verify found. The vault is sound when Problem is empty.
type Report struct {
	Tenant    string `json:"tenant"`
	VerifyKey string `json:"verify_key"` // the newest
	Events    uint64 `json:"events"`
	Heads     uint64 `json:"heads"`
	Records   int    `json:"records"`
	Head      Head   `json:"head"`
	FirstBad  uint64 `json:"first_bad,omitempty"` // sequence number
	Problem   string `json:"problem,omitempty"`

	Ledger  Ledger        `json:"-"`
	Lineage chain.Lineage `json:"-"`
}

// Ledger is what a check of the whole chain learned for the running daemon.
type Ledger struct {
	last   map[ledgerKey]uint64
	Active map[string]time.Time // actor id → its newest event
}

// Adopt takes over what Verify learned of the same vault; from then on also a
// record that nothing has touched since the start is held against the trail.
//
// A *TamperError says that something was used meanwhile that the trail does not
// bear out.
func (l *Log) Adopt(from Ledger) error { return l.ledger.adopt(from.last) }

// RecordBuckets are the buckets that hold records.
var RecordBuckets = []store.Bucket{
	store.Vault, store.Slots, store.Keys, store.Owners, store.Agents,
	store.Names, store.Credentials, store.Secrets, store.Namespaces, store.Tokens,
	store.Approvals, store.Wishes, store.Grants, store.Passphrases, store.Outbox,
}

// errBad stops a walk; the report says why.
var errBad = errors.New("the trail is broken")

// Verify checks the whole trail in db, every signature, and every record and index
// against the trail. It needs no key and writes nothing, and may run beside a
// writer: it checks what was committed when it began. The error is about reading;
// what is wrong with the vault stands in the report.
func Verify(ctx context.Context, db *store.DB) (Report, error) {
	v := newVerifier(ctx, db)
	return v.run(v.begin, v.loadRecords, v.walk, v.settle, v.checkIndexes)
}

func newVerifier(ctx context.Context, db *store.DB) *verifier {
	return &verifier{
		ctx: ctx, db: db, live: map[Object]*liveRecord{}, gone: map[Object]uint64{}, seen: newHistory(),
		walker: chain.NewWalker(), active: map[string]*chain.Time{},
	}
}

// run takes the steps, up to one that fails, and returns what was found.
func (v *verifier) run(steps ...func() error) (Report, error) {
	var err error
	for i := 0; err == nil && i < len(steps); i++ {
		err = steps[i]()
	}
	if v.index != nil {
		v.index.stop()
	}
	v.conclude()
	if err != nil && v.rep.Problem == "" {
		return v.rep, fmt.Errorf("verifying: %w", err)
	}
	return v.rep, nil
}

// conclude waits for the signatures, and takes over what the walk found if that comes
// first.
func (v *verifier) conclude() {
	w := v.walker
	found := w.Finish()
	if found != nil && v.cut != nil && found.Seq >= v.cut.Seq {
		found = v.cut
	}
	if found != nil && (v.rep.Problem == "" || found.Seq <= v.rep.FirstBad) {
		v.rep.FirstBad, v.rep.Problem = found.Seq, found.Problem
	}
	v.rep.Tenant, v.rep.Lineage, v.rep.Head, v.rep.Heads, v.rep.Events = w.Tenant, w.Lineage, w.Head, w.Heads, w.Head.Seq
	if key := w.Lineage.Newest().Key; key != nil {
		v.rep.VerifyKey = key.String()
	}
	v.rep.Ledger.Active = make(map[string]time.Time, len(v.active))
	for id, at := range v.active {
		v.rep.Ledger.Active[id] = at.When()
	}
}

type verifier struct {
	ctx    context.Context
	db     *store.DB
	rep    Report
	walker *chain.Walker
	end    uint64     // the last event when the check began
	cut    *chain.Bad // what is wrong with that end
	live   map[Object]*liveRecord
	gone   map[Object]uint64 // written by this event, and not there
	seen   history
	active map[string]*chain.Time
	time   time.Time // of the event just walked
	index  *indexCheck
}

// liveRecord is a record as found, and what the trail says of it.
type liveRecord struct {
	seq    uint64
	digest string
	last   uint64 // the last event about it
	told   string // the digest in that event
}

func (v *verifier) bad(seq uint64, format string, args ...any) error {
	v.rep.FirstBad, v.rep.Problem = seq, fmt.Sprintf(format, args...)
	return errBad
}

// begin fixes how far the check goes, and looks whether that is a signed head.
func (v *verifier) begin() error {
	return v.db.View(func(s *store.Snapshot) (err error) {
		k, _ := s.Last(store.Audit)
		ok := false
		if v.end, _, ok = parseKey(k); !ok {
			v.end = math.MaxUint64 // the walk comes upon what is there
		}
		v.index = beginIndexCheck(v.ctx, v.db, s, v.end)
		if !ok {
			return nil
		}
		if s.Get(store.Audit, headKey(v.end)) == nil {
			at, err := headBefore(s, v.end)
			v.cut = &chain.Bad{Seq: at + 1, Problem: "cut, or inserted after the newest signed head, or the head is missing"}
			return err
		}
		return nil
	})
}

func (v *verifier) loadRecords() error {
	for _, b := range RecordBuckets {
		err := v.db.Chunks(b, nil, chunk, func(k, val []byte) (bool, error) {
			if err := v.ctx.Err(); err != nil {
				return false, err
			}
			o := Object{b, string(k)}
			rec, ok := ParseRecord(val)
			if !ok {
				return false, v.bad(0, "record %s: malformed", o)
			}
			v.live[o] = &liveRecord{seq: rec.Seq, digest: digest(val)}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	v.rep.Records = len(v.live)
	return nil
}

// walk goes over the events and the signed heads between them.
func (v *verifier) walk() error {
	a := readAhead(v.db)
	defer a.stop()
	err := v.pieces(a)
	if err == nil && v.seq() < v.end {
		err = v.walker.Malformed("missing")
	}
	if err == nil {
		err = v.walker.End()
	}
	return errors.Join(err, v.ctx.Err())
}

// pieces walks over all that is read, up to the end.
func (v *verifier) pieces(a *ahead) error {
	for p := a.next(); p != nil; p = a.next() {
		if err := errors.Join(p.err, v.ctx.Err()); err != nil {
			return err
		}
		over, err := v.piece(p)
		if err != nil {
			return err
		}
		if v.index.take(p); over {
			break
		}
	}
	return nil
}

// piece walks over one, and reports whether the end is in it.
func (v *verifier) piece(p *piece) (over bool, err error) {
	for i := range p.entries {
		e := &p.entries[i]
		if e.ok && e.seq > v.end { // written while we walk
			return true, nil
		}
		if err := v.entry(e); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (v *verifier) entry(e *looked) error {
	switch {
	case !e.ok:
		return v.walker.Malformed("inserted: no entry of a trail")
	case e.head:
		return v.head(e.seq, e.value)
	case e.malformed != nil:
		return v.walker.Malformed("changed: the entry is malformed")
	}
	return v.event(e)
}

func (v *verifier) event(e *looked) error {
	if err := v.walker.Looked(e.link(), &e.look); err != nil {
		return err
	}
	v.acted()
	if e.event == nil {
		return nil
	}
	if e.err != nil {
		return v.bad(e.Seq, "changed: %v", e.err)
	}
	v.time = e.event.Time.Time
	for name, text := range e.event.Records {
		if err := v.told(name, text); err != nil {
			return err
		}
	}
	return nil
}

// acted keeps who was active when.
func (v *verifier) acted() {
	last := &v.walker.Last
	at := v.active[string(last.Actor)]
	if at == nil {
		at = new(chain.Time)
		v.active[string(last.Actor)] = at
	}
	*at = last.Time
}

// told takes what the event just walked says of a record.
func (v *verifier) told(name, text string) error {
	o := objectOf(name)
	m, err := parseMark(text)
	if err != nil {
		return v.bad(v.seq(), "record %s: %v", o, err)
	}
	if last := v.seen.note(o, v.seq(), m.digest == "", v.time); last != m.replaces {
		return v.bad(v.seq(), "record %s: this event found the state of event %d, and event %d had written it last", o, m.replaces, last)
	}
	if rec := v.live[o]; rec != nil {
		rec.last, rec.told = v.seq(), m.digest
		return nil
	}
	delete(v.gone, o)
	if m.digest != "" && !expires(o.Bucket) {
		v.gone[o] = v.seq()
	}
	return nil
}

// seq is where the walk is.
func (v *verifier) seq() uint64 { return v.walker.Head.Seq }

// head takes a signed head, which must be that of the event just walked.
func (v *verifier) head(seq uint64, val []byte) error {
	signed, _ := chain.ParseSignatures(val) // none of a malformed one
	return v.walker.SignedHead(seq, signed)
}

// checkIndexes compares the indexes with the events that were walked.
func (v *verifier) checkIndexes() error {
	seq, problem, err := v.index.end()
	if err == nil && problem != "" {
		err = v.bad(seq, "%s", problem)
	}
	return err
}

// settle compares the records found with what the trail says of them.
func (v *verifier) settle() error {
	ahead := map[Object]*liveRecord{}
	for o, rec := range v.live {
		switch {
		case rec.seq > v.end:
			ahead[o] = rec
		case rec.last == 0:
			return v.bad(rec.seq, "record %s: inserted, no event wrote it", o)
		case rec.last != rec.seq:
			return v.bad(rec.last, "record %s: put back to the state of event %d", o, rec.seq)
		case rec.told != rec.digest:
			return v.bad(rec.last, "record %s: changed since this event wrote it", o)
		}
	}
	v.rep.Ledger.last = v.seen.all()
	for o, rec := range v.live { // also what has expired so long ago that the walk forgot it
		if rec.last != 0 {
			v.rep.Ledger.last[keyOf(o)] = rec.last
		}
	}
	return v.catchUp(ahead)
}

// catchUp looks at the events after the end of the walk, if there is anything
// for them to explain: a record that was not there, or one newer than the walk.
func (v *verifier) catchUp(ahead map[Object]*liveRecord) error {
	if len(v.gone)+len(ahead) == 0 {
		return nil
	}
	err := v.db.Chunks(store.Audit, seqKey(v.end+1), chunk, func(k, val []byte) (bool, error) {
		seq, head, _ := parseKey(k)
		if head {
			return true, nil
		}
		st, err := decodeStored(k, val)
		for name, text := range st.Records {
			o := objectOf(name)
			delete(v.gone, o)
			m, _ := parseMark(text)
			if rec := ahead[o]; rec != nil && rec.seq == seq && rec.digest == m.digest {
				delete(ahead, o)
			}
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	for o, seq := range v.gone {
		return v.bad(seq, "record %s: missing, this event wrote it", o)
	}
	for o, rec := range ahead {
		return v.bad(v.end, "record %s: inserted, it claims to be of event %d, which did not write it", o, rec.seq)
	}
	return nil
}
