package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// sealedPhase is the time in which the daemon serves a vault that nothing has opened yet.
// The nil one is none.
type sealedPhase struct {
	vault  *vault.Sealed
	srv    *server.Server
	opened chan *vault.Vault // that somebody has opened
	over   chan struct{}     // closed when the start has gone on to its end, or has failed
	err    error             // why it has failed; set before over is closed
}

// errStopped says that the daemon was stopped before the vault was open.
var errStopped = errors.New("stopped before the vault was open")

// answerTime is how long the answer to who has opened the vault may take to leave.
const answerTime = 5 * time.Second

// unlock opens the vault, or serves it sealed until somebody has opened it. Nothing is
// confined by then, so that a slot's program can still run.
func (d *daemon) unlock(ctx context.Context, c *serveCmd, file *fileConfig, set settings) error {
	if d.over != nil { // an owner has sealed it: nothing is tried until somebody asks for it
		cfg := c.vault()
		cfg.Openers = d.over.openers(file, set)
		return d.waitSealed(ctx, c, cfg)
	}
	v, err := c.open(ctx, d.log)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		d.log.Info("stopping before the vault was ready; the next start goes on with it", "stopped", err)
		return errStopped
	}
	sealed, ok := errors.AsType[*vault.SealedError](err)
	if !ok || !sealed.Unsealable() {
		d.vault = v
		return err
	}
	d.log.Info("the vault is sealed; to open it: ass vault unseal", "slots", sealed.Kinds, "reason", sealed.Error())
	return d.waitSealed(ctx, c, c.vault())
}

// waitSealed serves sealed until the vault is open.
func (d *daemon) waitSealed(ctx context.Context, c *serveCmd, cfg vault.Config) (err error) {
	cfg.Log = d.log
	p := &sealedPhase{vault: vault.NewSealed(ctx, cfg), opened: make(chan *vault.Vault, 1), over: make(chan struct{})}
	d.phase = p
	// Two starts must not make a certificate at once.
	err = vault.WhileLocked(cfg, func() error { return d.network.open(d.log) })
	if err != nil {
		return err
	}
	d.front = server.NewFront(d.log, d.network.certificates())
	serving, err := d.server(c)
	if err != nil {
		return err
	}
	serving.Unseal = p.unseal
	p.srv = server.New(serving)
	d.log.Info("serving sealed", "socket", d.socket.Addr().String(), "data_dir", c.dataDir())
	d.answer(p.srv)
	select {
	case d.vault = <-p.opened:
		d.log.Info("the vault was unsealed", "slot", d.vault.Unsealed().Slot)
		return nil
	case err = <-d.failed:
		return err
	case <-ctx.Done():
		d.log.Info("stopping: the vault is sealed")
		p.end(errStopped)
		return d.leave(errStopped)
	}
}

// unseal opens the vault, and answers once the daemon serves it, or why it does not.
func (p *sealedPhase) unseal(ctx context.Context, from vault.Origin, passphrase *string) (out api.Unsealed, err error) {
	v, err := p.vault.Unseal(ctx, from, passphrase)
	switch {
	case err == nil:
		out = v.Unsealed()
		p.opened <- v
	case !errors.Is(err, vault.ErrUnsealed):
		return out, err
	}
	<-p.over
	if p.err != nil {
		return out, api.New(api.CodeInternal, "the vault was opened, but assd cannot go on: "+p.err.Error()).WithHint("start it again: assd")
	}
	return out, err
}

// end says that the start has gone on to its end, or why it has failed.
func (p *sealedPhase) end(err error) {
	if p != nil {
		p.err = err
		close(p.over)
	}
}

// giveUp tells whoever waits for the start why it fails.
func (d *daemon) giveUp(why error) error {
	d.phase.end(why)
	return d.leave(nil)
}

// leave lets the answers of a daemon that does not go on leave. It returns err.
func (d *daemon) leave(err error) error {
	if d.front == nil || d.failed == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_ = d.front.Shutdown(ctx) // what is cut off there has had its time
	select {
	case v := <-d.phase.opened: // just before the end
		return errors.Join(err, v.Close())
	default:
		return err
	}
}

// inForce is the configuration that counts, once the vault that says so is open: until
// then the file counted. Its tables can still be exchanged; what the flags in it have
// done cannot be undone. An image that goes on has those of the one before.
func (d *daemon) inForce(c *serveCmd, file *fileConfig) (*fileConfig, settings, error) {
	text, bound, err := d.vault.ConfigInForce()
	if err != nil {
		return nil, settings{}, err
	}
	broken := file.onDisk != nil // and so the one accepted last counts
	if (bound || broken) && !bytes.Equal(text, file.text) {
		if file, err = d.accepted(file, text); err != nil {
			return nil, settings{}, err
		}
	}
	if d.over != nil || file.onDisk != nil {
		if err := file.open(); err != nil {
			return nil, settings{}, err
		}
	}
	set, err := file.settings()
	return file, set, err
}

// accepted is the configuration that was accepted last, with the file in its place.
func (d *daemon) accepted(file *fileConfig, text []byte) (*fileConfig, error) {
	app, err := grammar()
	if err != nil {
		return nil, err
	}
	next, err := parseConfig(file.path, text, app)
	if err != nil {
		return nil, err
	}
	if names := differing(file.values, next.values); d.over == nil && len(names) > 0 {
		return nil, fmt.Errorf("the configuration file sets other than what an owner has accepted last: %s; that counted while the vault was sealed: put it back, and change it while assd runs, with ass policy accept", strings.Join(names, ", "))
	}
	next.text, next.as = text, file.as
	if next.onDisk = file.onDisk; next.onDisk == nil {
		next.onDisk = &seenConfig{file: file}
	}
	return next, nil
}

// differing are the names of the settings that are not the same.
func differing(a, b map[string]any) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(union(a, b))) {
		// What was not accepted of that one has not counted.
		if name != sealCommandName && !reflect.DeepEqual(a[name], b[name]) {
			names = append(names, name)
		}
	}
	return names
}
