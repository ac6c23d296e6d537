package shell_test

import (
	"os/exec"
	"testing"

	"github.com/agent-secret-store/assd/internal/shell"
)

// TestQuote: a shell reads each as the one word that it is; one that began like an option
// is a path.
func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"":               "",
		"/a/b-c_d.e":     "/a/b-c_d.e",
		"a b":            "a b",
		"$(id) `id` \"*": "$(id) `id` \"*",
		"it's":           "it's",
		"a\nb\\":         "a\nb\\",
		"~/x":            "~/x",
		"-rf":            "./-rf",
		"-r f":           "./-r f",
	} {
		out, err := exec.Command("sh", "-c", "printf '<%s>' "+shell.Quote(s)).Output()
		if err != nil || string(out) != "<"+want+">" {
			t.Errorf("%q is written %s, which a shell reads as %s: %v", s, shell.Quote(s), out, err)
		}
	}
	if got := shell.Quote("/plain/path"); got != "/plain/path" {
		t.Errorf("a plain path is written %s", got)
	}
}
