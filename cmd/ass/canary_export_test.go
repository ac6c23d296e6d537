package main

import (
	"slices"

	"github.com/alecthomas/kong"
)

// Leaf is one command of ass, for tests that have to know them all.
type Leaf struct {
	Words []string // as they are typed
	Flags []string // its own that take a value, without the dashes; sorted
}

// Leaves are all commands that the command line has, those that help hides too.
func Leaves() []Leaf {
	parser, err := kong.New(&cli{}, kong.Name("ass"), kong.NoDefaultHelp())
	if err != nil {
		panic(err)
	}
	return leavesBelow(parser.Model.Node, nil)
}

func leavesBelow(n *kong.Node, words []string) (all []Leaf) {
	for _, child := range n.Children {
		if child.Type == kong.CommandNode {
			all = append(all, leavesBelow(child, append(slices.Clone(words), child.Name))...)
		}
	}
	if len(all) > 0 || len(words) == 0 {
		return all
	}
	leaf := Leaf{Words: words}
	for _, f := range n.Flags {
		if !f.IsBool() {
			leaf.Flags = append(leaf.Flags, f.Name)
		}
	}
	slices.Sort(leaf.Flags)
	return []Leaf{leaf}
}
