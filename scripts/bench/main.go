// Command bench measures a vault against what the machine can do at best.
//
// It makes a throw-away vault, starts the real daemon on it, and loads it over
// the Unix socket with durable, audited reads, writes and token issues. Beside
// each number stands its floor from the same run: a handler in another process
// that answers the same requests with nothing, and a bbolt commit of one record
// as long as what the operation writes. Rounds of vault and floor alternate, so
// that a noisy machine disturbs both alike.
//
// Usage, from the top of the repository after make build:
//
//	go run ./scripts/bench [-duration 2s] [-dir DIR] [-json]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Settings of a run.
type settings struct {
	assd, ass string        // the binaries
	dir       string        // where the data goes: the disk that is measured
	duration  time.Duration // of the load on the vault, and on each floor, for one line
	runs      int           // of each process
	events    int           // in the large trail
	json      bool
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == idleArgument {
		return
	}
	if socket := os.Getenv(floorEnv); socket != "" {
		fail(serveFloor(socket))
		return
	}
	var s settings
	flag.StringVar(&s.assd, "assd", "bin/assd", "the daemon to measure")
	flag.StringVar(&s.ass, "ass", "bin/ass", "the client to measure as a whole process")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "the directory, and so the disk, for the data")
	flag.DurationVar(&s.duration, "duration", 2*time.Second, "how long vault and floor are each loaded for a line of the table")
	flag.IntVar(&s.runs, "runs", 100, "how often each process is started")
	flag.IntVar(&s.events, "events", 10_000_000, "how many events the large trail has, at least 10,000")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := run(ctx, s)
	fail(err)
	fail(report.print(os.Stdout, s.json))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
