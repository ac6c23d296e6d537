package mask

// text follows the output as text; what it is fed may have been unescaped before.
type text struct {
	track
	lines
	cr   span                   // where the CR is that lines waits with
	mark func(start, end int64) // told of each match
}

// feed takes one byte, which the output has at where.
func (t *text) feed(c byte, where span) {
	cr, itself := t.next(c)
	if cr {
		t.found('\r', t.cr)
	}
	if t.lines.cr {
		t.cr = where
	}
	if itself {
		t.found(c, where)
	}
}

func (t *text) found(c byte, where span) {
	if n := t.take(c, where.start); n > 0 {
		t.mark(t.back(n), where.end)
	}
}

// copyFrom makes t go on from where o is.
func (t *text) copyFrom(o *text) {
	t.track.copyFrom(&o.track)
	t.lines, t.cr = o.lines, o.cr
}

// same reports whether t and o will find the same from here on.
func (t *text) same(o *text) bool {
	if t.node != o.node || t.node == 0 {
		return t.node == o.node
	}
	return t.lines == o.lines && t.cr == o.cr && t.back(t.depth()) == o.back(o.depth())
}
