package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/agent-secret-store/assd/internal/wipe"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// valueFlags say what is taken as a value.
type valueFlags struct {
	Base64     bool `name:"base64" help:"Store the base64 text of the bytes: for values that are not text."`
	AllowEmpty bool `help:"Store an empty value."`
}

// readValue reads a value from stdin: on a terminal by asking, from a file
// byte for byte, and from a pipe or here-string without the one newline at its
// end, unless exact asks for every byte.
func readValue(path policy.Path, exact bool) ([]byte, error) {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		s, err := askSecret("Value of "+path.String()+" (not shown): ", "")
		if errors.Is(err, errNoTerminal) {
			return nil, usage("there is no value: stdin is a terminal that cannot be asked on", "ass secrets set NS/KEY < FILE")
		}
		return []byte(s), err
	}
	b, err := wipe.ReadAll(io.LimitReader(os.Stdin, api.MaxValue+2), 0)
	if err != nil {
		return nil, fmt.Errorf("reading the value from stdin: %w", err)
	}
	if !exact && !isNamedFile(os.Stdin) {
		b = bytes.TrimSuffix(b, []byte("\n"))
	}
	return b, nil
}

// check turns bytes into the value to store, or says why they are none.
func (c *valueFlags) check(b []byte) (string, error) {
	if len(b) == 0 && !c.AllowEmpty {
		return "", usage("the value is empty, as when the command before the pipe has failed", "if that is meant, add --allow-empty")
	}
	value := string(b)
	if c.Base64 {
		value = base64.StdEncoding.EncodeToString(b)
	} else if !utf8.Valid(b) {
		return "", usage("the value is not UTF-8 text", "add --base64 to store the base64 text of its bytes")
	}
	if len(value) > api.MaxValue {
		return "", api.New(api.CodeTooLarge, "the value is larger than 1 MiB").WithHint("keep it in a file, and the key to that file here")
	}
	return value, nil
}
