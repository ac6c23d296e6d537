package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// worded is an error of the command line in words of our own. Those of the parser
// repeat arguments, and a secret may stand in the place of one. What this program says
// itself, of the configuration file for example, stays as it is.
func worded(err error) error {
	pe, ok := errors.AsType[*kong.ParseError](err)
	if !ok || pe.Context == nil {
		return err
	}
	node := pe.Context.Selected()
	if node == nil {
		node = pe.Context.Model.Node
	}
	msg := pe.Error()
	switch {
	case strings.HasPrefix(msg, "unknown flag"):
		return errors.New("there is no such flag" + meant(msg, pe.Context.Flags()))
	case strings.HasPrefix(msg, "unexpected argument") && (len(node.Children) > 0 || node == pe.Context.Model.DefaultCmd):
		return errors.New("there is no such command")
	case strings.HasPrefix(msg, "unexpected"):
		return errors.New("there are more arguments than it takes")
	case strings.HasPrefix(msg, "expected"):
		return errors.New("something is missing")
	}
	for _, f := range pe.Context.Flags() {
		switch {
		case f.Enum != "" && (strings.HasPrefix(msg, "--"+f.Name+" must be one of") || strings.HasPrefix(msg, "--"+f.Name+": ")):
			return fmt.Errorf("--%s must be one of %s", f.Name, strings.ReplaceAll(f.Enum, ",", ", "))
		case strings.HasPrefix(msg, "--"+f.Name+": "):
			return fmt.Errorf("--%s lacks its value, or it is not of the right kind", f.Name)
		}
	}
	return err
}

// meant is the flag that the parser thinks was meant, where it is one of ours.
func meant(msg string, flags []*kong.Flag) string {
	for _, f := range flags {
		if strings.HasSuffix(msg, fmt.Sprintf("did you mean %q?", "--"+f.Name)) {
			return "; is it --" + f.Name + "?"
		}
	}
	return ""
}
