package policy

// glob reports whether pattern matches all of text, where each '*' of pattern
// stands for any run of bytes, an empty one too. A '*' in text is matched by a
// '*' of pattern alone; so on two globs it reports whether the first matches
// all that the second does.
//
// It goes back to the last '*' only (the earlier ones have already taken the
// least they can), which bounds the work by len(pattern) × len(text).
func glob(pattern, text string) bool {
	p, star, mark := 0, -1, 0
	for t := 0; t < len(text); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globsMeet reports whether some text is matched by both globs. It fills, row
// by row, a table of which ends of a and b have one in common, so the work is
// len(a) × len(b).
func globsMeet(a, b string) bool {
	below, row := make([]bool, len(b)+1), make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				row[j] = true
			case i < len(a) && a[i] == '*': // it stands for nothing, or for one more of b
				row[j] = below[j] || j < len(b) && row[j+1]
			case j < len(b) && b[j] == '*':
				row[j] = row[j+1] || i < len(a) && below[j]
			default:
				row[j] = i < len(a) && j < len(b) && a[i] == b[j] && below[j+1]
			}
		}
		below, row = row, below
	}
	return below[0]
}
