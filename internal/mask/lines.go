package mask

// maxIndent is how much white space is overlooked at the beginning of a line, in
// bytes: it bounds what is held back.
const maxIndent = 256

// lines makes the ends and beginnings of lines equal: CRLF becomes LF, and white
// space at the beginning of a line goes. Values and output both pass through it.
type lines struct {
	cr      bool // a CR came, and what is behind it is not known yet
	begin   bool // a line begins
	skipped int
}

// next takes one byte and says what is to be passed on: the CR before it, and the
// byte itself.
func (l *lines) next(c byte) (cr, itself bool) {
	cr = l.cr && c != '\n'
	if cr {
		l.begin = false
	}
	l.cr = c == '\r'
	if l.cr {
		return cr, false
	}
	if l.begin && (c == ' ' || c == '\t') && l.skipped < maxIndent {
		l.skipped++
		return cr, false
	}
	l.begin, l.skipped = c == '\n', 0
	return cr, true
}

// evened is s with its lines made equal.
func evened(s string) string {
	var l lines
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		cr, itself := l.next(s[i])
		if cr {
			out = append(out, '\r')
		}
		if itself {
			out = append(out, s[i])
		}
	}
	return string(out)
}
