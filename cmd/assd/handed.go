package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/signal"
	"syscall"

	"github.com/agent-secret-store/assd/internal/confine"
	"github.com/agent-secret-store/assd/internal/handover"
	"github.com/agent-secret-store/assd/internal/helper"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/seal"
	"github.com/agent-secret-store/assd/vault/server"
)

// The sockets that a daemon hands over to itself when its vault is sealed.
const (
	handedSocket  = "socket"
	handedNetwork = "network"
	handedHelper  = "helper"
)

// handed is what a daemon that was sealed tells the image that goes on sealed. The nil one
// is a daemon that was started.
type handed struct {
	taken  *handover.Taken
	helper *helper.Helper // nil: there is none, or it is gone

	// Serve has the flags in use: a setting that has changed in the file since counts
	// from the next start on.
	Serve    serveCmd         `json:"serve"`
	Root     bool             `json:"started_as_root"`
	Unlink   bool             `json:"unlink"` // the socket is ours to remove at the end
	Confined confine.State    `json:"confined"`
	Folders  []confine.Folder `json:"folders"`
	Commands []string         `json:"commands"`         // folders of those at the start
	Helper   *helper.Left     `json:"helper,omitempty"` // nil: there is none, or it is gone
}

// takeOver takes what the image before has handed over; nil where this one was started.
func takeOver() (*handed, error) {
	t, err := handover.Take()
	if t == nil || err != nil {
		return nil, err
	}
	h := &handed{taken: t}
	if err := t.State(h); err != nil {
		return nil, err
	}
	startedAsRoot = h.Root
	return h, nil
}

// config is the configuration file, for the start that goes on once the vault is open.
// What is wrong with it is told then.
func (h *handed) config() (*fileConfig, error) {
	app, err := grammar()
	if err != nil {
		return nil, err
	}
	path := h.Serve.configFile()
	file, problem := h.Serve.loadConfig(app)
	if problem != nil {
		file = &fileConfig{path: path, onDisk: &seenConfig{problem: problem}}
	}
	d := h.Serve.dataFlags
	d.SealCommand = "" // what the file says is asked for
	file.holdCommand(d)
	return file, nil
}

// bind takes the listeners that were handed over.
func (h *handed) bind(d *daemon) error {
	l, err := h.listener(handedSocket)
	if err != nil {
		return err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(h.Unlink)
	}
	d.socket, err = server.Adopt(l, server.SocketConfig{Path: h.Serve.socket(), Group: h.Serve.SocketGroup})
	if err == nil {
		h.helper, err = h.adoptHelper()
	}
	if err != nil || h.Serve.Listen == "" {
		return err
	}
	l, err = h.listener(handedNetwork)
	if err != nil {
		return err
	}
	if l, err = server.AdoptTCP(l); err != nil {
		return err
	}
	d.network, err = h.Serve.tlsFlags.over(l, h.Serve.dataDir(), d.log)
	return h.Serve.unnamedTLS(err)
}

// listener is a socket that was handed over, and is listened on.
func (h *handed) listener(name string) (net.Listener, error) {
	f := h.taken.Socket(name)
	if f == nil {
		return nil, fmt.Errorf("the %s was not handed over: start assd again", name)
	}
	defer f.Close() // the listener has its own
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("taking over the %s: %w", name, err)
	}
	return l, nil
}

// adoptHelper is the helper that was handed over; nil where there is none.
func (h *handed) adoptHelper() (*helper.Helper, error) {
	f := h.taken.Socket(handedHelper)
	if f == nil || h.Helper == nil {
		return nil, nil
	}
	defer f.Close() // the connection has its own
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("taking over the helper: %w", err)
	}
	return helper.Adopt(conn, *h.Helper)
}

// openers are what may open the vault again. Programs are run by the helper, since this
// process cannot any more.
func (h *handed) openers(file *fileConfig, set settings) []vault.Opener {
	all := h.Serve.vault().Openers
	for i := range all {
		if all[i].Kind == seal.KindCommand {
			all[i].Secret = func(ctx context.Context, _ string) (seal.Secret, error) { return h.commandSecret(ctx, file, set) }
		}
	}
	return all
}

// errNoProgram says what to do where no helper can run the command.
var errNoProgram = errors.New("a sealed daemon runs only the seal-command of its configuration file, as it was when assd was started: restart assd")

func (h *handed) commandSecret(ctx context.Context, file *fileConfig, set settings) (seal.Secret, error) {
	if h.helper == nil || len(set.seal) == 0 || file.held {
		return nil, errNoProgram
	}
	if _, err := h.helper.Load(ctx, set.digest); err != nil {
		return nil, fmt.Errorf("having the helper read the configuration: %w", h.Serve.unnamedConfig(err))
	}
	p, err := h.helper.Run(ctx, helper.Job{Digest: set.digest, Index: len(set.rotators), Timeout: sealCommandTime})
	return printedSecret(p.Out, p.Err, err)
}

// seal ends what is served and executes the program anew, which goes on sealed: so
// nothing that was in memory is left. It returns where that fails, or where the daemon is
// to stop.
func (d *daemon) seal(ctx context.Context, stop func()) error {
	d.log.Info("sealed by an owner: finishing what is under way")
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	d.srv.Stop()
	if shut := d.front.Release(drain); shut != nil {
		d.log.Warn("some requests were cut off", "error", shut)
	}
	stop()
	if err := d.vault.Close(); err != nil {
		d.log.Error("the vault was not closed as it should be", "error", err)
	}
	if d.stopped(ctx) {
		return errors.Join(closed(d.socket), d.network.close(), d.commands.close())
	}
	h, sockets := d.toHand()
	d.log.Info("executing assd anew, so that no key is left in memory")
	err := handover.Exec(h, sockets)
	return fmt.Errorf("the vault is sealed, and assd ends because it cannot go on: %w", err)
}

// stopped reports whether the daemon was asked to stop; what comes from now on is for the
// image that goes on.
func (d *daemon) stopped(ctx context.Context) bool {
	if err := handover.Hold(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP); err != nil {
		d.log.Warn("a signal that comes just now may be lost", "error", err)
	}
	signal.Stop(d.ends) // what has come by now is in it
	select {
	case <-d.ends:
		return true
	default:
		return ctx.Err() != nil
	}
}

// toHand is what the new image gets.
func (d *daemon) toHand() (*handed, map[string]syscall.Conn) {
	h := &handed{
		Serve: *d.serving, Root: startedAsRoot, Unlink: d.unlink,
		Confined: d.confined, Folders: d.folders, Commands: d.commands.folders,
	}
	sockets := map[string]syscall.Conn{handedSocket: d.socket.(syscall.Conn)}
	if d.network != nil {
		sockets[handedNetwork] = d.network.listener.(syscall.Conn)
	}
	if left, conn := d.commands.leave(); conn != nil {
		h.Helper, sockets[handedHelper] = left, conn
	}
	return h, sockets
}

// leave lets go of the helper, which goes on; nil where it is gone.
func (c *commands) leave() (*helper.Left, syscall.Conn) {
	if c.helper == nil {
		return nil, nil
	}
	c.closing.Store(true)
	left, conn, err := c.helper.Leave()
	if err != nil {
		c.log.Error("the helper that runs commands cannot be kept: restart assd once the vault is open", "error", err)
		_ = c.helper.Close() // so that it ends
		return nil, nil
	}
	return &left, conn
}
