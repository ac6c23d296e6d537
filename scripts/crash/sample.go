package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	sampleEvery = 5 * time.Second
	rowEvery    = 6 // samples
	thirds      = 3 // that a soak is compared by
)

// A sample is what the daemon holds at a moment.
type sample struct {
	after   time.Duration
	own     int  // MiB of memory that is no file's
	busy    bool // with the whole file: checked after a start, copied for a backup, compacted; or silent
	fds     int  // open
	threads int
	data    int64 // MiB of its file
	acts    int   // acknowledged so far
}

// samples is what it held over a soak.
type samples []sample

func (l *ledger) sample(ctx context.Context, d *daemon, after time.Duration) sample {
	proc := filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid))
	fds, _ := os.ReadDir(filepath.Join(proc, "fd"))
	status, _ := os.ReadFile(filepath.Join(proc, "status"))
	s := sample{
		after: after, own: statusField(status, "RssAnon") >> 10, fds: len(fds), threads: statusField(status, "Threads"),
		busy: !l.checked(ctx),
	}
	for _, c := range l.clients {
		s.busy = s.busy || c.keeping.Load()
	}
	if info, err := os.Stat(filepath.Join(l.v.data, "vault.db")); err == nil {
		s.data = info.Size() >> 20
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.acts = len(l.acknowledged)
	return s
}

// checked reports whether the daemon has gone over the whole trail since it was opened.
func (l *ledger) checked(ctx context.Context) bool {
	var me struct{ Chain string }
	_, err := l.checking.call(ctx, "GET", "/v1/me", l.v.owner, nil, &me)
	return err == nil && me.Chain == "ok"
}

// statusField is a number of /proc/PID/status, 0 when there is none.
func statusField(status []byte, name string) int {
	_, rest, _ := strings.Cut(string(status), "\n"+name+":")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[0])
	return n
}

func printHeader(w io.Writer) {
	fmt.Fprintf(w, "%8s %9s %9s %5s %8s %8s  %s\n", "after", "own MiB", "data MiB", "fds", "threads", "acts", "file")
}

func (s sample) print(w io.Writer) {
	file := ""
	if s.busy {
		file = "at work on all of it"
	}
	fmt.Fprintf(w, "%8s %9d %9d %5d %8d %8d  %s\n", s.after.Round(time.Second), s.own, s.data, s.fds, s.threads, s.acts, file)
}

// What is held may grow so much from the first third of a soak to the last and still be
// called flat: the collector lets garbage lie for a while.
const (
	growth    = 1.25
	growthMiB = 8
	growthFDs = 4
)

// judge prints what was held in each third, and fails where it is not flat. Work on
// the whole file is told apart: it takes longer as the trail grows.
func (all samples) judge(w io.Writer) error {
	third := (len(all) + thirds - 1) / thirds
	var rests []float64
	var fds []int
	for part := range slices.Chunk(all, max(third, 1)) {
		rest, most := part.print(w)
		rests, fds = append(rests, rest), append(fds, most)
	}
	if len(rests) < thirds || slices.Contains(rests, 0) {
		return errors.New("in one third it was never seen at rest: soak for longer")
	}
	last := len(rests) - 1
	if rests[last] > growth*rests[0]+growthMiB {
		return fmt.Errorf("its memory grew from %.0f to %.0f MiB", rests[0], rests[last])
	}
	if fds[last] > fds[0]+growthFDs {
		return fmt.Errorf("its open files grew from %d to %d", fds[0], fds[last])
	}
	return nil
}

// print prints one part, and gives the mean of what is held at rest, in MiB, and the most
// open files.
func (part samples) print(w io.Writer) (rest float64, fds int) {
	var rests, works []int
	for _, s := range part {
		fds = max(fds, s.fds)
		if s.busy {
			works = append(works, s.own)
		} else {
			rests = append(rests, s.own)
		}
	}
	fmt.Fprintf(w, "until %s: %s; amid work on the whole file %s; at most %d files open\n",
		part[len(part)-1].after.Round(time.Second), spread(rests), spread(works), fds)
	return mean(rests), fds
}

func spread(mib []int) string {
	if len(mib) == 0 {
		return "no sample"
	}
	return fmt.Sprintf("%d to %d MiB, mean %.0f of %d samples", slices.Min(mib), slices.Max(mib), mean(mib), len(mib))
}

func mean(mib []int) float64 {
	sum := 0
	for _, n := range mib {
		sum += n
	}
	return float64(sum) / float64(max(len(mib), 1))
}
