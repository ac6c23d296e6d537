package mask

// automaton finds many patterns at once, in time linear in the text: Aho and
// Corasick, "Efficient string matching", CACM 18(6), 1975. Its nodes are the
// beginnings of patterns; node 0 is the empty one.
type automaton struct {
	root  [256]int32 // children of node 0 by symbol; 0: none
	nodes []node
}

type node struct {
	child, sibling int32 // first child, next child of the same parent; 0: none
	fail           int32 // the longest other node that this one ends in
	depth          int32 // symbols from the root
	found          int32 // length of the longest pattern that this node ends in
	label          byte  // symbol on the way here
	tail           bool  // behind the pattern found, one symbol holds the rest of it
}

// newAutomaton has room for so many symbols of patterns.
func newAutomaton(symbols int) *automaton {
	return &automaton{nodes: make([]node, 1, 1+symbols)}
}

// add adds a pattern; tail says that the symbol behind it belongs to it, whatever
// it is.
func (a *automaton) add(pattern []byte, tail bool) {
	n := int32(0)
	for _, c := range pattern {
		next := a.childOf(n, c)
		if next == 0 {
			next = a.grow(n, c)
		}
		n = next
	}
	a.nodes[n].found = a.nodes[n].depth
	a.nodes[n].tail = a.nodes[n].tail || tail
}

func (a *automaton) grow(parent int32, c byte) int32 {
	n := int32(len(a.nodes))
	a.nodes = append(a.nodes, node{label: c, depth: a.nodes[parent].depth + 1})
	if parent == 0 {
		a.root[c] = n
		return n
	}
	a.nodes[n].sibling = a.nodes[parent].child
	a.nodes[parent].child = n
	return n
}

func (a *automaton) childOf(n int32, c byte) int32 {
	if n == 0 {
		return a.root[c]
	}
	for m := a.nodes[n].child; m != 0; m = a.nodes[m].sibling {
		if a.nodes[m].label == c {
			return m
		}
	}
	return 0
}

// link makes the automaton ready once all patterns are in it.
func (a *automaton) link() {
	queue := make([]int32, 0, len(a.nodes))
	for _, n := range a.root {
		if n != 0 {
			queue = append(queue, n)
		}
	}
	for len(queue) > 0 {
		parent := queue[0]
		queue = queue[1:]
		for n := a.nodes[parent].child; n != 0; n = a.nodes[n].sibling {
			fail := a.step(a.nodes[parent].fail, a.nodes[n].label)
			a.nodes[n].fail = fail
			if a.nodes[n].found == 0 {
				a.nodes[n].found, a.nodes[n].tail = a.nodes[fail].found, a.nodes[fail].tail
			}
			queue = append(queue, n)
		}
	}
}

// step is the node behind n when c comes.
func (a *automaton) step(n int32, c byte) int32 {
	for {
		if next := a.childOf(n, c); next != 0 || n == 0 {
			return next
		}
		n = a.nodes[n].fail
	}
}
