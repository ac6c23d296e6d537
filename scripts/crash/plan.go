package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// points are the named places where the daemon can be killed, and how often it comes to
// one in a second of load, at least, roughly.
var points = []struct {
	name string
	most int // the latest time that it is killed there
}{
	{"commit.begin", 200},
	{"commit.done", 200},
	{"head.written", 200},
	{"answer", 400},
	{"compact.copied", 3},
	{"compact.renamed", 3},
	{"kek.rewrapped", 2},
	{"backup.copied", 2},
}

// A killing is how the daemon is to end in one round.
type killing struct {
	point string        // "": at a moment
	times int           // how often it comes to point first
	after time.Duration // of its start, when not at a point
}

func (k killing) String() string {
	if k.point == "" {
		return fmt.Sprintf("%v after its start", k.after)
	}
	return fmt.Sprintf("at %s the %d. time", k.point, k.times)
}

func (k killing) name() string {
	if k.point == "" {
		return "at random"
	}
	return k.point
}

// longestRound is when a daemon is killed that has not come to its point.
const longestRound = 4 * time.Second

// plan takes turns: a random moment, then a point.
func plan(n int, random *rand.Rand) killing {
	if n%2 == 0 {
		return killing{after: time.Duration(random.Int64N(int64(900 * time.Millisecond)))}
	}
	p := points[n/2%len(points)]
	return killing{point: p.name, times: 1 + random.IntN(p.most), after: longestRound}
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
