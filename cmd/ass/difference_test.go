package main

import (
	"strings"
	"testing"
)

func TestDifference(t *testing.T) {
	for _, tc := range []struct{ name, from, to, want string }{
		{"same", "a\nb\n", "a\nb\n", ""},
		{"new", "", "a\nb\n", "+ a\n+ b\n"},
		{"gone", "a\n", "", "- a\n"},
		{"one line", "a\nb\nc\nd\ne\nf\n", "a\nb\nX\nd\ne\nf\n", "  a\n  b\n- c\n+ X\n  d\n  e\n"},
		{"far apart", "1\n2\n3\n4\n5\n6\n7\n8\n", "X\n2\n3\n4\n5\n6\n7\nY\n", "- 1\n+ X\n  2\n  3\n@@\n  6\n  7\n- 8\n+ Y\n"},
		{"moved", "a\nb\nc\n", "b\nc\na\n", "- a\n  b\n  c\n+ a\n"},
		{"end", "a\nb", "a\nb\n", "  a\n- b (no newline at the end)\n+ b\n"},
	} {
		if got := difference(tc.from, tc.to); got != tc.want {
			t.Errorf("%s:\n%swant\n%s", tc.name, got, tc.want)
		}
	}
}

// However large the texts are, both can be read from a difference.
func TestDifferenceIsWhole(t *testing.T) {
	for _, n := range []int{5, 3000} {
		from, to := strings.Repeat("a\nb\n", n)+"x\n", "y\n"+strings.Repeat("b\na\n", n)
		var old, new strings.Builder
		for _, c := range changes(splitLines(from), splitLines(to)) {
			if c.mark != '+' {
				old.WriteString(c.line + "\n")
			}
			if c.mark != '-' {
				new.WriteString(c.line + "\n")
			}
		}
		if old.String() != from || new.String() != to {
			t.Errorf("%d lines: the texts do not come back", n)
		}
	}
}
