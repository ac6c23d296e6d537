package main

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// versionFlag is --version: it prints the version of ass, or is --version N of ass
// secrets get, which names a version of the secret. Kong gives one name one flag.
type versionFlag struct {
	number uint64 // 0: none was given
	given  bool
}

// IsBool lets the flag stand without a value.
func (versionFlag) IsBool() bool { return true }

var errVersion = errors.New("--version takes a whole number from 1")

// Decode reads --version, --version N and --version=N.
func (v *versionFlag) Decode(ctx *kong.DecodeContext) error {
	v.given = true
	next := ctx.Scan.Peek()
	text, _ := next.Value.(string)
	n, err := strconv.ParseUint(text, 10, 63)
	switch {
	case err == nil && n > 0:
		ctx.Scan.Pop()
		v.number = n
	case next.Type == kong.FlagValueToken, looksLikeNumber(text):
		return errVersion
	}
	return nil
}

// looksLikeNumber reports whether no path of a secret is meant.
func looksLikeNumber(text string) bool {
	return text != "" && '0' <= text[0] && text[0] <= '9' && !strings.Contains(text, "/")
}

// BeforeReset prints the version of ass before anything else is looked at, unless
// that of a secret is meant.
func (versionFlag) BeforeReset(k *kong.Kong, ctx *kong.Context, at *kong.Path) error {
	v, _ := ctx.FlagValue(at.Flag).(versionFlag)
	if cmd := ctx.Selected(); cmd != nil && cmd.Target.Type() == getType && (v.number != 0 || pathGiven(ctx)) {
		return nil
	}
	fmt.Fprintf(k.Stdout, "ass/%s %s-%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
	return errShown
}

// pathGiven reports whether the command line names what the command is about.
func pathGiven(ctx *kong.Context) bool {
	for _, p := range ctx.Path {
		if p.Positional != nil {
			return true
		}
	}
	return false
}
