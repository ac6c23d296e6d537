// Command crash kills a loaded daemon again and again, at random moments and at named
// points, and checks each time that nothing acknowledged is lost.
//
// It makes a throw-away vault and keeps it over all kills, so that what one kill has
// spoilt the next ones find too. While the daemon lives, several clients write, read,
// delete, and make and revoke agents; each notes what it was told. After each kill
// "assd verify" has to find the files whole, the daemon has to start by itself, each
// acknowledged change has to be there, what was not acknowledged must have happened
// whole or not at all, and each acknowledged act, reads too, has to have its event.
//
// The daemon is built with the tag "crashpoints". Usage, from the top of the repository:
//
//	make crash            # some minutes
//	go run ./scripts/crash -assd bin/assd-crash -kills 30 -seed 1
//	make soak             # half an hour: nobody is killed; what is held at rest may not grow
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// reportEvery is after how many kills a long run says that it goes on.
const reportEvery = 50

// settings of a run.
type settings struct {
	assd  string
	dir   string
	kills int
	seed  uint64
	soak  time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.assd, "assd", "bin/assd-crash", "the daemon, built with the tag crashpoints")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "where the vault goes")
	flag.IntVar(&s.kills, "kills", 300, "how often it is killed")
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "of what is random")
	flag.DurationVar(&s.soak, "soak", 0, "do not kill, but load one daemon for so long; fails where what it holds at rest grows")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintf(os.Stderr, "crash: seed %d: %v\n", s.seed, err)
		os.Exit(1)
	}
}

// run kills, and checks, so many times.
func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp(s.dir, "assd-crash-")
	if err != nil {
		return err
	}
	v, err := initVault(ctx, s.assd, dir)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(s.seed, 0))
	l := newLedger(v, random)
	if s.soak > 0 {
		if err := l.soak(ctx, s.soak); err != nil {
			return fmt.Errorf("vault kept in %s: %w", dir, err)
		}
		fmt.Printf("%d acknowledged acts, each there with its event; %d events verify\n", len(l.acknowledged), l.events)
		return os.RemoveAll(dir)
	}
	tally := map[string]int{}
	began := time.Now()
	for n := range s.kills {
		how := plan(n, random)
		if err := l.round(ctx, how); err != nil {
			return fmt.Errorf("kill %d, %s, vault kept in %s: %w", n+1, how, dir, err)
		}
		if tally[how.name()]++; (n+1)%reportEvery == 0 {
			fmt.Fprintf(os.Stderr, "%d kills after %.0f s\n", n+1, time.Since(began).Seconds())
		}
	}
	fmt.Printf("killed %d times in %.0f s: %d acknowledged acts, each there with its event; %d events verify\n",
		s.kills, time.Since(began).Seconds(), len(l.acknowledged), l.events)
	for _, name := range sortedKeys(tally) {
		fmt.Printf("  %-28s %4d\n", name, tally[name])
	}
	return os.RemoveAll(dir)
}
