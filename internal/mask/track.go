package mask

// span is a part of the stream, by offsets from its beginning.
type span struct{ start, end int64 }

// track is a place in an automaton, and where in the stream the symbols that led
// there began.
type track struct {
	a      *automaton
	node   int32
	starts []int64 // a ring of the last symbols; its length is a power of two
	n      int64   // symbols taken
}

// take goes on by one symbol, which began at start, and returns the length of the
// longest pattern that ends with it.
func (t *track) take(symbol byte, start int64) int32 {
	t.node = t.a.step(t.node, symbol)
	if t.node == 0 {
		return 0
	}
	if int(t.a.nodes[t.node].depth) > len(t.starts) {
		t.grow()
	}
	t.starts[t.n&int64(len(t.starts)-1)] = start
	t.n++
	return t.a.nodes[t.node].found
}

func (t *track) grow() {
	larger := make([]int64, max(64, 2*len(t.starts)))
	for i := t.n - int64(len(t.starts)); i < t.n; i++ {
		larger[i&int64(len(larger)-1)] = t.starts[i&int64(len(t.starts)-1)]
	}
	t.starts = larger
}

// back is where the symbol began that is count symbols back; the last one is 1.
func (t *track) back(count int32) int64 {
	return t.starts[(t.n-int64(count))&int64(len(t.starts)-1)]
}

// depth is how many symbols of a pattern are there.
func (t *track) depth() int32 { return t.a.nodes[t.node].depth }

// copyFrom makes t what o is.
func (t *track) copyFrom(o *track) {
	starts := append(t.starts[:0], o.starts...)
	*t = *o
	t.starts = starts
}
