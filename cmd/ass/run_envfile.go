package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/agent-secret-store/assd/internal/wipe"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/dotenv"
)

// maxEnvLines is how many lines with a value an env file may have.
const maxEnvLines = 10_000

// reference is how the value of a line begins that is not a literal.
const reference = "ass://"

// envLine is one line of an env file.
type envLine struct {
	file    string
	number  int
	name    string
	literal string
	refers  bool
	path    policy.Path // what it refers to
}

// readEnvFile reads an env file, which may be a pipe.
func readEnvFile(name string) ([]envLine, error) {
	text, err := readBounded(name)
	defer clear(text)
	if err != nil {
		return nil, fileFault(codeUsage, "the file of --env-file", "read", err, "give another with --env-file")
	}
	pairs, err := dotenv.Parse(string(text), maxEnvLines)
	defer dotenv.Wipe(pairs)
	if e, ok := errors.AsType[*dotenv.Error](err); ok {
		return nil, usage(fmt.Sprintf("line %d of %s: %s", e.Line, foreign(name, maxMessage), e.Problem), "correct the line: NAME=VALUE, NAME='VALUE' or NAME=ass://NAMESPACE/KEY")
	}
	if err != nil {
		return nil, err
	}
	var lines []envLine
	for _, p := range pairs {
		l, err := newEnvLine(name, p)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return wipe.ReadAll(io.LimitReader(f, dotenv.MaxText+1), 0) // one more, and the parser says that it is too long
}

func newEnvLine(file string, p dotenv.Pair) (envLine, error) {
	l := envLine{file: file, number: p.Line, name: p.Name, literal: string(p.Value)}
	target, refers := strings.CutPrefix(l.literal, reference)
	if !refers {
		return l, nil
	}
	path, err := policy.ParsePath(target)
	if err != nil {
		return l, usage(l.place()+": what is behind ass:// is not NAMESPACE/KEY", "a reference is like "+l.name+"=ass://production/OPENAI_API_KEY")
	}
	l.refers, l.literal, l.path = true, "", path
	return l, nil
}

// place is where the line stands.
func (l *envLine) place() string {
	return fmt.Sprintf("line %d of %s", l.number, foreign(l.file, maxMessage))
}

// missing says that there is no such secret.
func (l *envLine) missing() error {
	return &fault{
		code: api.CodeSecretNotFound, message: l.place() + ": there is no secret " + l.path.String(),
		hint: "see what there is with: ass secrets list " + l.path.Namespace().String(),
	}
}
