package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func rotatorsIn(t *testing.T, text string) ([]rotator, error) {
	t.Helper()
	app, err := grammar()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parseConfig("assd.toml", []byte(text), app)
	if err != nil {
		return nil, err
	}
	set, err := file.settings()
	return set.rotators, err
}

// TestRotatorsAreRead as they stand there.
func TestRotatorsAreRead(t *testing.T) {
	all, err := rotatorsIn(t, `log-level = "info"
[[rotator]]
path = "production/DB_PASSWORD"
generate = { length = 32, charset = "alnum" }   # or command = ["/usr/local/lib/assd/rotate-stripe"]
every = "720h"
[[rotator]]
path = "a/b/K"
command = ["/usr/local/lib/assd/rotate-stripe", "two words", ""]
current = true
timeout = "10m"
[[rotator]]
path = "a/L"
command = ["/opt/../usr/local/lib/assd/x"]
every = "30d"
[limits]
requests_per_second = 5
`)
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	if r := all[0]; r.path.String() != "production/DB_PASSWORD" || r.generate == nil || r.command != nil || r.every != 720*time.Hour {
		t.Errorf("%+v", r)
	}
	if r := all[1]; r.generate != nil || !reflect.DeepEqual(r.command, []string{"/usr/local/lib/assd/rotate-stripe", "two words", ""}) || !r.current || r.timeout != 10*time.Minute || r.every != 0 {
		t.Errorf("%+v", r)
	}
	if r := all[2]; r.timeout != 30*time.Second || r.current || r.every != 30*24*time.Hour {
		t.Errorf("%+v", r)
	}
	if got := (settings{rotators: all}).commandFolders(); !reflect.DeepEqual(got, []string{"/usr/local/lib/assd"}) {
		t.Errorf("folders %q", got)
	}
}

// TestRotatorsAreReadStrictly: each fault is named, in one line.
func TestRotatorsAreReadStrictly(t *testing.T) {
	const head = "[[rotator]]\npath = \"a/K\"\n"
	for text, want := range map[string]string{
		"[rotator]\npath = \"a/K\"\n": "rotator is a list of tables, each below a line [[rotator]]",
		"rotator = 3\n":               "rotator is a list of tables",
		"rotator = [3]\n":             "rotator is a list of tables",
		"[[rotator]]\n":               `[[rotator]] 1: path is missing`,
		head:                          "[[rotator]] 1 (a/K): what makes the value is missing",
		"[[rotator]]\npath = 3\n":     "path is text in quotes",
		"[[rotator]]\npath = \"a/*\"\ngenerate = {}\n":                     "it is that of one secret, without a pattern",
		"[[rotator]]\npath = \"K\"\ngenerate = {}\n":                       "write NAMESPACE/KEY",
		head + "generate = {}\ncommand = [\"/bin/true\"]\n":                "generate or command, not both",
		head + "generate = {}\n" + head + "generate = {}\n":                "[[rotator]] 2 (a/K): another one has that path",
		head + "generate = {}\nevry = \"1h\"\n":                            `knows no "evry" in [[rotator]]; is it every?`,
		head + "generate = {}\nlog-level = \"info\"\n":                     "a setting of assd itself stands above the first table",
		head + "generate = { lenght = 3 }\n":                               `generate: it has no "lenght"`,
		head + "generate = \"uuid\"\n":                                     "generate: it is a table",
		head + "generate = {}\nevery = \"0s\"\n":                           `every is a time in quotes, as in every = "720h", at least 1s`,
		head + "generate = {}\nevery = 720\n":                              "every is a time in quotes",
		head + "generate = {}\nevery = \"monthly\"\n":                      "every is a time in quotes",
		head + "generate = {}\ntimeout = \"30s\"\n":                        "current and timeout are for a command",
		head + "generate = {}\ncurrent = true\n":                           "current and timeout are for a command",
		head + "command = [\"/bin/true\"]\ntimeout = \"11m\"\n":            "from 1s to 10m",
		head + "command = [\"/bin/true\"]\ncurrent = \"yes\"\n":            "current is true or false",
		head + "command = \"/bin/true\"\n":                                 "command is a list of texts in quotes",
		head + "command = []\n":                                            "command is a list of texts in quotes",
		head + "command = [\"/bin/true\", 3]\n":                            "command is a list of texts in quotes",
		head + "command = [\"true\"]\n":                                    `command begins with "true", and an absolute path is expected`,
		head + "command = [\"\"]\n":                                        "an absolute path is expected",
		head + "command = [\"/bin/true\", \"a\\u0000b\"]\n":                "a null byte",
		head + "command = [\"/a\"" + strings.Repeat(", \"x\"", 64) + "]\n": "more than 64 parts",
		strings.Repeat("[[rotator]]\n", 1001):                              "more than 1000 tables",
		"[rotaters]\nx = 1\n":                                              "the tables are [limits], [[rotator]]",
	} {
		_, err := rotatorsIn(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: %v; want %q", text, err, want)
		}
	}
}
