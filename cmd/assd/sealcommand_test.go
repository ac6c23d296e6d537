package main

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitCommand(t *testing.T) {
	for line, want := range map[string][]string{
		"":                                 nil,
		"  ":                               nil,
		"/bin/x":                           {"/bin/x"},
		" /bin/x\t-a  b ":                  {"/bin/x", "-a", "b"},
		"/bin/x '' \"\"":                   {"/bin/x", "", ""},
		"/bin/x 'a  $b' \"c \\\" \\\\ d\"": {"/bin/x", "a  $b", `c " \ d`},
		"/bin/x --key='a b'\"c\"d":         {"/bin/x", "--key=a bcd"},
		"'/opt/my tools/x' 0x81000001":     {"/opt/my tools/x", "0x81000001"},
		"/usr/bin/tpm2_unseal -c 0x81 -p pcr:sha256:0,7=a": {"/usr/bin/tpm2_unseal", "-c", "0x81", "-p", "pcr:sha256:0,7=a"},
	} {
		got, err := splitCommand(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}

func TestSplitCommandRefuses(t *testing.T) {
	for _, line := range []string{
		"x", "./x", "~/x", "'' /bin/x", "/bin/x 'a", `/bin/x "a`, `/bin/x "a\`, `/bin/x "\n"`,
		"/bin/x $HOME", "/bin/x \"$HOME\"", "/bin/x `id`", "/bin/x | y", "/bin/x; y", "/bin/x & y", "/bin/x > y", "/bin/x *",
		"/bin/x ~/a", "/bin/x a\\ b", "/bin/x\n-a", "/bin/x 'a\x00'", "/bin/x \xff", "/bin/x {a,b}", "/bin/x # no",
		"/bin/x" + strings.Repeat(" a", maxArguments), "/bin/x " + strings.Repeat("a", maxArgument),
	} {
		if got, err := splitCommand(line); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}

// FuzzSplitCommand: what is taken, quoted word by word, is taken as the same again.
func FuzzSplitCommand(f *testing.F) {
	for _, seed := range []string{"/bin/x 'a b' \"c\\\"\"d", "/x ''", "x", "/bin/x 'a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		argv, err := splitCommand(line)
		if err != nil || len(argv) == 0 {
			return
		}
		var words []string
		for _, word := range argv {
			words = append(words, "'"+strings.ReplaceAll(word, "'", `'"'"'`)+"'")
		}
		again, err := splitCommand(strings.Join(words, " "))
		if len(strings.Join(words, " ")) <= maxArgument && (err != nil || !slices.Equal(again, argv)) {
			t.Errorf("%q became %q, %v", argv, again, err)
		}
	})
}
