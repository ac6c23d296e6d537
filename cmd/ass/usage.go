package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// usageError words an error of the parser anew. The parser's own text repeats
// arguments, and an argument may be a secret that stands in the wrong place:
// only our own words and the names of our own commands and flags come out.
func usageError(err error) error {
	pe, ok := errors.AsType[*kong.ParseError](err)
	if !ok || pe.Context == nil {
		return usage("the command line cannot be read", "ass --help")
	}
	node := pe.Context.Selected()
	if node == nil {
		node = pe.Context.Model.Node
	}
	if node.DefaultCmd != nil { // its flags are the group's
		node.Flags = append(node.Flags, node.DefaultCmd.Flags...)
	}
	if group := node.Parent; group != nil && group.DefaultCmd == node {
		node = group
	}
	command := node.FullPath()
	message := wording(pe, node)
	if name, ok := strings.CutPrefix(command, "ass "); ok {
		message = name + ": " + message
	}
	return usage(message, usageHint(err, node, command))
}

func wording(pe *kong.ParseError, node *kong.Node) string {
	msg := pe.Error()
	switch {
	case strings.HasPrefix(msg, "unknown flag"):
		return "there is no such flag" + suggestion(msg, pe.Context)
	case strings.HasPrefix(msg, "unexpected argument") && len(node.Children) > 0:
		return "there is no such command; " + nearest(msg, node) + "there are: " + children(node)
	case strings.HasPrefix(msg, "unexpected"):
		return "there are more arguments than it takes"
	case strings.HasPrefix(msg, "expected") && len(node.Children) > 0:
		return "a command is missing; there are: " + children(node)
	case strings.HasPrefix(msg, "expected"):
		return "an argument is missing: " + missing(node)
	case strings.HasPrefix(msg, "missing flags"):
		return "a flag is missing: " + missing(node)
	}
	for _, f := range append(pe.Context.Flags(), node.Flags...) {
		switch {
		case f.Enum != "" && (strings.HasPrefix(msg, "--"+f.Name+" must be one of") || strings.HasPrefix(msg, "--"+f.Name+":")):
			return "--" + f.Name + " must be one of " + strings.ReplaceAll(f.Enum, ",", ", ")
		case strings.HasPrefix(msg, "--"+f.Name+":"):
			return "--" + f.Name + " lacks its value, or it is not of the right kind"
		}
	}
	return "it cannot be read like this"
}

// suggestion is the flag that the parser thinks was meant, when it is one of
// ours.
func suggestion(msg string, ctx *kong.Context) string {
	_, guess, ok := strings.Cut(msg[strings.LastIndexByte(msg, ',')+1:], `did you mean "--`)
	if !ok {
		return ""
	}
	name := strings.TrimSuffix(guess, `"?`)
	if !slices.ContainsFunc(ctx.Flags(), func(f *kong.Flag) bool { return f.Name == name }) {
		return ""
	}
	return "; did you mean --" + name + "?"
}

// nearest is the commands that the parser thinks were meant, when they are ours.
func nearest(msg string, node *kong.Node) string {
	at := strings.LastIndex(msg, ", did you mean ")
	if at < 0 {
		return ""
	}
	var names []string
	for _, c := range node.Children {
		if name := strconv.Quote(c.Name); strings.Contains(msg[at:], name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(names, " or ") + "? "
}

func children(node *kong.Node) string {
	var names []string
	for _, c := range node.Children {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// missing lists what a command requires and was not given.
func missing(node *kong.Node) string {
	var names []string
	for _, p := range node.Positional {
		if p.Required && !p.Set {
			names = append(names, p.Summary())
		}
	}
	for _, f := range node.Flags {
		if f.Required && !f.Set {
			names = append(names, "--"+f.Name)
		}
	}
	return strings.Join(names, " ")
}

func usageHint(err error, node *kong.Node, command string) string {
	if node.Target.IsValid() && node.Target.Type() == setType && strings.HasPrefix(err.Error(), "un") {
		return "a value with blanks goes in quotes, one that begins with - behind --; best is stdin:\n" +
			"ass secrets set NS/KEY < FILE"
	}
	if strings.HasPrefix(err.Error(), "unexpected argument") && slices.ContainsFunc(node.Flags, func(f *kong.Flag) bool { return f.Name == "wait" && f.Set }) {
		return "a time to wait stands behind =, as in --wait=10m"
	}
	return command + " --help"
}
