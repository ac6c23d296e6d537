package chain

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the most bytes of a line of an export: an event, escaped at worst.
const MaxLine = 64 << 20

// ErrLongLine says that a line has more.
var ErrLongLine = fmt.Errorf("a line is longer than %d bytes", MaxLine)

// line is one of an export: an event, or a signature of the head that the one before
// it is.
type line struct {
	Seq       uint64  `json:"seq"`
	Prev      *Hash   `json:"prev"`
	Hash      *Hash   `json:"hash"`
	Event     *string `json:"event"`
	Head      uint64  `json:"head"`
	Epoch     uint64  `json:"epoch"`
	Signature []byte  `json:"signature"`
}

func (l line) event() bool {
	return l.Seq > 0 && l.Prev != nil && l.Hash != nil && l.Event != nil && l.Head == 0
}
func (l line) head() bool {
	return l.Head > 0 && len(l.Signature) > 0 && l.Seq == 0 && l.Prev == nil && l.Hash == nil && l.Event == nil
}

// Export walks w over an export as jsonl with the signed heads, up to its end, and calls
// each after each event. Its error is about reading, or each's; what is wrong with the
// trail, w.Finish says.
func Export(r io.Reader, w *Walker, each func() error) error {
	x := export{w: w, each: each}
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := ReadLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading the export: %w", err)
		}
		if len(text) > 0 && !x.take(text, err == nil) {
			return x.err
		}
		if err != nil {
			break
		}
	}
	if x.flush() == nil {
		_ = w.End()
	}
	return nil
}

type export struct {
	w       *Walker
	each    func() error
	head    uint64 // of the signatures
	waiting []Signature
	err     error // of each
}

// take takes one line, and reports whether the walk goes on.
func (x *export) take(text []byte, whole bool) bool {
	var l line
	if !whole || json.Unmarshal(text, &l) != nil || l.event() == l.head() {
		_ = x.w.Malformed("changed or cut: what follows event %d is no line of an export", x.w.Head.Seq)
		return false
	}
	if l.head() {
		return x.sign(l)
	}
	if x.flush() != nil || x.w.Event(Entry{l.Seq, l.Prev, *l.Hash, []byte(*l.Event)}) != nil {
		return false
	}
	x.err = x.each()
	return x.err == nil
}

// sign keeps a signature until all of its head have come.
func (x *export) sign(l line) bool {
	if x.head != l.Head && x.flush() != nil {
		return false
	}
	x.head, x.waiting = l.Head, append(x.waiting, Signature{l.Epoch, l.Signature})
	if len(x.waiting) > maxSignatures {
		return x.flush() == nil
	}
	return true
}

func (x *export) flush() error {
	if len(x.waiting) == 0 {
		return nil
	}
	signed := x.waiting
	x.waiting = nil
	return x.w.SignedHead(x.head, signed)
}

// ReadLine is the next line with its end; what comes with an error, io.EOF too, has none.
// Longer than MaxLine is ErrLongLine, and no more is read of it.
func ReadLine(in *bufio.Reader) (text []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > MaxLine:
			return nil, ErrLongLine
		case !errors.Is(err, bufio.ErrBufferFull):
			return text, err
		}
	}
}
