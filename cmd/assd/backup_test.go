package main

import (
	"os"
	"strings"
	"testing"
)

// TestBackupTable: what is wrong is named, in the table where it stands.
func TestBackupTable(t *testing.T) {
	app, err := grammar()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ text, want string }{ // "": it is taken
		{"", ""}, {`dir = "/mnt/b"`, ""}, {"dir = \"/mnt/b\"\nevery = \"1d\"\nkeep = 7", ""},
		{"every = \"1h\"", "[backup]: the folder is missing"},
		{`dir = "b"`, "dir is the path of a folder from the root"},
		{"dir = \"/b\"\nevery = \"5s\"", "at least 1m"},
		{"dir = \"/b\"\nkeep = 0", "keep is a whole number from 1"},
		{"dir = \"/b\"\nkeeps = 1", `knows no "keeps" there; is it keep?`},
	} {
		text := "[backup]\n" + tc.text
		if tc.text == "" {
			text = ""
		}
		_, err := parseConfig("assd.toml", []byte(text), app)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%q: %v", tc.text, err)
		}
	}
	if _, err := (&backup{dir: os.TempDir() + "/missing"}).open(); err == nil || !strings.Contains(err.Error(), "mkdir -p") {
		t.Errorf("a missing folder: %v", err)
	}
}
