package main

import (
	"bytes"
	"testing"

	"github.com/alecthomas/kong"
)

// Whatever a run leaves out of the command line, the command that it names reads
// and explains itself as if all were there.
func TestGrammarOfOneCommand(t *testing.T) {
	usage := func(grammar any, name string) (string, *kong.Kong) {
		var out bytes.Buffer
		parser, err := kong.New(grammar, kong.Name("ass"), kong.NoDefaultHelp(), kong.Writers(&out, &out), kong.Exit(func(int) {}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, err := kong.Trace(parser, []string{name})
		if err != nil {
			t.Fatal(err)
		}
		if err := ctx.PrintUsage(false); err != nil {
			t.Fatal(err)
		}
		return out.String(), parser
	}
	_, whole := usage(&cli{}, "login")
	for _, command := range whole.Model.Children {
		grammar, _ := grammarFor([]string{command.Name, "--quiet"})
		if _, all := grammar.(*cli); all {
			t.Errorf("%s is not known by its name: every command is read for it", command.Name)
		}
		part, _ := usage(grammar, command.Name)
		if want, _ := usage(&cli{}, command.Name); part != want {
			t.Errorf("help of %s alone:\n%s\nof all:\n%s", command.Name, part, want)
		}
	}
	for _, args := range [][]string{nil, {"--quiet", "run"}, {"nothing"}, {"--help"}} {
		if grammar, _ := grammarFor(args); grammar == nil {
			t.Errorf("grammarFor(%q) is nil", args)
		} else if _, all := grammar.(*cli); !all {
			t.Errorf("grammarFor(%q) leaves commands out", args)
		}
	}
}

// Flags arrive in both.
func TestGrammarFlags(t *testing.T) {
	for _, args := range [][]string{{"whoami", "--json"}, {"--json", "whoami"}} {
		grammar, flags := grammarFor(args)
		parser, err := kong.New(grammar, kong.NoDefaultHelp())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		if !flags.JSON {
			t.Errorf("%q: --json did not arrive", args)
		}
	}
}
