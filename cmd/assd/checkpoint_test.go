package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCheckpointTables: what is wrong is named, in the table where it stands, and no
// error tells a URL, which may hold a token.
func TestCheckpointTables(t *testing.T) {
	app, err := grammar()
	if err != nil {
		t.Fatal(err)
	}
	const goodFile = `file = "/mnt/usb/checkpoints"`
	table := func(lines ...string) string { return "[[checkpoint]]\n" + strings.Join(lines, "\n") + "\n" }
	many := func(n int) (all string) {
		for i := range n {
			all += table(fmt.Sprintf("file = \"/mnt/%d\"", i))
		}
		return all
	}
	for _, tc := range []struct{ text, want string }{ // "": it is taken
		{table(goodFile), ""}, {many(10), ""}, {goodHook + table(goodFile), ""},
		{table(goodFile, `every = "1m"`) + table(goodURL, goodSecret, `every = "90d"`) + table(`syslog = "local"`) + table(`syslog = "udp://log:514"`), ""},
		{table(`url = "http://127.0.0.1:8080/T0KEN"`, goodSecret, `ca_file = "/etc/assd/ca.pem"`), ""},

		{many(11), "there are more than 10 tables [[checkpoint]]"},
		{"[checkpoint]\n" + goodFile, "checkpoint is a list of tables, each below a line [[checkpoint]]"},
		{"[[checkpoints]]\n" + goodFile, `knows no "checkpoints"; the tables are [limits], [[rotator]], [[webhook]], [[checkpoint]]`},
		{table(), `[[checkpoint]] 1: where it goes is missing: file = "`},
		{table(`every = "1h"`), "where it goes is missing"},
		{table(goodFile, `syslog = "local"`), "not two of them"},
		{table(goodFile, goodURL, goodSecret), "not two of them"},
		{table(goodURL), "secret_file is missing"},
		{table(goodFile, goodSecret), "secret_file and ca_file are for a url"},
		{table(`syslog = "local"`, `ca_file = "/x"`), "secret_file and ca_file are for a url"},
		{many(1) + many(1), "[[checkpoint]] 2: another one goes to /mnt/0"},
		{table(goodURL, goodSecret) + table(`url = "https://hooks.example.com/other"`, goodSecret), "another one goes to https://hooks.example.com"},

		{table(`file = "checkpoints"`), "file is the path of a file from the root"},
		{table(`file = "/mnt/usb/"`), "file is the path of a file from the root"},
		{table(`file = 1`), "file is text in quotes"},
		{table(`url = "https://T0KEN@hooks.example.com/"`), "url: it has a user name"},
		{table(`url = "http://hooks.example.com/T0KEN"`), "url: http goes to this machine alone"},
		{table(`secret_file = "hook.secret"`), "secret_file is a path from the root"},
		{table(`syslog = "log.example.com"`), `syslog: it is none of "local"`},
		{table(goodFile, `every = "59s"`), `every is a time in quotes, as in every = "1h", at least 1m`},
		{table(goodFile, `every = 60`), "every is text in quotes"},
		{table(goodFile, `ever = "1h"`), `knows no "ever" in [[checkpoint]]; is it every?`},
	} {
		_, err := parseConfig("assd.toml", []byte(tc.text), app)
		switch {
		case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s\n%v; want %q", tc.text, err, tc.want)
		case err != nil && strings.Contains(err.Error(), "T0KEN"):
			t.Errorf("it tells: %v", err)
		}
	}
	c, err := parseConfig("assd.toml", []byte(table(goodFile)), app)
	if err != nil {
		t.Fatal(err)
	}
	if set, err := c.settings(); err != nil || len(set.points) != 1 || set.points[0].every != time.Hour {
		t.Errorf("%+v, %v", set.points, err)
	}
}

// TestOpenCheckpoints: a folder that is missing, and a secret that others can read, are
// refused and named.
func TestOpenCheckpoints(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		table checkpoint
		want  string
	}{
		{checkpoint{file: filepath.Join(dir, "points")}, ""},
		{checkpoint{file: filepath.Join(dir, "none", "points")}, "checkpoint " + dir + "/none/points: its folder " + `"` + dir + `/none" is missing: mkdir -p ` + dir + "/none"},
		{checkpoint{secretFile: "/nowhere/hook.secret"}, "/nowhere"},
	} {
		_, err := openCheckpoints([]checkpoint{tc.table})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%v; want %q", err, tc.want)
		}
	}
}

// TestWithin: what lies in the data dir is known to, wherever links lead.
func TestWithin(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"data", "data/sub", "database"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("data/sub", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{"data/x": true, "data/sub/x": true, "link/x": true, "database/x": false, "x": false} {
		if got := within(filepath.Join(dir, file), filepath.Join(dir, "data")); got != want {
			t.Errorf("%s: %v", file, got)
		}
	}
}
