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
