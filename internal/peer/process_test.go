package peer_test

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/internal/peer"
)

// TestAncestryEnds: where the walk stops, on a system of our own.
func TestAncestryEnds(t *testing.T) {
	told := map[int]peer.Told{
		1:  {Parent: 0, Since: 0},
		2:  {Parent: 1, Since: 10},
		3:  {Parent: 2, Since: 10}, // within the same tick
		4:  {Parent: 3, Since: 40},
		5:  {Parent: 4, Since: 30}, // 4 has gone, and its id is another's
		6:  {Parent: 99, Since: 50},
		7:  {Parent: 0, Since: 50},
		8:  {Parent: -1, Since: 50},
		9:  {Parent: 10, Since: 50}, // a circle, as no system tells
		10: {Parent: 9, Since: 50},
		20: {Process: peer.Process{Name: strings.Repeat("n", 65), Exe: strings.Repeat("e", 257)}},
		21: {Process: peer.Process{Name: strings.Repeat("n", 64), Exe: strings.Repeat("e", 256)}},
	}
	told[0] = peer.Told{Parent: 1}
	for _, tc := range []struct {
		pid, most int
		want      []int
	}{
		{4, 10, []int{4, 3, 2, 1}},
		{4, 4, []int{4, 3, 2, 1}},
		{4, 2, []int{4, 3}},
		{4, 0, nil},
		{4, -1, nil},
		{5, 10, []int{5}},
		{6, 10, []int{6}},
		{7, 10, []int{7}},
		{8, 10, []int{8}},
		{9, 5, []int{9, 10, 9, 10, 9}},
		{1, 10, []int{1}},
		{0, 10, nil},
	} {
		var got []int
		for _, p := range peer.AncestryOf(told, tc.pid, tc.most) {
			got = append(got, p.PID)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%d, at most %d: %v; want %v", tc.pid, tc.most, got, tc.want)
		}
	}
	for _, pid := range []int{20, 21} {
		if p := peer.AncestryOf(told, pid, 1)[0]; len(p.Name) != 64 || len(p.Exe) != 256 {
			t.Errorf("a name of %d bytes, an executable of %d", len(p.Name), len(p.Exe))
		}
	}
}

// TestAncestryOfNone: ids that are no process's.
func TestAncestryOfNone(t *testing.T) {
	for _, pid := range []int{0, -1, math.MinInt, math.MaxInt32, math.MaxInt} {
		if got := peer.Ancestry(pid, 10); len(got) > 0 {
			t.Errorf("%d: %+v", pid, got)
		}
	}
	if got := peer.Ancestry(os.Getpid(), 0); len(got) > 0 {
		t.Errorf("at most none: %+v", got)
	}
}
