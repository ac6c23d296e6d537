package server_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/vault/server"
)

// TestCutText: it is UTF-8, no longer than it may be, and as much of it as fits.
func TestCutText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, most := string(rapid.SliceOf(rapid.Byte()).Draw(t, "s")), rapid.IntRange(0, 40).Draw(t, "most")
		got, whole := server.CutText(s, most), strings.ToValidUTF8(s, "\uFFFD")
		if !utf8.ValidString(got) || len(got) > most || !strings.HasPrefix(whole, got) || len(whole) > len(got)+utf8.UTFMax && len(got) < most-utf8.UTFMax {
			t.Errorf("%q cut to %d is %q", s, most, got)
		}
	})
}
