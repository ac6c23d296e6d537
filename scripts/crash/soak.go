package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	sampleEvery = 30 * time.Second
	sealEvery   = 45 * time.Second
	reloadEvery = 20 * time.Second
	soakPause   = 10 * time.Millisecond // of a client between two acts
)

// soak has one daemon live so long under the same load, sealed and opened, reloaded, its
// keys and its file changed meanwhile, and prints what it holds: memory and descriptors.
// At the end all that was acknowledged has to be there.
func (l *ledger) soak(ctx context.Context, long time.Duration) error {
	d, err := l.v.start(ctx, "")
	if err != nil {
		return err
	}
	if err := d.await(ctx, l.checking); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, long)
	defer stop()
	var all sync.WaitGroup
	errs := make(chan error, len(l.clients)+1)
	for _, c := range l.clients {
		c.pause = soakPause
		all.Go(func() { errs <- c.work(ctx) })
	}
	all.Go(func() {
		defer stop() // it ends before the others where something is wrong
		errs <- l.disturb(ctx, d)
	})
	fmt.Printf("%8s %9s %9s %5s %8s %8s\n", "after", "own MiB", "data MiB", "fds", "threads", "acts")
	began := time.Now()
	for ctx.Err() == nil {
		l.sample(d, time.Since(began))
		select {
		case <-ctx.Done():
		case <-time.After(sampleEvery):
		}
	}
	all.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	l.sample(d, time.Since(began))
	d.kill()
	if err != nil {
		return err
	}
	if _, err := l.v.verified(context.Background()); err != nil {
		return err
	}
	return l.check(context.Background())
}

// disturb seals and opens the vault, and has it read its files again, until ctx ends.
func (l *ledger) disturb(ctx context.Context, d *daemon) error {
	seal, reload := time.NewTicker(sealEvery), time.NewTicker(reloadEvery)
	defer seal.Stop()
	defer reload.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reload.C:
			if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				return err
			}
		case <-seal.C:
			if err := l.sealAndOpen(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("sealing and opening: %w", err)
			}
		}
	}
}

func (l *ledger) sealAndOpen(ctx context.Context) error {
	id, err := l.admin.call(ctx, "POST", "/v1/vault/seal", l.v.owner, nil, nil)
	if err != nil && !errors.Is(err, errNoAnswer) {
		return err
	}
	if err == nil {
		l.note(id, "vault.seal")
	}
	for {
		var health struct{ Sealed bool }
		_, err := l.admin.call(ctx, "GET", "/v1/health", "", nil, &health)
		if err == nil && health.Sealed {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	for {
		// The image from before may have said so, and take its connections along.
		_, err := l.admin.call(ctx, "POST", "/v1/vault/unseal", "", struct{}{}, nil)
		if !errors.Is(err, errNoAnswer) || ctx.Err() != nil {
			return err
		}
	}
}

// sample prints what the daemon holds.
func (l *ledger) sample(d *daemon, after time.Duration) {
	proc := filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid))
	fds, _ := os.ReadDir(filepath.Join(proc, "fd"))
	status, _ := os.ReadFile(filepath.Join(proc, "status"))
	field := func(name string) int {
		_, rest, _ := strings.Cut(string(status), "\n"+name+":")
		f := strings.Fields(rest)
		if len(f) == 0 {
			return 0
		}
		n, _ := strconv.Atoi(f[0])
		return n
	}
	size := int64(0)
	if info, err := os.Stat(filepath.Join(l.v.data, "vault.db")); err == nil {
		size = info.Size()
	}
	l.mu.Lock()
	acts := len(l.acknowledged)
	l.mu.Unlock()
	fmt.Printf("%8s %9d %9d %5d %8d %8d\n", after.Round(time.Second), field("RssAnon")>>10, size>>20, len(fds), field("Threads"), acts)
}
