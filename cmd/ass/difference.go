package main

import "strings"

// Bounds of a difference between two texts.
const (
	contextLines = 2
	maxTable     = 4 << 20 // cells; with more, the lines that differ are shown whole
)

// change is a line of a difference: both have it (' '), or it goes ('-') or comes
// ('+').
type change struct {
	mark byte
	line string
}

// difference shows what turns one text into another, with a few lines round each
// change: by a longest common subsequence of lines (Hunt and McIlroy, "An Algorithm
// for Differential File Comparison", 1976), found by dynamic programming.
func difference(from, to string) string {
	all := changes(splitLines(from), splitLines(to))
	var b strings.Builder
	skipped := false
	for i, c := range all {
		if !nearChange(all, i) {
			skipped = true
			continue
		}
		if skipped {
			b.WriteString("@@\n")
		}
		skipped = false
		b.WriteString(string(c.mark) + " " + c.line + "\n")
	}
	return b.String()
}

// splitLines makes a newline that is missing at the end a difference.
func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	if t, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.Split(t, "\n")
	}
	return strings.Split(s+" (no newline at the end)", "\n")
}

func nearChange(all []change, i int) bool {
	for j := max(0, i-contextLines); j <= min(len(all)-1, i+contextLines); j++ {
		if all[j].mark != ' ' {
			return true
		}
	}
	return false
}

func changes(from, to []string) (out []change) {
	add := func(mark byte, lines []string) {
		for _, l := range lines {
			out = append(out, change{mark, l})
		}
	}
	head := 0
	for head < min(len(from), len(to)) && from[head] == to[head] {
		head++
	}
	tail := 0
	for tail < min(len(from), len(to))-head && from[len(from)-1-tail] == to[len(to)-1-tail] {
		tail++
	}
	add(' ', from[:head])
	x, y := from[head:len(from)-tail], to[head:len(to)-tail]
	if len(x)*len(y) > maxTable {
		add('-', x)
		add('+', y)
	} else {
		out = append(out, inner(x, y)...)
	}
	add(' ', from[len(from)-tail:])
	return out
}

// inner walks the table of how long the common subsequence of what is left is.
func inner(x, y []string) (out []change) {
	rest := lengths(x, y)
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			out = append(out, change{' ', x[i]})
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && rest[i+1][j] >= rest[i][j+1]:
			out = append(out, change{'-', x[i]})
			i++
		default:
			out = append(out, change{'+', y[j]})
			j++
		}
	}
	return out
}

// lengths holds at i, j the length for x from i and y from j.
func lengths(x, y []string) [][]int32 {
	rest := make([][]int32, len(x)+1)
	for i := range rest {
		rest[i] = make([]int32, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				rest[i][j] = rest[i+1][j+1] + 1
			} else {
				rest[i][j] = max(rest[i+1][j], rest[i][j+1])
			}
		}
	}
	return rest
}
