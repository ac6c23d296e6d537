package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	sealEvery   = 2 * time.Minute
	reloadEvery = 20 * time.Second
	soakPause   = 10 * time.Millisecond // of a client between two acts
	keeperRests = 10 * time.Second      // between two backups, compactions or new keys
	soakAgents  = 20                    // of a client: what is in the vault stays as much, and the trail grows
)

// soak has one daemon live so long under the same load, sealed and opened, reloaded, its
// keys and its file changed meanwhile, and prints what it holds: memory and descriptors.
// At the end all that was acknowledged has to be there, and what it holds at rest may not
// have grown.
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
		c.pause, c.rest, c.most = soakPause, keeperRests, soakAgents
		all.Go(func() { errs <- c.work(ctx) })
	}
	all.Go(func() {
		defer stop() // it ends before the others where something is wrong
		errs <- l.disturb(ctx, d)
	})
	held := l.watch(ctx, d)
	all.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	d.kill()
	if err != nil {
		return err
	}
	if _, err := l.v.verified(context.Background()); err != nil {
		return err
	}
	if err := l.check(context.Background()); err != nil {
		return err
	}
	l.printActs(os.Stdout)
	return held.judge(os.Stdout)
}

// watch looks at what the daemon holds until ctx ends, and prints it now and then.
func (l *ledger) watch(ctx context.Context, d *daemon) (held samples) {
	printHeader(os.Stdout)
	began := time.Now()
	for tick := time.NewTicker(sampleEvery); ; {
		s := l.sample(ctx, d, time.Since(began))
		if ctx.Err() != nil {
			return held
		}
		if len(held)%rowEvery == 0 {
			s.print(os.Stdout)
		}
		held = append(held, s)
		select {
		case <-ctx.Done():
			return held
		case <-tick.C:
		}
	}
}

// printActs prints how often each act was acknowledged.
func (l *ledger) printActs(w io.Writer) {
	count := map[string]int{"read again": l.reloads}
	for _, action := range l.acknowledged {
		count[action]++
	}
	for _, action := range sortedKeys(count) {
		fmt.Fprintf(w, "%6d %s\n", count[action], action)
	}
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
			l.reloads++
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
