package main

import (
	"io"
	"testing"
)

// TestJudge: flat is what does not grow at rest, however much a check of the trail takes.
func TestJudge(t *testing.T) {
	flat := func(n int) sample { return sample{own: 60 + n%5*20, fds: 14 + n%6} }
	for name, tc := range map[string]struct {
		hold func(n int) sample
		want bool
	}{
		"flat": {flat, true},
		"more amid work": {func(n int) sample {
			s := flat(n)
			if s.busy = n%4 == 0; s.busy {
				s.own += n
			}
			return s
		}, true},
		"more memory":      {func(n int) sample { s := flat(n); s.own += n / 2; return s }, false},
		"more files":       {func(n int) sample { s := flat(n); s.fds += n / 10; return s }, false},
		"never at rest":    {func(n int) sample { s := flat(n); s.busy = n >= 80; return s }, false},
		"less than before": {func(n int) sample { s := flat(n); s.own -= n / 4; return s }, true},
	} {
		var all samples
		for n := range 120 {
			all = append(all, tc.hold(n))
		}
		if err := all.judge(io.Discard); (err == nil) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
